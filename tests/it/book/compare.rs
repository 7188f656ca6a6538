//! What a document says comes out, beside what does.

use serde_json::Value;

/// Stands for any text.
const ANY: &str = "...";

/// Whether some output is what a document shows: as JSON where that shows JSON, otherwise line by line.
pub fn is_as_shown(shown: &str, found: &str, part: bool) -> bool {
    match (serde_json::from_str::<Value>(shown), serde_json::from_str::<Value>(found)) {
        (Ok(shown), Ok(found)) => is_json_as_shown(&shown, &found, part),
        (Ok(Value::Object(_) | Value::Array(_)), Err(_)) => false,
        _ => {
            let lines = |text: &str| -> Vec<String> {
                text.trim_matches('\n').lines().map(|line| steady(line.trim_end())).collect()
            };
            are_lines_as_shown(&lines(shown), &lines(found))
        }
    }
}

fn is_json_as_shown(shown: &Value, found: &Value, part: bool) -> bool {
    match (shown, found) {
        (Value::Object(shown), Value::Object(found)) => {
            (part || shown.len() == found.len())
                && shown
                    .iter()
                    .all(|(name, value)| found.get(name).is_some_and(|found| is_json_as_shown(value, found, part)))
        }
        (Value::Array(shown), Value::Array(found)) => {
            let is_in = |shown: &Value| found.iter().any(|found| is_json_as_shown(shown, found, part));
            let in_order = || shown.iter().zip(found).all(|(shown, found)| is_json_as_shown(shown, found, part));
            if part { shown.iter().all(is_in) } else { shown.len() == found.len() && in_order() }
        }
        (Value::String(shown), Value::String(found)) => {
            is_text_as_shown(shown, found) || is_text_as_shown(&steady(shown), &steady(found))
        }
        _ => shown == found,
    }
}

fn are_lines_as_shown(shown: &[String], found: &[String]) -> bool {
    match shown {
        [] => found.is_empty(),
        [any, rest @ ..] if any.trim() == ANY => (0..=found.len()).any(|skip| are_lines_as_shown(rest, &found[skip..])),
        [line, rest @ ..] => found
            .split_first()
            .is_some_and(|(first, after)| is_text_as_shown(line, first) && are_lines_as_shown(rest, after)),
    }
}

/// Whether a text is as shown, where [`ANY`] stands for any.
fn is_text_as_shown(shown: &str, found: &str) -> bool {
    let Some((begin, rest)) = shown.split_once(ANY) else { return shown == found };
    let Some(found) = found.strip_prefix(begin) else { return false };
    if !rest.contains(ANY) {
        return found.len() >= rest.len() && found.ends_with(rest);
    }
    let mut cuts = found.char_indices().map(|(index, _)| index).chain([found.len()]);
    cuts.any(|cut| is_text_as_shown(rest, &found[cut..]))
}

/// A text with what is another each time put by its kind: ids, times, revisions and digests.
fn steady(text: &str) -> String {
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | ':' | '.');
    let mut out = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out.push_str(kind(word).unwrap_or(word));
        let skip = after.find(is_of_word).unwrap_or(after.len());
        out.push_str(&after[..skip]);
        rest = &after[skip..];
    }
    out
}

fn kind(word: &str) -> Option<&'static str> {
    let all = |is: fn(&u8) -> bool| word.as_bytes().iter().all(is);
    let is_hex =
        all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && word.bytes().any(|byte| byte.is_ascii_digit());
    match word.len() {
        26 if all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()) => Some("<id>"),
        12 if is_hex => Some("<revision>"),
        40 | 64 if is_hex => Some("<digest>"),
        20.. if word.ends_with('Z') && word.as_bytes()[4] == b'-' && word.as_bytes()[10] == b'T' => Some("<time>"),
        _ => None,
    }
}

#[test]
fn what_is_shown_stands_for_what_may_differ_and_for_nothing_else() {
    for (shown, found, part, expected) in [
        (r#"{"a":1,"b":"x"}"#, r#"{ "b": "x", "a": 1 }"#, false, true),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, false, false),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, true, true),
        (r#"{"a":1}"#, r#"{"a":2,"b":2}"#, true, false),
        (r#"[{"a":"01K..."}]"#, r#"[{"a":"01KABC"}]"#, false, true),
        ("[2]", "[1,2]", true, true),
        ("[2]", "[1,2]", false, false),
        ("[3]", "[1,2]", true, false),
        (r#"{"a":1}"#, "no JSON", false, false),
        (r#"{"id":"01M829382G3F8M21GJXQ5YK6JE"}"#, r#"{"id":"01M8293ZZZZZZZZZZZZZZZZZZZ"}"#, false, true),
        ("revision 7a3fb0ff43f6", "revision 0a3fb0ff43f7", false, true),
        ("revision 7a3fb0ff43f6", "revision none", false, false),
        ("at 2026-11-01T00:00:00Z", "at 2027-12-31T23:59:59.123456Z", false, true),
        ("a\n...\nz\n", "a\nb\nc\nz\n", false, true),
        ("a\n...\nz\n", "a\nb\nc\n", false, false),
        ("took ... ms", "took 12 ms", false, true),
        ("took ... ms, ... times", "took 12 ms, 3 times", false, true),
        ("took ... ms", "took 12 s", false, false),
        ("allow", "deny", false, false),
        ("allow", "allow\ndeny", false, false),
    ] {
        assert_eq!(is_as_shown(shown, found, part), expected, "{shown} beside {found}");
    }
}
