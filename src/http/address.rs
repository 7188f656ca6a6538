//! The parts of an address: percent-encoding undone, parameters by name.

use super::ApiError;
use crate::document::hint;
use std::borrow::Cow;

/// Percent-decoding of a form's name or value, where `+` is a space.
pub(super) fn decode(text: &str) -> Result<Cow<'_, str>, ApiError> {
    undo(text, true)
}

/// Percent-decoding of one segment of a path, where `+` is itself.
pub(super) fn segment(text: &str) -> Result<Cow<'_, str>, ApiError> {
    undo(text, false)
}

/// The parameters of an address's query: each of the known names at most once, and no other.
pub(super) fn parameters<'q, const N: usize>(
    query: Option<&'q str>,
    known: [&str; N],
) -> Result<[Option<Cow<'q, str>>; N], ApiError> {
    let mut found = [const { None }; N];
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let place = known.iter().zip(&mut found).find(|(known, _)| **known == name);
        let Some((_, place)) = place else {
            let help = hint(&name, known).map(|help| format!("; {help}")).unwrap_or_default();
            return Err(ApiError::malformed(format!("there is no parameter `{name}`{help}")));
        };
        // What is there without a value was meant to have one.
        if value.is_empty() {
            return Err(ApiError::malformed(format!("parameter `{name}` has no value")));
        }
        if place.replace(value).is_some() {
            return Err(ApiError::malformed(format!("parameter `{name}` is given more than once")));
        }
    }
    Ok(found)
}

/// The value of a parameter that is not one of those that it takes.
pub(super) fn wrong(name: &str, given: &str, known: &str) -> ApiError {
    ApiError::malformed(format!("`{given}` is no value of `{name}`: {known}"))
}

fn undo(text: &str, plus_is_space: bool) -> Result<Cow<'_, str>, ApiError> {
    if !text.contains(['%', '+']) {
        return Ok(text.into());
    }
    let refused = || ApiError::malformed(format!("`{text}` in the address is not percent-encoded UTF-8"));
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' if plus_is_space => decoded.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_first_chunk::<2>().ok_or_else(refused)?;
                let digits = str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'));
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(refused)?;
                decoded.push(byte);
                rest = after;
            }
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| refused())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_names_come_back_as_they_were() {
        for (written, form, path) in
            [("a%20b", "a b", "a b"), ("a+b", "a b", "a+b"), ("%C3%A9", "é", "é"), ("x", "x", "x")]
        {
            assert_eq!((decode(written).unwrap().as_ref(), segment(written).unwrap().as_ref()), (form, path));
        }
        for written in ["%", "%4", "%zz", "%+1", "%ff"] {
            assert!(decode(written).is_err(), "{written}");
        }
    }

    #[test]
    fn parameters_are_known_and_given_once() {
        let read = |query| parameters(Some(query), ["tenant", "limit"]).map_err(|error| error.message.into_owned());
        assert_eq!(read("limit=5&tenant=a%26b"), Ok([Some("a&b".into()), Some("5".into())]));
        assert_eq!(read(""), Ok([None, None]));
        assert_eq!(read("tennant=x").unwrap_err(), "there is no parameter `tennant`; did you mean `tenant`?");
        assert_eq!(read("tenant=").unwrap_err(), "parameter `tenant` has no value");
        assert_eq!(read("tenant=x&tenant=y").unwrap_err(), "parameter `tenant` is given more than once");
    }
}
