//! Reading what is reported, with every problem at its JSON pointer.

use crate::{
    audit::{JSON_LIMIT, Members, NAME_LIMIT},
    http::ApiError,
    model::Timestamp,
};
use serde_json::{Value, value::RawValue};
use std::fmt;

/// Activities in one batch at most.
pub(super) const MOST_ACTIVITIES: usize = 1000;
/// Problems that are listed at most. With so many, reading ends: the next would cost as much and say little.
const MOST_PROBLEMS: usize = 20;
/// How deep JSON may be nested: others read it with limits of their own.
const MOST_DEPTH: usize = 32;

/// The names that an activity may have, in the order of a record.
pub(super) const NAMES: [&str; 10] =
    ["time", "tenant", "user", "action", "module", "resource_type", "resource_id", "before", "after", "context"];

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// An object, or an array of them.
    Json,
    /// An object a line.
    Ndjson,
}

/// One activity as it was reported. Absent texts are empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Activity {
    pub(super) tenant: String,
    pub(super) user: String,
    pub(super) action: String,
    pub(super) module: String,
    pub(super) resource_type: String,
    pub(super) resource_id: String,
    /// JSON without white space.
    pub(super) before: String,
    pub(super) after: String,
    /// A JSON object, with the reported time under `time`.
    pub(super) context: String,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) pointer: String,
    pub(super) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "`{}`: {}", self.pointer, self.message)
        }
    }
}

/// Why a body is not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is no JSON.
    Malformed(ApiError),
    /// It is JSON, but not what is wanted.
    Problems(Vec<Problem>),
}

/// Reads a body.
pub(super) fn read(body: &[u8], form: Form) -> Result<Vec<Activity>, Refused> {
    let items = items(body, form).map_err(Refused::Malformed)?;
    let count = match &items {
        Items::One(_) => 1,
        Items::Many(items) => items.len(),
    };
    let mut problems = Problems::default();
    if count == 0 {
        problems.add(String::new(), "there is no activity");
    }
    if count > MOST_ACTIVITIES {
        problems.add(String::new(), format!("{count} activities are too many at once; {MOST_ACTIVITIES} is the most"));
        return Err(Refused::Problems(problems.0));
    }
    let activities = match items {
        Items::One(item) => vec![Reading { at: String::new(), problems: &mut problems }.activity(item)],
        Items::Many(items) => items
            .into_iter()
            .enumerate()
            .map_while(|(index, item)| {
                let reading = Reading { at: format!("/{index}"), problems: &mut problems };
                (!reading.problems.are_enough()).then(|| reading.activity(item))
            })
            .collect(),
    };
    if problems.0.is_empty() { Ok(activities) } else { Err(Refused::Problems(problems.0)) }
}

enum Items<'b> {
    One(&'b RawValue),
    Many(Vec<&'b RawValue>),
}

fn items(body: &[u8], form: Form) -> Result<Items<'_>, ApiError> {
    if form == Form::Json {
        let whole: &RawValue = serde_json::from_slice(body)?;
        if !whole.get().starts_with('[') {
            return Ok(Items::One(whole));
        }
        return Ok(Items::Many(serde_json::from_str(whole.get())?));
    }
    let lines = body.split(|&byte| byte == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty());
    let read = |(number, line)| {
        serde_json::from_slice(line)
            // To the parser, each line is the first.
            .map_err(|error| {
                ApiError::malformed(
                    ApiError::from(error)
                        .message
                        .replace(" at line 1 column ", &format!(" at line {} column ", number + 1)),
                )
            })
    };
    Ok(Items::Many(lines.map(read).collect::<Result<_, _>>()?))
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    const fn are_enough(&self) -> bool {
        self.0.len() >= MOST_PROBLEMS
    }

    fn add(&mut self, pointer: String, message: impl Into<String>) {
        if !self.are_enough() {
            self.0.push(Problem { pointer, message: message.into() });
        }
    }
}

/// One item being read.
struct Reading<'p> {
    at: String,
    problems: &'p mut Problems,
}

