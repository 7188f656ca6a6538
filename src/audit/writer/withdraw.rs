//! What becomes of a record whose decision never left as it stands in the ring.

use crate::{
    audit::{
        Entry, Kind, List, Texts,
        record::{Marks, Record, encode},
    },
    model::{Decision, ReasonCode},
};

const NOTHING: [&str; 0] = [];

/// Makes the record of a decision say what its caller was told: a deny, since the audit log was not available. Other records stay.
pub(super) fn rewrite(bytes: &mut Vec<u8>) {
    let rewritten = match Record::decode(0, bytes) {
        Ok(record) if record.kind == Kind::Decision => {
            let mut scratch = Vec::new();
            let roles: Vec<String> = record.roles.iter().map(str::to_owned).collect();
            let redacted: Vec<String> = record.redacted.iter().map(str::to_owned).collect();
            // A deny stands for itself alone.
            let marks = Marks { redacted: &redacted, kept_one_in: 0 };
            encode(&denied(&record, &roles), marks, &mut scratch).to_vec()
        }
        _ => return,
    };
    *bytes = rewritten;
}

fn denied<'a>(record: &'a Record<'_>, roles: &'a [String]) -> Entry<'a> {
    Entry {
        time: record.time,
        kind: record.kind,
        id: record.id,
        request_id: record.request_id,
        tenant: record.tenant,
        user: record.user,
        roles,
        action: record.action,
        module: record.module,
        resource_type: record.resource_type,
        resource_id: record.resource_id,
        decision: Some(Decision::Deny),
        reason: ReasonCode::AuditUnavailable.as_str(),
        policies: &NOTHING,
        errors: &record.errors,
        revision: record.revision,
        duration_ns: record.duration_ns,
        origin: record.origin,
        actor: record.actor,
        before: record.before,
        after: record.after,
        context: record.context,
        trace_id: record.trace_id,
    }
}

impl Texts for List<'_> {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        self.iter().for_each(take);
    }
}
