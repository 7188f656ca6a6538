//! Access Evaluations: several questions in one request, with defaults that they share.
//!
//! Defaults are not looked at until an item needs them: callers send empty ones beside items that all bring their own.

use super::evaluation::{Action, Entity, Evaluation, Parts};
use crate::{
    audit::{Origin, Ticket},
    http::{
        ApiError,
        desk::{Asked, Desk},
        json::{self, Members, Text, once},
        service::Answer,
    },
    model::Decision,
    reload::Current,
};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{cell::OnceCell, fmt, sync::Arc};

/// After so many items, other connections of the worker get their turn.
const TURN: usize = 64;

/// The body of a request.
#[derive(Debug)]
struct Body<'a> {
    subject: Lazy<'a, Entity<'a>>,
    action: Lazy<'a, Action<'a>>,
    resource: Lazy<'a, Entity<'a>>,
    context: Lazy<'a, Members<'a>>,
    evaluations: Vec<&'a RawValue>,
    options: Options,
}

/// A default, read when it is first needed.
#[derive(Debug)]
struct Lazy<'a, T> {
    text: Option<&'a RawValue>,
    value: OnceCell<Result<T, ApiError>>,
}

#[derive(Debug, Default)]
struct Options {
    semantic: Semantic,
    reasons: bool,
}

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Semantic {
    #[default]
    ExecuteAll,
    DenyOnFirstDeny,
    PermitOnFirstPermit,
}

