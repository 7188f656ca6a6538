//! Users out of a file.

use super::{COLUMNS, Form, STRUCTURED};
use crate::{
    document::{Diagnostics, Node, Text, Value as Written, hint, json_once, undefused, yaml},
    policy::Problem,
};
use serde_json::{Map, Value};

/// A user as a file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// What it says.
    pub members: Map<String, Value>,
    /// Its line, where the form tells.
    pub line: Option<u32>,
}

/// Reads a file of users.
///
/// # Errors
/// Fails with every problem of the form; what the users say is checked by the import.
pub fn read(form: Form, bytes: &[u8]) -> Result<Vec<Incoming>, Vec<Problem>> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        vec![problem("", format!("line {line}: must be UTF-8"))]
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    match form {
        Form::Json => {
            let value: Value =
                json_once(text.as_bytes()).map_err(|error| vec![problem("", format!("is no JSON: {error}"))])?;
            let Value::Object(mut members) = value else { return Err(vec![shape()]) };
            let users = members.remove("users");
            let (Some(Value::Array(users)), true) = (users, members.is_empty()) else { return Err(vec![shape()]) };
            collect(users.into_iter().map(|user| (user, None)))
        }
        Form::Yaml => {
            let text = Text::new("import", text);
            let node = yaml::parse_long(&text).map_err(|found| of_diagnostics(&found))?;
            let users = node.get("users").and_then(Node::as_list);
            let only = node.as_map().is_some_and(|map| map.iter().count() == 1);
            let Some(users) = users.filter(|_| only) else { return Err(vec![shape()]) };
            collect(users.iter().map(|user| (json(user), Some(text.position(user.span.start).0))))
        }
        Form::Csv => read_csv(text),
    }
}

fn problem(pointer: &str, message: impl Into<String>) -> Problem {
    Problem { pointer: pointer.to_owned(), message: message.into(), help: None }
}

fn shape() -> Problem {
    problem("", "must be an object with the list `users` and nothing else")
}

fn of_diagnostics(found: &Diagnostics) -> Vec<Problem> {
    let told = found.iter().map(|item| {
        let line = item.line().map_or_else(String::new, |line| format!("line {line}: "));
        Problem {
            pointer: String::new(),
            message: format!("{line}{}", item.message()),
            help: item.help().map(str::to_owned),
        }
    });
    told.collect()
}

fn collect(users: impl Iterator<Item = (Value, Option<u32>)>) -> Result<Vec<Incoming>, Vec<Problem>> {
    let (mut incoming, mut problems) = (Vec::new(), Vec::new());
    for (index, (user, line)) in users.enumerate() {
        match user {
            Value::Object(members) => incoming.push(Incoming { members, line }),
            _ => problems.push(problem(&format!("/users/{index}"), "must be an object")),
        }
    }
    if problems.is_empty() { Ok(incoming) } else { Err(problems) }
}

/// What YAML says, as JSON says it.
fn json(node: &Node) -> Value {
    match &node.value {
        Written::Null => Value::Null,
        Written::Bool(value) => (*value).into(),
        Written::Int(value) => (*value).into(),
        Written::Float(value) => serde_json::Number::from_f64(*value).map_or(Value::Null, Value::Number),
        Written::Text(text) => text.as_str().into(),
        Written::List(items) => items.iter().map(json).collect(),
        Written::Map(map) => Value::Object(map.iter().map(|entry| (entry.key.clone(), json(&entry.node))).collect()),
    }
}

/// Lines of ascending offsets. The parser's own are one less where lines end in CRLF.
struct Lines<'t> {
    text: &'t str,
    offset: usize,
    line: u32,
}

impl Lines<'_> {
    /// The line, from 1, of the first text at an offset or behind it.
    fn at(&mut self, offset: u64) -> u32 {
        let bytes = self.text.as_bytes();
        let mut to = usize::try_from(offset).unwrap_or(usize::MAX);
        while bytes.get(to).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            to += 1;
        }
        let passed = bytes.get(self.offset..to).unwrap_or_default();
        let breaks = passed.split(|byte| *byte == b'\n').count() - 1;
        self.line = self.line.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
        self.offset = self.offset.max(to);
        self.line
    }
}

fn read_csv(text: &str) -> Result<Vec<Incoming>, Vec<Problem>> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes());
    let mut problems = Vec::new();
    let names: Vec<String> = match reader.headers() {
        Ok(head) => head.iter().map(|name| name.trim().to_owned()).collect(),
        Err(error) => return Err(vec![problem("", format!("the first line is no head of a table: {error}"))]),
    };
    for (index, name) in names.iter().enumerate() {
        if !COLUMNS.contains(&name.as_str()) {
            let help = hint(name, COLUMNS);
            problems.push(Problem { help, ..problem("", format!("line 1: there is no column `{name}`")) });
        } else if names.iter().take(index).any(|known| known == name) {
            problems.push(problem("", format!("line 1: the column `{name}` is there twice")));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut incoming = Vec::new();
    let mut lines = Lines { text, offset: 0, line: 1 };
    for (index, record) in reader.records().enumerate() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(problem("", format!("cannot be read as CSV: {error}")));
                break;
            }
        };
        let line = record.position().map(|position| lines.at(position.byte()));
        let here = line.map_or_else(String::new, |line| format!("line {line}: "));
        if record.len() != names.len() {
            let message = format!("{here}has {} cells, the head has {}", record.len(), names.len());
            problems.push(problem(&format!("/users/{index}"), message));
            continue;
        }
        let mut members = Map::new();
        for (name, cell) in names.iter().zip(&record).filter(|(_, cell)| !cell.is_empty()) {
            if !STRUCTURED.contains(&name.as_str()) {
                members.insert(name.clone(), undefused(cell).into());
                continue;
            }
            match json_once(undefused(cell).as_bytes()) {
                Ok(value) => drop(members.insert(name.clone(), value)),
                Err(error) => {
                    problems.push(problem(&format!("/users/{index}/{name}"), format!("{here}is no JSON: {error}")));
                }
            }
        }
        incoming.push(Incoming { members, line });
    }
    if problems.is_empty() { Ok(incoming) } else { Err(problems) }
}
