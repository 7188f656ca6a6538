//! Who a proxied request is of: a user whom a trusted proxy names, in a header or by the payload of a token that it has verified.

use super::{Forwarded, one};
use crate::{
    config::AuthorizeServer,
    http::desk::Question,
    model::{Attributes, ReasonCode, Resource},
    policy::{self, Miss},
};
use serde_json::{Map, Value};

/// Who a request is of.
#[derive(Debug)]
pub(super) enum Who<'a> {
    /// Nobody says.
    Nobody,
    /// This user.
    User {
        /// The id.
        id: &'a str,
    },
    /// What says it does not count.
    Refused(Miss),
}

/// Finds out who a request is of.
pub(super) fn of<'a>(server: &AuthorizeServer, forwarded: &Forwarded<'a>, trusted: bool) -> Who<'a> {
    if !trusted {
        return Who::Nobody;
    }
    let refused = |why: String| Who::Refused(Miss { code: ReasonCode::SubjectMissing, why });
    let claim = server.proxy.user_claim.as_deref();
    if let Some((claim, said)) = claim.and_then(|claim| Some((claim, forwarded.claims?.get(claim)?))) {
        return match said.as_str() {
            Some(id) if !id.is_empty() && policy::is_visible(id) => Who::User { id },
            _ => refused(format!("what the claim `{claim}` says is no user")),
        };
    }
    let Some(header) = server.proxy.user_header.as_deref() else { return Who::Nobody };
    match one(forwarded.headers, header) {
        Ok(None | Some("")) => Who::Nobody,
        Ok(Some(id)) if policy::is_visible(id) => Who::User { id },
        Ok(Some(_)) => refused(format!("what the header `{header}` says is no user")),
        // A second one can only be the client's own, which the proxy has not removed.
        Err(true) => refused(format!("the header `{header}` is given more than once")),
        Err(false) => refused(format!("what the header `{header}` says is no visible ASCII")),
    }
}

impl<'a> Who<'a> {
    /// The user's id; empty where there is none.
    pub(super) const fn user(&self) -> &'a str {
        match self {
            Self::User { id } => id,
            Self::Nobody | Self::Refused(_) => "",
        }
    }

    /// The claims of the token that says so, where one does.
    #[expect(clippy::unused_self, reason = "a header has no claims; other ways of saying who somebody is have")]
    pub(super) const fn claims(&self) -> Option<&Map<String, Value>> {
        None
    }

    /// The user's question.
    pub(super) fn question<'q>(
        &'q self,
        action: &'q str,
        resource: Resource<'q>,
        tenant: Option<&'q str>,
        context: &'q Attributes<'q>,
    ) -> Question<'q> {
        let subject = self.user();
        Question { subject_type: None, subject, subject_attributes: &[], action, resource, tenant, context }
    }
}
