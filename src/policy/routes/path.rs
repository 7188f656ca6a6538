//! The target of a request: read where it can mean one thing only, refused otherwise.
//!
//! A proxy, an application and its framework each have ideas of their own about what `//`, `%2e%2e`, `;x` or a trailing dot mean.
//! Nothing is tidied here, since tidying is to guess what they do: a path that any of them might take for another one is refused
//! with the reason. What is left is the same path to everybody: segments that decode in one way, with nothing in them that
//! separates, ends or hides anything.

use std::{borrow::Cow, net::Ipv6Addr};

/// The longest target in bytes, path and query together.
pub(super) const LONGEST: usize = 8192;

/// The most segments of a path.
pub(super) const MOST_SEGMENTS: usize = 64;

/// A target whose path is canonical.
#[derive(Debug)]
pub(super) struct Target<'t> {
    /// The path as it was sent.
    pub(super) path: &'t str,
    /// Its segments, decoded; none for `/`.
    pub(super) segments: Vec<Cow<'t, str>>,
    /// Whether a `/` stands behind the last segment.
    pub(super) slash: bool,
    /// What stands behind the first `?`; empty where there is none.
    pub(super) query: &'t str,
}

impl<'t> Target<'t> {
    /// Reads a target as a client has sent it.
    ///
    /// # Errors
    /// Fails with what may be taken for something else.
    pub(super) fn read(target: &'t [u8]) -> Result<Self, &'static str> {
        if target.len() > LONGEST {
            return Err("it is longer than 8192 bytes");
        }
        // Before anything else: what is no visible ASCII may end or hide the rest.
        if target.iter().any(|byte| !(0x21..=0x7e).contains(byte)) {
            return Err("it has a byte that must be encoded");
        }
        let target = str::from_utf8(target).map_err(|_| "it is not ASCII")?;
        if target.contains('#') {
            return Err("it has a fragment");
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let Some(rest) = path.strip_prefix('/') else { return Err("it does not begin with `/`") };
        if let Some(odd) = path.bytes().find(|&byte| !is_plain(byte)) {
            return Err(match odd {
                b'\\' => "it has a backslash",
                b';' => "it has a parameter behind `;`",
                _ => "it has a character that must be encoded",
            });
        }
        let mut segments = Vec::new();
        let slash = rest.ends_with('/');
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if slash || !rest.is_empty() {
            for segment in rest.split('/') {
                if segments.len() == MOST_SEGMENTS {
                    return Err("it has more than 64 segments");
                }
                segments.push(read_segment(segment)?);
            }
        }
        Ok(Self { path, segments, slash, query })
    }
}

/// Whether a byte may stand in a path as it is. `;` may by the letter, but many servers cut it off with what follows.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/' | b'%')
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

fn read_segment(segment: &str) -> Result<Cow<'_, str>, &'static str> {
    if segment.is_empty() {
        return Err("it has an empty segment");
    }
    let decoded = decode_segment(segment)?;
    // Windows and what is made for it leave dots and blanks at the end of a name out.
    if decoded.ends_with('.') {
        return Err(if matches!(&*decoded, "." | "..") { "it has a dot segment" } else { "a segment ends with a dot" });
    }
    if decoded.trim() != decoded {
        return Err("a segment begins or ends with a blank");
    }
    Ok(decoded)
}

fn decode_segment(segment: &str) -> Result<Cow<'_, str>, &'static str> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let byte = hex(bytes.next(), bytes.next()).ok_or("it has a `%` that encodes nothing")?;
        decoded.push(match byte {
            b'/' | b'\\' => return Err("it has an encoded slash or backslash"),
            b'.' => return Err("it has an encoded dot"),
            b'%' => return Err("it has an encoded `%`, which may be decoded twice"),
            b';' | b'?' | b'#' => return Err("it has an encoded `;`, `?` or `#`"),
            0..=0x1f | 0x7f => return Err("it has an encoded control character"),
            byte if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'~') => {
                return Err("it encodes what needs no encoding");
            }
            byte => byte,
        });
    }
    let decoded = String::from_utf8(decoded).map_err(|_| "it encodes what is not UTF-8")?;
    if decoded.contains(char::is_control) {
        return Err("it has an encoded control character");
    }
    // The wide forms of ASCII become ASCII where a server maps what it cannot write to what looks alike.
    if decoded.contains(|c| matches!(c, '\u{ff01}'..='\u{ff5e}')) {
        return Err("it has a full-width form of an ASCII character");
    }
    Ok(Cow::Owned(decoded))
}

