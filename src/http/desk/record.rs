//! What the audit log keeps of a decision.

use super::{Asked, Desk, Question, Ruling, is_user};
use crate::{
    audit::{Entry, Kind, RecordError, Texts, Ticket},
    engine::{Dialect, Outcome, Program},
    http::json,
    model::Attributes,
    reload::Current,
    telemetry::trace::{Span, key},
};
use std::time::Duration;
use ulid::Ulid;

/// Texts of a record that have to be put together. Kept, so that they are not allocated anew.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) user: String,
    pub(super) context: String,
}

/// A decision that was made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made<'m> {
    pub(super) outcome: &'m Outcome<'m>,
    pub(super) id: Ulid,
    /// How long deciding took.
    pub(super) took: Duration,
    pub(super) scratch: &'m Scratch,
}

impl Desk {
    /// Puts the record of a decision into the ring of this thread.
    pub(super) fn record(
        &self,
        current: &Current,
        question: &Question<'_>,
        asked: &Asked<'_>,
        made: &Made<'_>,
    ) -> Result<Ticket, RecordError> {
        let Made { outcome, id, took, scratch } = *made;
        let program = &current.snapshot.program;
        self.recorder.borrow_mut().record(&Entry {
            time: asked.time,
            kind: Kind::Decision,
            id: id.to_bytes(),
            request_id: asked.call.request_id,
            tenant: outcome.tenant.or(question.tenant).unwrap_or_default(),
            user: &scratch.user,
            roles: outcome.roles,
            action: question.action,
            module: program.module_id(outcome.module),
            resource_type: question.resource.ty,
            resource_id: question.resource.id,
            decision: Some(outcome.decision),
            reason: outcome.code.as_str(),
            policies: &PolicyIds { program, outcome },
            errors: &Errors { program, outcome },
            revision: current.snapshot.revision.short(),
            duration_ns: u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
            origin: asked.origin,
            actor: asked.call.caller,
            before: "",
            after: "",
            context: &scratch.context,
            trace_id: asked.call.trace.id(),
        })
    }
}

/// Tells of a decision in the span of its request: what was asked and why it was answered so, and nothing of who asked.
pub(super) fn tell(
    span: &mut Span,
    current: &Current,
    question: &Question<'_>,
    asked: &Asked<'_>,
    ruling: &Ruling<'_>,
) {
    let outcome = ruling.outcome.as_ref();
    span.word(key::SOURCE, asked.origin.as_str());
    span.word(key::DECISION, ruling.decision().as_str());
    span.text(key::DECISION_ID, ruling.id.array_to_str(&mut [0; ulid::ULID_LEN]));
    span.word(key::REASON, ruling.code().as_str());
    span.text(key::TENANT, outcome.and_then(|outcome| outcome.tenant).or(question.tenant).unwrap_or_default());
    span.text(key::MODULE, current.snapshot.program.module_id(outcome.and_then(|outcome| outcome.module)));
    span.text(key::ACTION, question.action);
    span.text(key::RESOURCE_TYPE, question.resource.ty);
    span.text(key::REVISION, current.snapshot.revision.short());
}

/// Writes how a record names who asks: users by their id, entities of a plain Cedar set with their type.
pub(super) fn write_user(out: &mut String, dialect: &Dialect, question: &Question<'_>) {
    out.clear();
    let ty = match (dialect, question.subject_type) {
        (Dialect::PlainCedar { principal_type }, None) => principal_type,
        (Dialect::Declared(_), _) if is_user(question) => return out.push_str(question.subject),
        (_, ty) => ty.unwrap_or_default(),
    };
    json::write::plain(out, format_args!("{ty}::\"{}\"", question.subject.escape_debug()));
}

/// Writes what a record keeps of the context: what the policies ask for.
pub(super) fn write_context(out: &mut String, program: &Program, context: &Attributes<'_>) {
    out.clear();
    let mut kept = context.iter().filter(|(name, _)| program.records_context(name)).peekable();
    if kept.peek().is_some() {
        json::write::members(out, kept.map(|(name, value)| (&**name, value)));
    }
}

struct PolicyIds<'p, 'o> {
    program: &'p Program,
    outcome: &'p Outcome<'o>,
}

impl Texts for PolicyIds<'_, '_> {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        for policy in self.outcome.determining.iter().filter_map(|&index| self.program.policy(index)) {
            take(&policy.id);
        }
    }
}

struct Errors<'p, 'o> {
    program: &'p Program,
    outcome: &'p Outcome<'o>,
}

impl Texts for Errors<'_, '_> {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        for error in &self.outcome.errors {
            let id = self.program.policy(error.policy).map_or("", |policy| &*policy.id);
            take(&format!("{id}: {}", error.message));
        }
    }
}
