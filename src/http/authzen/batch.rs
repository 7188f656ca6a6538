//! Access Evaluations: several questions in one request, with defaults that they share.
//!
//! All items are decided by one snapshot and at one time. What they have in common is worked out once: the defaults, who asks,
//! the texts of their records. Each has a record of its own, and the decision that it would have alone.

mod form;

pub(super) use form::read;

use self::form::{Body, Semantic, read_body};
use super::{evaluation::Evaluation, place};
use crate::{
    audit::{Origin, Ticket},
    http::{
        ApiError,
        desk::{Asked, Desk, Run},
        json,
        peer::Call,
        service::Answer,
    },
    model::Decision,
    reload::Current,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// After so many items, or after so long, other connections of the worker get their turn.
const TURN: usize = 64;
const TURN_TIME: Duration = Duration::from_micros(500);
/// How many items pass between two looks at the clock.
const LOOK: usize = 8;

/// Answers `POST /access/v1/evaluations`; `tenant` is the segment in front, where there is one.
pub(in crate::http) async fn evaluations(
    desk: &Desk,
    tenant: &str,
    body: &[u8],
    call: Call<'_>,
) -> Result<Answer, ApiError> {
    let text = json::check(body)?;
    let batch = read_body(text)?;
    if batch.items.is_empty() {
        let room = desk.room().await?;
        return super::evaluate(desk, tenant, text, call, room).await;
    }
    let (given, most) = (batch.items.len(), desk.limits().batch_items);
    if given > most {
        return Err(ApiError::malformed(format!(
            "a batch may hold at most {most} evaluations (`server.authorize.limits.batch_items`), this one has {given}"
        )));
    }
    call.admitted.charge(given - 1);
    // One snapshot for the whole batch; owned, since the batch may wait for room between items.
    let current = arc_swap::Guard::into_inner(desk.current());
    let place = place(&current.snapshot.program, tenant)?;
    let time = desk.now();
    let mut run = Run::new(desk, &current, batch.defaults.context());
    let mut out = String::with_capacity(64 + 32 * given);
    out.push_str(r#"{"evaluations":["#);
    let (mut last, mut turn) = (None, Instant::now());
    for (index, own) in batch.items.iter().enumerate() {
        if index > 0 {
            out.push(',');
            if index.is_multiple_of(TURN) || (index.is_multiple_of(LOOK) && turn.elapsed() >= TURN_TIME) {
                tokio::task::yield_now().await;
                turn = Instant::now();
            }
        }
        let asked = Asked { call, origin: Origin::Authzen, time, room: desk.room().await? };
        let item = Item { desk, current: &current, batch: &batch, own, place: place.as_deref() };
        let (decision, ticket) = item.answer(&mut run, &asked, &mut out);
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

/// One question of a batch, or what stands in the place of one.
#[derive(Debug, Clone, Copy)]
struct Item<'i, 'b> {
    desk: &'i Desk,
    current: &'i Arc<Current>,
    batch: &'i Body<'b>,
    own: &'i Result<Evaluation<'b>, ApiError>,
    place: Option<&'i str>,
}

impl Item<'_, '_> {
    /// Decides and writes what is answered. From the decision to its record nothing waits.
    fn answer(&self, run: &mut Run<'_>, asked: &Asked<'_>, out: &mut String) -> (Decision, Option<Ticket>) {
        let Self { desk, current, batch, own, place } = *self;
        let program = &current.snapshot.program;
        let parts = own.as_ref().map_err(Clone::clone).and_then(|own| batch.defaults.complete(own, place));
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
                let ruling = run.decide(&question, asked);
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
}

/// The answer where the records of what was decided will never be durable.
fn denied(batch: &Body<'_>) -> String {
    let items = if batch.options.semantic == Semantic::DenyOnFirstDeny { 1 } else { batch.items.len() };
    let items = vec![r#"{"decision":false}"#; items].join(",");
    format!(r#"{{"evaluations":[{items}]}}"#)
}
