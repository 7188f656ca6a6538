//! The question of `authorize` and `explain`: flags become the body that the HTTP interface takes, so that both mean the same.

use super::{
    ExitCode,
    output::{self, Output},
    set::SetArgs,
};
use crate::{
    directory::Subjects,
    engine::{BoundUser, Dialect, Subject},
    http::{self, AuthorizeBody},
    lifecycle::Clock,
    model::{Request, Timestamp},
    policy::{Snapshot, split_resource},
};
use clap::{ArgGroup, Args};
use serde_json::{Map, Value};
use std::{
    fs,
    io::{self, Read as _},
};

// What `authorize` and `explain` take; clap would take a doc comment for the help of both.
#[derive(Debug, Args)]
pub(super) struct DecisionArgs {
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    question: QuestionArgs,
    /// How to print the result
    #[arg(long, value_enum, default_value_t)]
    pub(super) output: Output,
}

impl DecisionArgs {
    /// Reads the question, loads the set and asks.
    pub(super) fn put(&self, ask: impl FnOnce(&Snapshot, Subject<'_>, &Request<'_>) -> ExitCode) -> ExitCode {
        let question = match self.question.read() {
            Ok(question) => question,
            Err(code) => return code,
        };
        match self.set.load_or_show() {
            Ok(snapshot) => question.put(&snapshot, |subject, request| ask(&snapshot, subject, request)),
            Err(code) => code,
        }
    }
}

/// The question, as flags or as the body of `POST /v1/authorize`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("question").required(true).args(["user", "request"]))]
struct QuestionArgs {
    /// Who asks
    #[arg(long, value_name = "ID", requires = "action", requires = "resource")]
    user: Option<String>,
    /// What for
    #[arg(long, value_name = "NAME")]
    action: Option<String>,
    /// On what: a resource type or module, with an id where it matters
    #[arg(long, value_name = "TYPE[:ID]")]
    resource: Option<String>,
    /// In which tenant
    #[arg(long, value_name = "ID")]
    tenant: Option<String>,
    /// An attribute of the resource; values that are JSON are read as such. May be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    attribute: Vec<(String, Value)>,
    /// A member of the context; values that are JSON are read as such. May be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, Value)>,
    /// A file with the body of a request, or `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["user", "action", "resource", "tenant", "attribute", "context"])]
    request: Option<String>,
    /// When it is asked, in RFC 3339; now where it is left out
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
}

/// A question as text, with the time at which it is asked.
struct Question {
    body: Vec<u8>,
    at: Timestamp,
}

impl QuestionArgs {
    /// The text of the question.
    fn read(&self) -> Result<Question, ExitCode> {
        let body = match self.request.as_deref() {
            None => self.body().to_string().into_bytes(),
            Some(path) => input(path)?,
        };
        Ok(Question { body, at: self.at.unwrap_or_else(|| Clock::system().now()) })
    }

    fn body(&self) -> Value {
        let text = |text: &Option<String>| text.clone().map_or(Value::Null, Value::String);
        let object = |pairs: &[(String, Value)]| Value::Object(pairs.iter().cloned().collect());
        let resource = match self.resource.as_deref() {
            Some(resource) if !self.attribute.is_empty() => {
                let (ty, id) = split_resource(resource);
                let id = ("id".to_owned(), Value::from(id));
                let ty = ("type".to_owned(), Value::from(ty));
                Value::Object([ty, id, ("attributes".to_owned(), object(&self.attribute))].into_iter().collect())
            }
            resource => resource.map_or(Value::Null, Value::from),
        };
        let members = [
            ("user", text(&self.user)),
            ("action", text(&self.action)),
            ("tenant", text(&self.tenant)),
            ("resource", resource),
            ("context", object(&self.context)),
        ];
        let members: Map<String, Value> = members
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Value::Object(members)
    }
}

impl Question {
    /// Puts the question to `ask`, with the subject that the set's users give.
    fn put(&self, snapshot: &Snapshot, ask: impl FnOnce(Subject<'_>, &Request<'_>) -> ExitCode) -> ExitCode {
        let body = match http::read_authorize(&self.body) {
            Ok(body) => body,
            Err(error) => {
                output::say(&format!("error: {error}"));
                return ExitCode::Usage;
            }
        };
        if body.has_token() {
            output::say(
                "error: tokens are verified by a running sidecar; name the user, and the roles in `subject.roles`",
            );
            return ExitCode::Usage;
        }
        let subjects = Subjects::bind(&snapshot.program, &snapshot.users);
        let assertion = match body.assertion() {
            Ok(assertion) => assertion,
            Err(error) => {
                output::say(&format!("error: {error}"));
                return ExitCode::Usage;
            }
        };
        let asserted = assertion
            .and_then(|assertion| BoundUser::asserted(&snapshot.program, subjects.find(body.user()), &assertion));
        let subject = match &asserted {
            Some((user, _)) => Subject::User(user),
            None => subject(snapshot, &subjects, &body),
        };
        ask(subject, &body.request(self.at))
    }
}

fn subject<'a>(snapshot: &'a Snapshot, subjects: &'a Subjects, body: &'a AuthorizeBody<'_>) -> Subject<'a> {
    let id = body.user();
    match snapshot.program.dialect() {
        Dialect::PlainCedar { principal_type } => Subject::Entity { ty: principal_type, id },
        Dialect::Declared(_) => subjects.find(id).map_or(Subject::Unknown { id }, Subject::User),
    }
}

fn pair(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("a name and a value are wanted, such as `owner=carol`")?;
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

/// The bytes of a file, or of standard input for `-`.
pub(super) fn input(path: &str) -> Result<Vec<u8>, ExitCode> {
    let read = match path {
        "-" => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
        path => fs::read(path),
    };
    read.map_err(|error| {
        output::say(&format!("error: `{path}` cannot be read: {error}"));
        ExitCode::Usage
    })
}

pub(super) fn time(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).ok_or_else(|| "a time such as `2027-01-31T00:00:00Z` is wanted".to_owned())
}
