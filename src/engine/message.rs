//! Reasons in plain words.

use super::{Outcome, PolicyIndex, Program};
use crate::model::ReasonCode;
use std::fmt;

impl Outcome<'_> {
    /// The reason in plain words, as answers and the console show it.
    pub fn message<'m>(&'m self, program: &'m Program) -> impl fmt::Display + 'm {
        fmt::from_fn(move |f| self.write_message(program, f))
    }

    fn write_message(&self, program: &Program, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let summary = |policies: &[PolicyIndex]| {
            policies.first().and_then(|&index| program.policy(index)).map_or("", |facts| &facts.summary)
        };
        let (user, action, ty) = (self.asked.user, self.asked.action, self.asked.resource_type);
        let tenant = self.tenant.unwrap_or_default();
        match self.code {
            ReasonCode::Granted | ReasonCode::Forbidden => f.write_str(summary(&self.determining)),
            ReasonCode::GateClosed => {
                write!(f, "every gate of `{}` is closed for `{user}`", program.module_id(self.module))
            }
            ReasonCode::ConditionNotMet => write!(f, "the condition is not met: {}", summary(&self.unmet)),
            ReasonCode::NotGranted => write!(f, "nothing grants `{action}` on `{ty}` to `{user}`"),
            ReasonCode::UserUnknown => write!(f, "there is no user `{user}`"),
            ReasonCode::UserInvited => write!(f, "`{user}` has not accepted the invitation yet"),
            ReasonCode::UserSuspended => write!(f, "`{user}` is suspended"),
            ReasonCode::UserExpired => write!(f, "the access of `{user}` has run out"),
            ReasonCode::SessionMissing => write!(f, "`{user}` is not logged in"),
            ReasonCode::TenantMissing => {
                write!(f, "`{user}` belongs to more than one tenant and the request names none")
            }
            ReasonCode::TenantUnknown => write!(f, "there is no tenant `{tenant}`"),
            ReasonCode::TenantMismatch => match &self.fault {
                Some(fault) => f.write_str(fault),
                None => write!(f, "the resource belongs to another tenant than `{tenant}`"),
            },
            ReasonCode::ModuleUnknown => write!(f, "there is no resource type or module `{ty}`"),
            ReasonCode::ActionUnknown => write!(f, "there is no action `{action}`"),
            ReasonCode::PolicyError => self.write_error(program, f),
            ReasonCode::Public => f.write_str("the route is public"),
            ReasonCode::RouteUnknown
            | ReasonCode::PathNotCanonical
            | ReasonCode::RouteValueInvalid
            | ReasonCode::SubjectMissing
            | ReasonCode::ProxyUntrusted
            | ReasonCode::ProxyHeadersInvalid => {
                f.write_str(self.fault.as_deref().unwrap_or("the request cannot be told"))
            }
            ReasonCode::AuditUnavailable => f.write_str("the audit log cannot take the record"),
            ReasonCode::PoliciesStale => f.write_str("the policies are older than allowed"),
            code => f.write_str(of_token(code)),
        }
    }

    fn write_error(&self, program: &Program, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.fault, self.errors.first()) {
            (Some(fault), _) => f.write_str(fault),
            (None, Some(error)) => {
                let id = program.policy(error.policy).map_or("", |facts| &facts.id);
                write!(f, "policy `{id}` could not be evaluated: {}", error.message)
            }
            (None, None) => Ok(()),
        }
    }
}

/// What is said of a token that is refused. Nothing of the token itself: it may be anything.
#[must_use]
pub const fn of_token(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::TokenMalformed => "the token is not a signed JWT",
        ReasonCode::TokenTooLarge => "the token is longer than allowed",
        ReasonCode::TokenDuplicateMember => "an object in the token has a member twice",
        ReasonCode::TokenUnsigned => "the token is not signed",
        ReasonCode::TokenAlgorithm => "the algorithm of the token does not count for its issuer",
        ReasonCode::TokenCritical => "the token demands an extension that is not understood",
        ReasonCode::TokenType => "the token is of a sort that does not say who somebody is",
        ReasonCode::TokenIssuer => "the issuer of the token is not trusted",
        ReasonCode::TokenKeyUnknown => "the key of the token is not among those of its issuer",
        ReasonCode::TokenKeyMismatch => "the key of the token is not for its algorithm, or not for signatures",
        ReasonCode::TokenKeysStale => "the keys of the token's issuer are not there, or older than allowed",
        ReasonCode::TokenSignature => "the signature of the token is not one of its key",
        ReasonCode::TokenAudience => "the token is for another audience",
        ReasonCode::TokenExpired => "the token has run out",
        ReasonCode::TokenNotYetValid => "the token does not count yet",
        ReasonCode::TokenClaims => "a claim of the token is missing, or is not what it should be",
        ReasonCode::TokenSubject => "the request names another user than the token",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_of_a_token_has_words_of_its_own() {
        let mut said: Vec<_> =
            ReasonCode::ALL.iter().filter(|code| code.is_of_a_token()).map(|code| of_token(*code)).collect();
        let refusals = said.len();
        said.sort_unstable();
        said.dedup();
        assert!(said.len() == refusals && refusals > 10 && !said.contains(&""), "{said:?}");
    }
}
