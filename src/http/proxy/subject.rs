//! Who a proxied request is of: a user whom a trusted proxy names, in a header or by the payload of a token that it has verified, or
//! the user of the token that the request bears.

use super::{Forwarded, one};
use crate::{
    config::AuthorizeServer,
    engine,
    http::{
        claim::{Claim, Claimed, Word},
        desk::{Desk, Question},
    },
    model::{Attributes, ReasonCode, Resource, Timestamp},
    policy::{self, Miss},
    reload::Current,
};
use serde_json::{Map, Value};
use std::{borrow::Cow, sync::Arc};

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
    /// The user of a token.
    Bearer(Claim),
    /// What says it does not count.
    Refused(Miss),
}

/// Finds out who a request is of: whom a trusted proxy names, or else who bears the token that an issuer vouches for.
pub(super) fn of<'a>(
    desk: &Desk,
    current: &Arc<Current>,
    server: &AuthorizeServer,
    forwarded: &Forwarded<'a>,
    trusted: bool,
    now: Timestamp,
) -> Who<'a> {
    match named(server, forwarded, trusted) {
        Who::Nobody if desk.claims().takes_tokens() => bearer(desk, current, forwarded, now),
        who => who,
    }
}

/// The user of the token in `Authorization`. Whatever else stands there is between the client and the application.
fn bearer<'a>(desk: &Desk, current: &Arc<Current>, forwarded: &Forwarded<'_>, now: Timestamp) -> Who<'a> {
    let header = match one(forwarded.headers, "authorization") {
        Ok(header) => header.unwrap_or_default(),
        Err(_) => {
            let why = "the header `authorization` is given more than once, or is no visible ASCII".to_owned();
            return Who::Refused(Miss { code: ReasonCode::SubjectMissing, why });
        }
    };
    let token = match header.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        _ => return Who::Nobody,
    };
    let claimed = Claimed { named: "", word: Word::Token(Cow::Borrowed(token)) };
    match desk.claim(current, &claimed, now) {
        Claim::Refused(code) => Who::Refused(Miss { code, why: engine::of_token(code).to_owned() }),
        claim => Who::Bearer(claim),
    }
}

/// The user whom a trusted proxy names.
fn named<'a>(server: &AuthorizeServer, forwarded: &Forwarded<'a>, trusted: bool) -> Who<'a> {
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

impl Who<'_> {
    /// The user's id; empty where there is none.
    pub(super) fn user(&self) -> &str {
        match self {
            Self::User { id } => id,
            Self::Bearer(claim) => claim.user(""),
            Self::Nobody | Self::Refused(_) => "",
        }
    }

    /// The claims of the token that says so, where one does.
    pub(super) fn claims(&self) -> Option<&Map<String, Value>> {
        if let Self::Bearer(claim) = self { claim.claims() } else { None }
    }

    /// The user's question.
    pub(super) fn question<'q>(
        &'q self,
        action: &'q str,
        resource: Resource<'q>,
        tenant: Option<&'q str>,
        context: &'q Attributes<'q>,
    ) -> Question<'q> {
        let claim = if let Self::Bearer(claim) = self { claim } else { &Claim::Nothing };
        let subject = self.user();
        Question { subject_type: None, subject, subject_attributes: &[], claim, action, resource, tenant, context }
    }
}
