//! Pages of search results, and the tokens that lead from one to the next.

use super::search::{Body, Sought};
use crate::{
    http::{
        ApiError,
        json::{Object, write},
    },
    model::{Revision, from_hex, to_hex},
};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};

/// Results of one page at the most, also where no limit is given.
const MOST: usize = 10_000;

/// What a request says about pages.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    token: Option<String>,
    limit: Option<u64>,
    #[serde(rename = "properties")]
    _properties: Option<Object<Unknown>>,
}

/// Members of which nothing is known.
#[derive(Debug, Deserialize)]
struct Unknown {}

/// What a token belongs to beside the members of its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) sought: Sought,
    pub(super) revision: Revision,
    /// The tenant that the address names.
    pub(super) place: Option<&'a str>,
    pub(super) reasons: bool,
}

/// A page that is being filled.
#[derive(Debug)]
pub(super) struct Page {
    digest: [u8; 16],
    /// The limit that the client gave.
    given: Option<u64>,
    limit: usize,
    after: Option<String>,
    last: Option<String>,
    asked: bool,
    count: usize,
    more: bool,
    results: String,
}

/// What a token holds.
#[derive(Debug, PartialEq, Eq)]
struct Token {
    digest: [u8; 16],
    limit: Option<u64>,
    after: Option<String>,
}

impl Page {
    /// The page that a request asks for.
    pub(super) fn new(asked: &Asked<'_>, body: &Body<'_>, request: Option<&Request>) -> Result<Self, ApiError> {
        let digest = digest(asked, body)?;
        let (mut given, mut after) = (request.and_then(|page| page.limit), None);
        // An empty token is the end of a list: a client that sends it begins anew.
        if let Some(token) = request.and_then(|page| page.token.as_deref()).filter(|token| !token.is_empty()) {
            let token =
                Token::read(token).ok_or_else(|| ApiError::malformed("`page.token` is not a token of this API"))?;
            if token.digest != digest {
                let message = "`page.token` belongs to another request, or the policies have changed since";
                return Err(ApiError::malformed(message));
            }
            if given.is_some() && given != token.limit {
                return Err(ApiError::malformed("`page.limit` is not that of the first page"));
            }
            // Pages of nothing, which AuthZEN allows, lead nowhere. They go on for a client that asks for nothing again; one that sends the
            // token alone is given what there is.
            let bound = token.limit.filter(|limit| given.is_some() || *limit > 0);
            (given, after) = (bound, token.after);
        }
        let limit = given.map_or(MOST, |limit| usize::try_from(limit).unwrap_or(MOST).min(MOST));
        Ok(Self {
            digest,
            given,
            limit,
            last: after.clone(),
            after,
            asked: request.is_some(),
            count: 0,
            more: false,
            results: String::new(),
        })
    }

