//! Policy sets that tell apart which of them decides.

use super::{Sidecar, wait_for};
use serde_json::json;
use std::time::Duration;

/// A change is live a moment after it lands; the machine may be busy.
const SOON: Duration = Duration::from_secs(20);

/// A whole set in one file: only the user `gen-<n>` may view orders.
pub fn generation(n: usize) -> String {
    format!(
        "policy_set: generations\ntenancy: none\nlevels: {{ view: [view] }}\n\
         modules: {{ orders: {{ name: Orders, resources: [order] }} }}\n\
         roles: {{ reader: {{ name: Reader, grants: {{ orders: view }} }} }}\n\
         users: {{ gen-{n}: {{ name: Reader, email: reader@demo.example, roles: [reader] }} }}\n"
    )
}

/// Whether generation `n` decides.
pub fn decides(sidecar: &Sidecar, n: usize) -> bool {
    let asked = json!({ "user": format!("gen-{n}"), "action": "view", "resource": "order:o-1" });
    sidecar.authorize(&asked).1["decision"] == "allow"
}

/// Waits until generation `n` decides.
#[track_caller]
pub fn wait_decides(sidecar: &Sidecar, n: usize) {
    wait_for(&format!("generation {n} decides"), SOON, || decides(sidecar, n));
}