fn hex(high: Option<u8>, low: Option<u8>) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high?)? << 4) | digit(low?)?)
}

/// The one value that a query gives a name; `None` where it does not give it.
///
/// # Errors
/// Fails where the name is given more than once, also in another spelling that some framework takes for the same name, or the query
/// can be read in more than one way.
pub(super) fn query_value(query: &str, name: &str) -> Result<Option<String>, &'static str> {
    // Some servers separate with `;` as well: to them the name may have another value.
    if query.contains(';') {
        return Err("the query has a `;`, which separates to some servers and not to others");
    }
    let mut found = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decode_query(key)?;
        if key != name {
            if is_taken_for(&key, name) {
                return Err("it is also given in another spelling, which some servers take for the same name");
            }
            continue;
        }
        if found.is_some() {
            return Err("it is given more than once");
        }
        found = Some(decode_query(value)?);
    }
    Ok(found)
}

/// Whether some framework takes a key of a query for this name: blanks at its ends left out, in any case, `.` and blanks as `_`, a part
/// in brackets as something within it.
fn is_taken_for(key: &str, name: &str) -> bool {
    let plain = |text: &str| folded(text.trim()).replace(['.', ' '], "_");
    let (key, name) = (plain(key), plain(name));
    match key.strip_prefix(&name) {
        Some(rest) => rest.is_empty() || rest.starts_with('['),
        // A bracket that nothing closes is a `_` as well.
        None => key.contains('[') && !key.contains(']') && key.replacen('[', "_", 1) == name,
    }
}

fn decode_query(text: &str) -> Result<String, &'static str> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => hex(bytes.next(), bytes.next()).ok_or("the query has a `%` that encodes nothing")?,
            byte => byte,
        });
    }
    let decoded = String::from_utf8(decoded).map_err(|_| "the query encodes what is not UTF-8")?;
    if decoded.contains(char::is_control) { Err("the query encodes a control character") } else { Ok(decoded) }
}

/// A host as routes know it: in lower case, without its port.
///
/// # Errors
/// Fails with what is wrong with a text that is no host, or one that may be taken for another.
pub(super) fn read_host(host: &str) -> Result<Cow<'_, str>, &'static str> {
    if let Some(rest) = host.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("it has no `]`")?;
        if address.parse::<Ipv6Addr>().is_err() || !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
            return Err("it is no address");
        }
        return Ok(folded(host.get(..address.len() + 2).unwrap_or_default()));
    }
    let name = match host.split_once(':') {
        Some((name, port)) if is_port(port) => name,
        Some(_) => return Err("it has a `:` with no port"),
        None => host,
    };
    if name.ends_with('.') {
        return Err("it ends with a dot");
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
        return Err("it is no host name");
    }
    Ok(folded(name))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A segment as somebody reads it who takes no notice of case.