    /// Where the page before this one ended.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// What comes behind the page before this one, of keys in their order.
    pub(super) fn rest<'k>(&self, keys: impl Iterator<Item = &'k str> + 'k) -> impl Iterator<Item = &'k str> + 'k {
        let after = self.after.clone();
        keys.skip_while(move |key| after.as_deref().is_some_and(|after| *key <= after))
    }

    /// Takes a result; `false` where the page is full and the result is left for the next.
    pub(super) fn take(&mut self, key: &str, write: impl FnOnce(&mut String)) -> bool {
        if self.count == self.limit {
            self.more = true;
            return false;
        }
        if self.count > 0 {
            self.results.push(',');
        }
        write(&mut self.results);
        self.count += 1;
        // Only the last one of a page is needed, but which one that is shows with the next.
        let last = self.last.get_or_insert_default();
        last.clear();
        last.push_str(key);
        true
    }

    /// The answer. The page stands in front, and is left out where nobody asked for it and nothing is missing.
    pub(super) fn finish(self) -> String {
        let mut out = String::with_capacity(self.results.len() + 96);
        out.push('{');
        if self.asked || self.more {
            let token = Token { digest: self.digest, limit: self.given, after: self.last };
            let token = if self.more { token.write() } else { String::new() };
            write::plain(&mut out, format_args!(r#""page":{{"next_token":"{token}","count":{}}},"#, self.count));
        }
        out.push_str(r#""results":["#);
        out.push_str(&self.results);
        out.push_str("]}");
        out
    }
}

impl Token {
    fn write(&self) -> String {
        let mut bytes = self.digest.to_vec();
        bytes.extend(self.limit.map_or(u64::MAX, |limit| limit).to_be_bytes());
        if let Some(after) = &self.after {
            bytes.push(b'>');
            bytes.extend(after.as_bytes());
        }
        to_hex(&bytes)
    }

    fn read(text: &str) -> Option<Self> {
        let bytes = from_hex(text)?;
        let (digest, rest) = bytes.split_first_chunk::<16>()?;
        let (limit, rest) = rest.split_first_chunk::<8>()?;
        let after = match rest.split_first() {
            None => None,
            Some((b'>', after)) => Some(str::from_utf8(after).ok()?.to_owned()),
            Some(_) => return None,
        };
        let limit = Some(u64::from_be_bytes(*limit)).filter(|limit| *limit != u64::MAX);
        Some(Self { digest: *digest, limit, after })
    }
}

/// Names a request: what is sought in which revision by which members, however they are written.
fn digest(asked: &Asked<'_>, body: &Body<'_>) -> Result<[u8; 16], ApiError> {
    let Asked { sought, revision, place, reasons } = *asked;
    let mut hash = Sha256::new();
    hash.update([sought as u8, u8::from(reasons), u8::from(place.is_some())]);
    take(&mut hash, &Value::from(place.unwrap_or_default()));
    hash.update(revision.digest());
    for (part, is_sought) in [
        (body.subject, sought == Sought::Subjects),
        (body.action.filter(|_| sought != Sought::Actions), false),
        (body.resource, sought == Sought::Resources),
        (body.context, false),
    ] {
        let mut value = part.map_or(Ok(Value::Null), value)?;
        if let (true, Some(members)) = (is_sought, value.as_object_mut()) {
            members.remove("id");
        }
        take(&mut hash, &value);
    }
    let whole: [u8; 32] = hash.finalize().into();
    let mut half = [0; 16];
    half.iter_mut().zip(whole).for_each(|(half, byte)| *half = byte);
    Ok(half)
}

fn value(text: &RawValue) -> Result<Value, ApiError> {
    super::batch::read(text)
}

/// Hashes a value with the members of its objects in the order of their names.
fn take(hash: &mut Sha256, value: &Value) {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            hash.update([b'{']);
            hash.update((members.len() as u64).to_be_bytes());
            for (name, value) in members {
                hash.update((name.len() as u64).to_be_bytes());
                hash.update(name);
                take(hash, value);
            }
        }
        Value::Array(items) => {
            hash.update([b'[']);
            hash.update((items.len() as u64).to_be_bytes());
            for item in items {
                take(hash, item);
            }
        }
        scalar => {
            let text = scalar.to_string();
            hash.update([b'=']);
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written_and_nothing_else_is_one() {
        for (limit, after) in [(None, None), (Some(0), Some("")), (Some(7), Some("é/ö")), (Some(1), Some("u-1"))] {
            let token = Token { digest: [7; 16], limit, after: after.map(str::to_owned) };
            assert_eq!(Token::read(&token.write()), Some(token));
        }
        for text in ["x", "0", "00", "é", "+1", &"0".repeat(47), &("0".repeat(48) + "3f41"), &("0".repeat(48) + "3eff")]
        {
            assert_eq!(Token::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_request_has_one_digest_however_it_is_written() {
        let of = |sought, text: &str| {
            let body: Body<'_> = serde_json::from_str(text).unwrap();
            digest(&Asked { sought, revision: Revision::new([1; 32]), place: None, reasons: false }, &body).unwrap()
        };
        let one = of(
            Sought::Subjects,
            r#"{"subject":{"type":"user"},"action":{"name":"view"},"resource":{"type":"r","id":"1"}}"#,
        );
        let same = of(
            Sought::Subjects,
            r#" {"resource": {"id":"1", "type":"r"}, "action":{"name":"view"}, "subject":{"type":"user","id":"ignored"}}"#,
        );
        assert_eq!(one, same);
        let other = of(
            Sought::Subjects,
            r#"{"subject":{"type":"user"},"action":{"name":"edit"},"resource":{"type":"r","id":"1"}}"#,
        );
        let kind = of(
            Sought::Resources,
            r#"{"subject":{"type":"user"},"action":{"name":"view"},"resource":{"type":"r","id":"1"}}"#,
        );
        assert!(one != other && one != kind);
    }
}
