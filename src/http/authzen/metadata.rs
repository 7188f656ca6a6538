//! The metadata of AuthZEN: who this is, and where each endpoint is found.
//!
//! It names the address that the operator has configured, and never what a request says of its host: whoever could choose that
//! would send the callers of others elsewhere.

use crate::{
    engine::{Dialect, Tenancy},
    http::{ApiError, ErrorCode, desk::Desk, service::Answer},
};
use serde::Serialize;

/// What is told. Members without a value are left out: no capability is offered that the registry of them names.
#[derive(Debug, Serialize)]
struct Metadata<'m> {
    policy_decision_point: &'m str,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    search_subject_endpoint: String,
    search_resource_endpoint: String,
    search_action_endpoint: String,
}

/// Answers `GET /.well-known/authzen-configuration`; `path` is what follows: the path of the identifier that is asked about.
pub(in crate::http) fn metadata(desk: &Desk, path: &str) -> Result<Answer, ApiError> {
    let url = desk.public_url().ok_or_else(|| {
        ApiError::new(ErrorCode::NotFound, "no metadata: `server.authorize.public_url` is not configured")
    })?;
    let current = desk.current();
    let base = url.trim_end_matches('/');
    let identifier = match tenant_in(base, path) {
        // To the letter: callers compare it with the identifier that they have.
        Some("") => url.clone(),
        // Whether there is such a tenant shows with the first question, to those who may ask it.
        Some(tenant) if has_tenants(current.snapshot.program.dialect()) => format!("{base}/{tenant}"),
        Some(_) | None => return Err(ApiError::new(ErrorCode::NotFound, "no such path")),
    };
    let endpoint = |path: &str| format!("{}/access/v1/{path}", identifier.trim_end_matches('/'));
    let metadata = Metadata {
        policy_decision_point: &identifier,
        access_evaluation_endpoint: endpoint("evaluation"),
        access_evaluations_endpoint: endpoint("evaluations"),
        search_subject_endpoint: endpoint("search/subject"),
        search_resource_endpoint: endpoint("search/resource"),
        search_action_endpoint: endpoint("search/action"),
    };
    let body = serde_json::to_string(&metadata).map_err(|_| ApiError::new(ErrorCode::Internal, "internal error"))?;
    Ok(Answer { body, revision: desk.revision_header(current.snapshot.revision) })
}

/// What the path of an identifier has behind that of the public address: nothing, or one segment.
fn tenant_in<'p>(base: &str, path: &'p str) -> Option<&'p str> {
    let own = base.strip_prefix("https://")?.split_once('/').map_or("", |(_, own)| own);
    let rest = match path.strip_prefix('/').unwrap_or(path).strip_prefix(own)? {
        "" => "",
        rest if own.is_empty() => rest,
        rest => rest.strip_prefix('/')?,
    };
    (!rest.contains('/')).then_some(rest)
}

/// Whether the policy set has tenants, so that there are addresses of tenants.
pub(super) fn has_tenants(dialect: &Dialect) -> bool {
    match dialect {
        Dialect::Declared(vocabulary) => vocabulary.tenancy == Tenancy::Required,
        Dialect::PlainCedar { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_an_identifier_is_that_of_the_public_address_or_a_tenant_behind_it() {
        for (base, path, tenant) in [
            ("https://h", "", Some("")),
            ("https://h", "/", Some("")),
            ("https://h", "/north", Some("north")),
            ("https://h", "/north/", None),
            ("https://h", "/a/b", None),
            ("https://h", "//north", None),
            ("https://h/a", "", None),
            ("https://h/a", "/", None),
            ("https://h/a", "/a", Some("")),
            ("https://h/a", "/a/", Some("")),
            ("https://h/a", "/a/north", Some("north")),
            ("https://h/a", "/ab", None),
            ("https://h/a", "/b", None),
            ("https://h/a/b", "/a/b/north", Some("north")),
            ("https://h/a/b", "/a", None),
        ] {
            assert_eq!(tenant_in(base, path), tenant, "{base} {path}");
        }
    }
}