/// Answers `POST /access/v1/evaluations`.
pub(in crate::http) async fn evaluations(desk: &Desk, body: &[u8], request_id: &str) -> Result<Answer, ApiError> {
    json::check(body)?;
    let batch: Body<'_> = serde_json::from_slice(body)?;
    if batch.evaluations.is_empty() {
        let room = desk.room().await?;
        return super::evaluate(desk, body, request_id, room).await;
    }
    let (given, most) = (batch.evaluations.len(), desk.limits().batch_items);
    if given > most {
        return Err(ApiError::malformed(format!("a batch may hold at most {most} evaluations, this one has {given}")));
    }
    // One snapshot for the whole batch; owned, since the batch may wait for room between items.
    let current = arc_swap::Guard::into_inner(desk.current());
    let time = desk.now();
    let mut out = String::with_capacity(64 + 32 * given);
    out.push_str(r#"{"evaluations":["#);
    let mut last = None;
    for (index, item) in batch.evaluations.iter().enumerate() {
        if index > 0 {
            out.push(',');
            if index % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
        let asked = Asked { request_id, origin: Origin::Authzen, time, room: desk.room().await? };
        let (decision, ticket) = answer_item(desk, &current, &batch, item, &asked, &mut out);
        last = ticket.or(last);
        if batch.options.semantic.ends_with(decision) {
            break;
        }
    }
    out.push_str("]}");
    if !desk.committed(last).await {
        out = denied(&batch);
    }
    Ok(Answer { body: out, revision: desk.revision_header(current.snapshot.revision) })
}

/// Decides one item and writes what is answered to it. From the decision to its record nothing waits.
fn answer_item(
    desk: &Desk,
    current: &Arc<Current>,
    batch: &Body<'_>,
    item: &RawValue,
    asked: &Asked<'_>,
    out: &mut String,
) -> (Decision, Option<Ticket>) {
    let program = &current.snapshot.program;
    let own = read::<Evaluation<'_>>(item);
    let parts = own.as_ref().map_err(Clone::clone).and_then(|own| batch.complete(own));
    let claim = parts.as_ref().map_err(Clone::clone).and_then(|parts| {
        let claimed = parts.claimed(desk.claims(), program.dialect())?;
        Ok(desk.claim(current, &claimed, asked.time))
    });
    let question = match (&parts, &claim) {
        (Ok(parts), Ok(claim)) => parts.question(program.dialect(), claim),
        (Err(error), _) | (_, Err(error)) => Err(error.clone()),
    };
    match question {
        Ok(question) => {
            let ruling = desk.decide(current, &question, asked);
            out.push_str(if ruling.decision().is_allow() { r#"{"decision":true"# } else { r#"{"decision":false"# });
            if batch.options.reasons {
                out.push_str(r#","context":{"reason":"#);
                ruling.write_reason(out, program);
                out.push('}');
            }
            out.push('}');
            (ruling.decision(), ruling.ticket)
        }
        // Nothing was asked that could be decided, so there is nothing to record.
        Err(error) => {
            out.push_str(r#"{"decision":false"#);
            if batch.options.reasons {
                json::write::plain(
                    out,
                    format_args!(r#","context":{{"error":{{"status":{},"message":"#, error.code.status()),
                );
                json::write::text(out, &error.message);
                out.push_str("}}");
            }
            out.push('}');
            (Decision::Deny, None)
        }
    }
}

/// The answer where the records of what was decided will never be durable.
fn denied(batch: &Body<'_>) -> String {
    let items = if batch.options.semantic == Semantic::DenyOnFirstDeny { 1 } else { batch.evaluations.len() };
    let items = vec![r#"{"decision":false}"#; items].join(",");
    format!(r#"{{"evaluations":[{items}]}}"#)
}

impl Semantic {
    /// Whether this decision is the last one of a batch.
    fn ends_with(self, decision: Decision) -> bool {
        match self {
            Self::ExecuteAll => false,
            Self::DenyOnFirstDeny => decision == Decision::Deny,
            Self::PermitOnFirstPermit => decision == Decision::Allow,
        }
    }
}

impl<'a> Body<'a> {
    /// An item with what it lacks taken from the defaults: each of the four members as a whole, never merged.
    fn complete<'p>(&'p self, own: &'p Evaluation<'p>) -> Result<Parts<'p>, ApiError>
    where
        'a: 'p,
    {
        let subject = if own.subject.is_some() { own.subject.as_ref() } else { self.subject.get()? };
        let action = if own.action.is_some() { own.action.as_ref() } else { self.action.get()? };
        let resource = if own.resource.is_some() { own.resource.as_ref() } else { self.resource.get()? };
        let context = if own.context.is_some() { own.context.as_ref() } else { self.context.get()? };
        Parts::new(subject, action, resource, context.map_or(&[][..], |Members(members)| members))
    }
}

/// Reads a part of a body. The parser counts lines and columns from the beginning of the part, which would mislead: they are
/// left out of the message.
pub(super) fn read<'a, T: Deserialize<'a>>(text: &'a RawValue) -> Result<T, ApiError> {
    serde_json::from_str(text.get()).map_err(|error| {
        let ApiError { message, .. } = error.into();
        let what = message.rsplit_once(" at line ").map_or(&*message, |(what, _)| what);
        ApiError::malformed(what.to_owned())
    })
}

impl<'a, T: Deserialize<'a>> Lazy<'a, T> {
    fn new(text: Option<&'a RawValue>) -> Self {
        Self { text: text.filter(|text| text.get() != "null"), value: OnceCell::new() }
    }

    fn get(&self) -> Result<Option<&T>, ApiError> {
        match self.text {
            None => Ok(None),
            Some(text) => self.value.get_or_init(|| read(text)).as_ref().map(Some).map_err(Clone::clone),
        }
    }
}

impl<'de> Deserialize<'de> for Body<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Body<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body<'de>, A::Error> {
                let (mut subject, mut action, mut resource, mut context) = (None, None, None, None);
                let (mut evaluations, mut options) = (None, None);
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "subject" => once(&mut subject, "subject", map.next_value()?)?,
                        "action" => once(&mut action, "action", map.next_value()?)?,
                        "resource" => once(&mut resource, "resource", map.next_value()?)?,
                        "context" => once(&mut context, "context", map.next_value()?)?,
                        "evaluations" => once(&mut evaluations, "evaluations", map.next_value::<Option<Items<'_>>>()?)?,
                        "options" => once(&mut options, "options", map.next_value::<Option<Options>>()?)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Body {
                    subject: Lazy::new(subject),
                    action: Lazy::new(action),
                    resource: Lazy::new(resource),
                    context: Lazy::new(context),
                    evaluations: evaluations.flatten().map(|Items(items)| items).unwrap_or_default(),
                    options: options.flatten().unwrap_or_default(),
                })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Items<'de>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Items(items))
            }
        }
        deserializer.deserialize_seq(Reader)
    }
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Options;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Options, A::Error> {
                let (mut semantic, mut reasons) = (None, None);
                while let Some(Text(name)) = map.next_key()? {
                    match &*name {
                        "evaluations_semantic" => {
                            once(&mut semantic, "evaluations_semantic", map.next_value::<Option<Text<'_>>>()?)?;
                        }
                        "reasons" => once(&mut reasons, "reasons", map.next_value::<Option<bool>>()?)?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                let semantic = match semantic.flatten() {
                    None => Semantic::default(),
                    Some(Text(name)) => semantic_named(&name)?,
                };
                Ok(Options { semantic, reasons: reasons.flatten().unwrap_or_default() })
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

fn semantic_named<E: Error>(name: &str) -> Result<Semantic, E> {
    match name {
        "execute_all" => Ok(Semantic::ExecuteAll),
        "deny_on_first_deny" => Ok(Semantic::DenyOnFirstDeny),
        "permit_on_first_permit" => Ok(Semantic::PermitOnFirstPermit),
        other => Err(E::custom(format_args!(
            "unknown `evaluations_semantic` `{other}`, it may be `execute_all`, `deny_on_first_deny` or `permit_on_first_permit`"
        ))),
    }
}
