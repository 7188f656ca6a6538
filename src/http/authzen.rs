//! AuthZEN 1.0: Access Evaluation, Access Evaluations, the searches and the metadata.
//!
//! Members that the specification does not name are ignored wherever they stand. A fault of a whole body is an error; a fault of
//! one item of a batch makes that item `false` and leaves the others alone. The answer to a batch is the same whenever it is
//! asked of the same policies, so it carries neither times nor ids.
//!
//! Every path has a second form for each tenant, which comes first in it: `/north/access/v1/evaluation`. A caller whose
//! identifier is `https://pdp.example/north` is led there by the metadata, and need not name the tenant in its questions.

mod batch;
mod evaluation;
mod metadata;
mod page;
mod search;

#[cfg(test)]
mod tests;

pub(super) use batch::evaluations;
pub(super) use metadata::metadata;
pub(super) use search::{Sought, search};

use self::evaluation::Evaluation;
use super::{
    ApiError, ErrorCode, address,
    desk::{self, Asked, Desk, Room},
    json,
    peer::Call,
    service::Answer,
};
use crate::{
    audit::Origin,
    engine::Program,
    model::{Decision, Revision},
};
use ulid::Ulid;

/// Answers `POST /access/v1/evaluation`; `tenant` is the segment in front, where there is one.
///
/// The answer's context holds the reason, the revision and the id under which the decision stands in the audit log; the id
/// makes two answers to one question differ, the decision does not.
pub(super) async fn evaluation(desk: &Desk, tenant: &str, body: &[u8], call: Call<'_>) -> Result<Answer, ApiError> {
    let room = desk.room().await?;
    evaluate(desk, tenant, json::check(body)?, call, room).await
}

/// Answers one question, once there is room for its record.
async fn evaluate(desk: &Desk, tenant: &str, body: &str, call: Call<'_>, room: Room) -> Result<Answer, ApiError> {
    // From here to the record nothing waits.
    let (text, revision, id, ticket) = {
        let evaluation = Evaluation::read_whole(body)?;
        let current = desk.current();
        let program = &current.snapshot.program;
        let place = place(program, tenant)?;
        let parts = evaluation.parts(place.as_deref())?;
        let asked = Asked { call, origin: Origin::Authzen, time: desk.now(), room };
        let claimed = parts.claimed(desk.claims(), program.dialect())?;
        let claim = desk.claim(&current, &claimed, asked.time);
        let question = parts.question(program.dialect(), &claim)?;
        let ruling = desk.decide(&current, &question, &asked);
        let revision = current.snapshot.revision;
        let text = write(ruling.decision(), revision, ruling.id, |out| ruling.write_reason(out, program));
        (text, revision, ruling.id, ruling.ticket)
    };
    let body =
        if desk.committed(ticket).await { text } else { write(Decision::Deny, revision, id, desk::write_unavailable) };
    Ok(Answer { body, revision: desk.revision_header(revision) })
}

/// The tenant that an address names by its first segment; where the policy set has no tenants, there is no such address.
fn place(program: &Program, segment: &str) -> Result<Option<String>, ApiError> {
    if segment.is_empty() {
        return Ok(None);
    }
    if !metadata::has_tenants(program.dialect()) {
        return Err(ApiError::new(ErrorCode::NotFound, "no such path"));
    }
    Ok(Some(address::segment(segment)?.into_owned()))
}

fn write(decision: Decision, revision: Revision, id: Ulid, reason: impl FnOnce(&mut String)) -> String {
    let mut out = String::with_capacity(256);
    out.push_str(if decision.is_allow() { r#"{"decision":true"# } else { r#"{"decision":false"# });
    out.push_str(r#","context":{"reason":"#);
    reason(&mut out);
    out.push_str(r#","revision":""#);
    out.push_str(revision.short());
    out.push_str(r#"","id":""#);
    out.push_str(id.array_to_str(&mut [0; ulid::ULID_LEN]));
    out.push_str(r#""}}"#);
    out
}
