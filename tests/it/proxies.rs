//! Doors for proxies: forward auth and Envoy's HTTP service, by their headers and through real proxies.

mod doors;
mod real;
mod spoofed;

use crate::support::{PolicyDir, Sidecar, SidecarBuilder, SigningKey, jwks, seconds_now, wait_until};
use serde_json::{Value, json};
use std::time::Duration;

/// Settings under which this machine is a trusted proxy that says who the user is.
const TRUSTING: &str = "server: { authorize: { trusted_proxies: [127.0.0.1, unix], proxy: { user_header: X-Demo-User, tell_reasons: true } } }";

/// The demo behind proxies.
fn trusting() -> SidecarBuilder {
    Sidecar::builder().config(TRUSTING)
}

/// The records that a query finds, newest first, once there are so many: they are there a moment after the answer.
#[track_caller]
fn records(sidecar: &Sidecar, query: &str, count: usize) -> Vec<Value> {
    let read = || {
        let answer = sidecar.admin_get(&format!("/v1/audit?{query}")).json();
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        (items.len() >= count).then_some(items)
    };
    let found = wait_until(Duration::from_secs(20), read);
    found.unwrap_or_else(|| panic!("fewer than {count} records of `{query}`"))
}

/// An issuer of tokens: its keys lie in a folder.
struct Issuer {
    key: SigningKey,
    folder: PolicyDir,
}

impl Issuer {
    fn new() -> Self {
        let key = SigningKey::p256("k");
        let folder = PolicyDir::with(&[("keys.json", &jwks(&[&key]).to_string())]);
        Self { key, folder }
    }

    /// The settings with which a sidecar believes it.
    fn settings(&self) -> String {
        let keys = self.folder.path().join("keys.json");
        format!(
            "subjects: {{ tokens: [{{ issuer: 'https://id.example', audiences: shop, jwks: '{}' }}] }}",
            keys.display()
        )
    }

    /// The value of `Authorization` with which a client says who it is.
    fn bearer(&self, user: &str) -> String {
        let exp = seconds_now() + 300;
        let token = self.key.sign(&json!({ "iss": "https://id.example", "aud": "shop", "exp": exp, "sub": user }));
        format!("Bearer {token}")
    }
}
