//! Traces: what requests say of theirs, spans for a collector, the access log, and log lines that are held back.

mod exports;
mod lines;
mod records;

use crate::support::Sidecar;
use serde_json::{Value, json};

/// What a caller says of its trace.
pub(crate) const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// The trace of [`PARENT`].
pub(crate) const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A question that is allowed.
pub(crate) fn question() -> Value {
    json!({ "user": "alice", "action": "view", "resource": "order:o-1" })
}

/// Asks with headers, and gives the id of the decision.
#[track_caller]
pub(crate) fn ask(sidecar: &Sidecar, headers: &[(&str, &str)]) -> String {
    let answer = sidecar.post_text("/v1/authorize", headers, &question().to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["id"].as_str().expect("an id").to_owned()
}
