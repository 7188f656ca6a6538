//! What was answered, and the stable code that says why.

use std::fmt;

/// The answer to one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The user may.
    Allow,
    /// The user may not. Also the answer to everything that went wrong.
    Deny,
}

impl Decision {
    /// `allow` or `deny`, as on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }

    /// Whether this is [`Decision::Allow`].
    #[must_use]
    pub const fn is_allow(self) -> bool {
        matches!(self, Self::Allow)
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! reason_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a decision is what it is. The text form is part of the wire contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ReasonCode { $($(#[$doc])* $name,)* }

        impl ReasonCode {
            /// Every code, in the order of the reference.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reason_codes! {
    /// At least one policy permits and none forbids.
    Granted = "granted",
    /// The route of a proxied request is public: no policy is asked.
    Public = "public",
    /// No policy grants the action to the user.
    NotGranted = "not_granted",
    /// A policy forbids it.
    Forbidden = "forbidden",
    /// A grant exists, but its condition does not hold for this request.
    ConditionNotMet = "condition_not_met",
    /// The directory and the policy set know no such user.
    UserUnknown = "user_unknown",
    /// The user has not accepted the invitation yet.
    UserInvited = "user_invited",
    /// The user is suspended.
    UserSuspended = "user_suspended",
    /// The user, or every assignment of the user in the tenant, has run out.
    UserExpired = "user_expired",
    /// The policy set demands a session and the user has none open.
    SessionMissing = "session_missing",
    /// The user belongs to several tenants and the request names none.
    TenantMissing = "tenant_missing",
    /// No such tenant.
    TenantUnknown = "tenant_unknown",
    /// The resource belongs to another tenant than the request.
    TenantMismatch = "tenant_mismatch",
    /// The module sits behind a gate that is off for the user.
    GateClosed = "gate_closed",
    /// No such resource type or module.
    ModuleUnknown = "module_unknown",
    /// No such action.
    ActionUnknown = "action_unknown",
    /// A proxied request that no route of the policy set fits.
    RouteUnknown = "route_unknown",
    /// A proxied request whose path may mean another one to the application.
    PathNotCanonical = "path_not_canonical",
    /// A proxied request in which a value that its route needs is absent, or cannot be told.
    RouteValueInvalid = "route_value_invalid",
    /// A proxied request that does not say who the user is.
    SubjectMissing = "subject_missing",
    /// Headers of a proxy, sent by somebody who is not a trusted one.
    ProxyUntrusted = "proxy_untrusted",
    /// Headers of a proxy that are missing or say different things.
    ProxyHeadersInvalid = "proxy_headers_invalid",
    /// A policy could not be evaluated, and what is left does not permit.
    PolicyError = "policy_error",
    /// The audit log cannot take the record.
    AuditUnavailable = "audit_unavailable",
    /// The policies are older than the operator allows.
    PoliciesStale = "policies_stale",
    /// The token is not three parts of base64url and JSON.
    TokenMalformed = "token_malformed",
    /// The token is longer than allowed.
    TokenTooLarge = "token_too_large",
    /// An object in the token has a member twice.
    TokenDuplicateMember = "token_duplicate_member",
    /// The token is not signed: its algorithm is `none`.
    TokenUnsigned = "token_unsigned",
    /// The token's algorithm is not among those that count for its issuer.
    TokenAlgorithm = "token_algorithm",
    /// The token demands an extension (`crit`) that is not understood.
    TokenCritical = "token_critical",
    /// The token is of another sort than one that says who somebody is.
    TokenType = "token_type",
    /// The token's issuer is not trusted.
    TokenIssuer = "token_issuer",
    /// The token's key is not among those of its issuer.
    TokenKeyUnknown = "token_key_unknown",
    /// The token's key is of another type, for another algorithm or for another use.
    TokenKeyMismatch = "token_key_mismatch",
    /// The keys of the token's issuer could not be looked at for too long.
    TokenKeysStale = "token_keys_stale",
    /// The token's signature is not one of its key.
    TokenSignature = "token_signature",
    /// The token is for somebody else.
    TokenAudience = "token_audience",
    /// The token has run out.
    TokenExpired = "token_expired",
    /// The token counts later, or was issued in the future.
    TokenNotYetValid = "token_not_yet_valid",
    /// A claim of the token is missing or is not what the settings take it for.
    TokenClaims = "token_claims",
    /// The request names another user than the token.
    TokenSubject = "token_subject",
}

impl ReasonCode {
    /// Whether it says why a token was refused.
    #[must_use]
    pub fn is_of_a_token(self) -> bool {
        self.as_str().starts_with("token_")
    }
}

impl ReasonCode {
    /// Whether it is the reason of an allow.
    #[must_use]
    pub const fn allows(self) -> bool {
        matches!(self, Self::Granted | Self::Public)
    }

    /// Whether it is the reason of an answer to a proxy for which no policy was asked.
    #[must_use]
    pub const fn is_of_a_proxy(self) -> bool {
        matches!(
            self,
            Self::Public
                | Self::RouteUnknown
                | Self::PathNotCanonical
                | Self::RouteValueInvalid
                | Self::SubjectMissing
                | Self::ProxyUntrusted
                | Self::ProxyHeadersInvalid
        )
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
