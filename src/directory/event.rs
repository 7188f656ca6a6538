//! What happened, for the audit log.

use super::account::time;
use crate::model::{Timestamp, TraceId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::HashSet, fmt::Debug};

/// One administrative call or one report of an application: allowed or refused, with what it changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Names the record; sorts by time.
    pub id: String,
    /// Whether this is about a login or a logout.
    pub of_session: bool,
    /// Whether it was done on the command line, while the process did not run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_cli: bool,
    /// When.
    #[serde(with = "time")]
    pub at: Timestamp,
    /// Who acted: a user's id, or `operator:<name>`, `application:<name>`.
    pub actor: String,
    /// What was done: `create_user`, `assign`, `login`, ...
    pub action: String,
    /// The user concerned; empty where none is.
    pub user: String,
    /// The tenant; empty where none is concerned.
    pub tenant: String,
    /// The type of what was acted on: `user`, `invitation`, `session`, `role`.
    pub resource_type: String,
    /// Its id.
    pub resource_id: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// Why it was refused, as a code; `granted` where it was not.
    pub reason: String,
    /// The policies that said so.
    pub policies: Vec<String>,
    /// The revision that decided.
    pub revision: String,
    /// What was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// What is there now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
    /// More about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// The id of the request.
    pub request_id: String,
    /// The trace that the request belongs to.
    #[serde(default, skip_serializing_if = "trace::is_none", with = "trace")]
    pub trace_id: TraceId,
}

/// Traces as their hexadecimal digits.
mod trace {
    use crate::model::TraceId;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(id: &TraceId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TraceId, D::Error> {
        Ok(TraceId::parse(&String::deserialize(from)?))
    }

    pub(super) const fn is_none(id: &TraceId) -> bool {
        id.is_none()
    }
}

/// The audit log's side of the directory.
pub trait Witness: Debug + Send + Sync {
    /// Whether records are taken. Where they are not, nothing is changed.
    fn is_ready(&self) -> bool;

    /// Takes records, in this order. Tells how many of them, from the first on, it has taken.
    fn record_all(&self, events: &[Event]) -> usize;

    /// Takes one; `false` where it could not.
    fn record(&self, event: &Event) -> bool {
        self.record_all(std::slice::from_ref(event)) == 1
    }

    /// The ids of all that it has since a time. Where that cannot be told they are none: what is recorded twice is not lost.
    fn known_since(&self, from: Timestamp) -> HashSet<String>;
}