impl Reading<'_> {
    fn activity(mut self, item: &RawValue) -> Activity {
        let mut activity = Activity::default();
        let Ok(Members(members)) = serde_json::from_str::<Members<'_>>(item.get()) else {
            self.problems.add(self.at.clone(), "an activity must be an object");
            return activity;
        };
        let mut time = None;
        for (index, (name, value)) in members.iter().enumerate() {
            // All but the first ten members are problems, so that few are ever looked at.
            if self.problems.are_enough() {
                return activity;
            }
            if members.iter().take(index).any(|(earlier, _)| earlier == name) {
                self.problem(name, "is given twice");
                continue;
            }
            let place = match name.as_ref() {
                "time" => {
                    time = self.time(value);
                    continue;
                }
                "before" | "after" | "context" => {
                    let json = self.json(name, value);
                    match name.as_ref() {
                        "before" => activity.before = json,
                        "after" => activity.after = json,
                        _ => activity.context = self.object(json),
                    }
                    continue;
                }
                "tenant" => &mut activity.tenant,
                "user" => &mut activity.user,
                "action" => &mut activity.action,
                "module" => &mut activity.module,
                "resource_type" => &mut activity.resource_type,
                "resource_id" => &mut activity.resource_id,
                other => {
                    let nearest = crate::document::hint(other, NAMES).map(|hint| format!("; {hint}"));
                    self.problem(other, format!("there is no such field{}", nearest.unwrap_or_default()));
                    continue;
                }
            };
            *place = self.text(name, value);
        }
        for wanted in ["user", "action"] {
            if !members.iter().any(|(name, _)| name == wanted) {
                self.problem(wanted, "is missing");
            }
        }
        if let Some(time) = time {
            activity.context = self.with_time(&activity.context, time);
        }
        activity
    }

    fn problem(&mut self, name: &str, message: impl Into<String>) {
        let step = name.replace('~', "~0").replace('/', "~1");
        self.problems.add(format!("{}/{step}", self.at), message);
    }

    /// `null` stands for what is absent.
    fn text(&mut self, name: &str, value: &RawValue) -> String {
        let wanted = matches!(name, "user" | "action");
        match serde_json::from_str::<Option<String>>(value.get()) {
            Ok(None) if !wanted => String::new(),
            Ok(Some(text)) if text.is_empty() => {
                self.problem(name, "must not be empty");
                text
            }
            Ok(Some(text)) if text.len() > NAME_LIMIT => {
                self.problem(name, format!("has {} bytes; {NAME_LIMIT} is the most", text.len()));
                text
            }
            Ok(Some(text)) => text,
            Ok(None) | Err(_) => {
                self.problem(name, format!("must be a text, not {}", kind(value)));
                String::new()
            }
        }
    }

    fn time(&mut self, value: &RawValue) -> Option<Timestamp> {
        let text: Option<String> = serde_json::from_str(value.get()).unwrap_or_default();
        let time = text.as_deref().and_then(Timestamp::parse);
        if time.is_none() && value.get() != "null" {
            self.problem("time", "must be a time such as `2027-01-31T08:00:00Z`");
        }
        time
    }

    fn json(&mut self, name: &str, value: &RawValue) -> String {
        if value.get() == "null" {
            return String::new();
        }
        let (text, depth) = compact(value.get());
        if depth > MOST_DEPTH {
            self.problem(name, format!("is nested {depth} deep; {MOST_DEPTH} is the most"));
        }
        if text.len() > JSON_LIMIT {
            self.problem(name, format!("has {} bytes; {JSON_LIMIT} is the most", text.len()));
        }
        // A number such as `1e400` and half a character are JSON to the letter only: who reads the log could not read them.
        if depth <= MOST_DEPTH
            && let Err(error) = serde_json::from_str::<Value>(&text)
        {
            let error = error.to_string();
            let why = error.split_once(" at line ").map_or(error.as_str(), |(why, _)| why);
            self.problem(name, format!("cannot be read: {why}"));
        }
        text
    }

    fn object(&mut self, json: String) -> String {
        if !json.is_empty() && !json.starts_with('{') {
            self.problem("context", "must be an object");
        }
        json
    }

    /// The time of the event stands in the context, since the record's own is when it was written.
    fn with_time(&mut self, context: &str, time: Timestamp) -> String {
        let members = serde_json::from_str::<Members<'_>>(context).map_or_else(|_| Vec::new(), |Members(all)| all);
        if members.iter().any(|(name, _)| name == "time") {
            self.problem("time", "must not stand in `context` as well");
        }
        let rest = context.strip_prefix('{').filter(|_| !members.is_empty());
        let text = format!("{{\"time\":\"{time}\"{}", rest.map_or_else(|| "}".to_owned(), |rest| format!(",{rest}")));
        if text.len() > JSON_LIMIT {
            self.problem("context", format!("has {} bytes with the time; {JSON_LIMIT} is the most", text.len()));
        }
        text
    }
}

/// What a value is, as a message says it.
fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b't' | b'f') => "`true` or `false`",
        Some(b'n') => "`null`",
        Some(b'"') => "this text",
        _ => "a number",
    }
}

/// JSON without the white space around its parts, and how deep it is nested. Nothing else changes: numbers keep their digits.
fn compact(json: &str) -> (String, usize) {
    let mut text = String::with_capacity(json.len());
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for character in json.chars() {
        if quoted {
            quoted = escaped || character != '"';
            escaped = character == '\\' && !escaped;
        } else {
            match character {
                ' ' | '\t' | '\n' | '\r' => continue,
                '"' => quoted = true,
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                _ => {}
            }
            deepest = deepest.max(depth);
        }
        text.push(character);
    }
    (text, deepest)
}