pub(super) fn folded(segment: &str) -> Cow<'_, str> {
    if !segment.is_ascii() {
        // Up and down again: there are letters that only one of the ways makes an ASCII letter of, such as the Kelvin sign.
        return Cow::Owned(segment.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect());
    }
    if segment.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(segment.to_ascii_lowercase());
    }
    Cow::Borrowed(segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn segments(target: &str) -> Vec<String> {
        let target = Target::read(target.as_bytes()).unwrap_or_else(|why| panic!("{target}: {why}"));
        target.segments.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_canonical_path_is_its_decoded_segments() {
        for (target, expected) in [
            ("/", &[][..]),
            ("/orders", &["orders"]),
            ("/orders/", &["orders"]),
            ("/orders/o-1", &["orders", "o-1"]),
            ("/orders/o-1?a=/../b", &["orders", "o-1"]),
            ("/a.b/v1.2/.well-known", &["a.b", "v1.2", ".well-known"]),
            ("/caf%C3%A9/caf%c3%a9", &["café", "café"]),
            ("/a%20b/x@y/x%40y/(1)", &["a b", "x@y", "x@y", "(1)"]),
        ] {
            assert_eq!(segments(target), expected, "{target}");
        }
        assert!(Target::read(b"/orders/").unwrap().slash);
        assert!(!Target::read(b"/").unwrap().slash, "the root has no segment to stand behind");
        assert_eq!(Target::read(b"/a?b?c").unwrap().query, "b?c");
    }

    #[test]
    fn what_may_be_taken_for_another_path_is_refused() {
        for (target, why) in [
            ("", "begin with `/`"),
            ("*", "begin with `/`"),
            ("orders", "begin with `/`"),
            ("example.com:443", "begin with `/`"),
            ("http://example.com/orders", "begin with `/`"),
            ("//", "empty segment"),
            ("//orders", "empty segment"),
            ("/orders//o-1", "empty segment"),
            ("/orders/o-1//", "empty segment"),
            ("/./orders", "dot segment"),
            ("/orders/..", "dot segment"),
            ("/orders/../admin", "dot segment"),
            ("/orders/...", "ends with a dot"),
            ("/orders.", "ends with a dot"),
            ("/orders./o-1", "ends with a dot"),
            ("/%2e%2e/admin", "encoded dot"),
            ("/orders/%2E", "encoded dot"),
            ("/.%2e/admin", "encoded dot"),
            ("/orders%2fo-1", "encoded slash"),
            ("/orders%2F..", "encoded slash"),
            ("/orders%5c..", "encoded slash or backslash"),
            ("/orders\\..\\admin", "backslash"),
            ("/orders;x=1", "behind `;`"),
            ("/orders;/o-1", "behind `;`"),
            ("/orders%3bx", "encoded `;`"),
            ("/orders%3Fx", "encoded `;`, `?`"),
            ("/orders%23x", "encoded `;`, `?` or `#`"),
            ("/orders#x", "fragment"),
            ("/orders?x#y", "fragment"),
            ("/%61dmin", "needs no encoding"),
            ("/%41dmin", "needs no encoding"),
            ("/orders/%7Ex", "needs no encoding"),
            ("/orders/%", "encodes nothing"),
            ("/orders/%2", "encodes nothing"),
            ("/orders/%zz", "encodes nothing"),
            ("/orders/%252e", "decoded twice"),
            ("/orders/%00", "control character"),
            ("/orders/%0a", "control character"),
            ("/orders/%7f", "control character"),
            ("/orders/%C2%80", "control character"),
            ("/orders/%C0%AF", "not UTF-8"),
            ("/orders/%ff", "not UTF-8"),
            ("/orders/%ED%A0%80", "not UTF-8"),
            ("/orders/%20", "blank"),
            ("/orders%20/o-1", "blank"),
            ("/orders/%E3%80%80x", "blank"),
            ("/%EF%BC%8E%EF%BC%8E/x", "full-width"),
            ("/orders/a|b", "must be encoded"),
            ("/orders/{id}", "must be encoded"),
            ("/orders/a^b", "must be encoded"),
        ] {
            let error = Target::read(target.as_bytes()).err().unwrap_or_else(|| panic!("{target} is taken"));
            assert!(error.contains(why), "{target}: {error}");
        }
        for target in
            [&b"/or\0ders"[..], b"/orders\t", b"/or ders", b"/orders/\xff", "/café".as_bytes(), b"/orders?\x00"]
        {
            assert!(Target::read(target).is_err(), "{target:?}");
        }
    }

    #[test]
    fn very_long_paths_are_refused_and_those_at_the_border_are_not() {
        let long = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        assert!(Target::read(long(LONGEST).as_bytes()).is_ok());
        assert!(Target::read(long(LONGEST + 1).as_bytes()).is_err());
        assert!(Target::read("/a".repeat(MOST_SEGMENTS).as_bytes()).is_ok());
        assert!(Target::read("/a".repeat(MOST_SEGMENTS + 1).as_bytes()).is_err());
    }

    #[test]
    fn a_value_of_the_query_is_there_once_or_not_told() {
        for (query, expected) in [
            ("", Ok(None)),
            ("x=1", Ok(None)),
            ("id=o-1", Ok(Some("o-1"))),
            ("id=", Ok(Some(""))),
            ("id", Ok(Some(""))),
            ("x=1&id=a+b%2Fc&y", Ok(Some("a b/c"))),
            ("%69d=1", Ok(Some("1"))),
            ("id=1&id=2", Err("more than once")),
            ("id=1&%69%64=2", Err("more than once")),
            ("id=1;id=2", Err("`;`")),
            ("id=%zz", Err("encodes nothing")),
            ("id=%ff", Err("not UTF-8")),
            ("id=%00", Err("control")),
            ("%=1&id=2", Err("encodes nothing")),
            ("id=mine&+id=theirs", Err("another spelling")),
            ("id=mine&%20id=theirs", Err("another spelling")),
            ("id=mine&id%20=theirs", Err("another spelling")),
            ("id=mine&ID=theirs", Err("another spelling")),
            ("id=mine&id[]=theirs", Err("another spelling")),
            ("id%5B0%5D=theirs&id=mine", Err("another spelling")),
            ("Id=theirs", Err("another spelling")),
            ("id=1&ids=2&xid=3&id-x=4&id_x=5&id.x=6&x[id]=7", Ok(Some("1"))),
        ] {
            match (query_value(query, "id"), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected, "{query}"),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{query}: {found}"),
                (found, expected) => panic!("{query}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn a_name_of_the_query_is_the_same_in_every_spelling_that_a_framework_may_take_for_it() {
        for (name, same, others) in [
            (
                "order_id",
                &["order.id", "order id", "order[id", "Order_ID", "order_id[x]"][..],
                &["order-id", "orderid"][..],
            ),
            ("order.id", &["order_id", "order id", "order[id"], &["order"]),
            ("filter[id]", &["Filter[ID]", "filter[id][]", " filter[id]"], &["filter[name]", "filter", "filter[idx]"]),
        ] {
            for key in same {
                let query = format!("{name}=1&{}=2", key.replace(' ', "+"));
                assert!(query_value(&query, name).is_err(), "{query}");
            }
            for key in others {
                let query = format!("{name}=1&{key}=2");
                assert_eq!(query_value(&query, name), Ok(Some("1".to_owned())), "{query}");
            }
        }
    }

    #[test]
    fn a_host_is_a_name_without_its_port() {
        for (host, expected) in [
            ("api.example.com", Some("api.example.com")),
            ("API.Example.com:8443", Some("api.example.com")),
            ("localhost:80", Some("localhost")),
            ("10.0.0.1:80", Some("10.0.0.1")),
            ("[::1]", Some("[::1]")),
            ("[2001:DB8::1]:443", Some("[2001:db8::1]")),
            ("", None),
            (":80", None),
            ("example.com.", None),
            ("example.com.:80", None),
            ("example.com:x", None),
            ("user@example.com", None),
            ("example.com/admin", None),
            ("a b", None),
            ("[::1", None),
            ("[x]", None),
            ("[::1]x", None),
            ("::1", None),
            ("exämple.com", None),
        ] {
            assert_eq!(read_host(host).ok().as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn folding_takes_no_notice_of_case_whatever_the_letters() {
        for (text, expected) in [("Orders", "orders"), ("BAC\u{212a}UP", "backup"), ("u\u{17f}ers", "users")] {
            assert_eq!(folded(text), expected);
        }
    }
}
