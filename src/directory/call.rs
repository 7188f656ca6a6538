//! Who calls, and why a call can be refused.

use super::store::StoreError;
use crate::{
    model::{Timestamp, TraceId},
    policy::{Concern, Problem},
};
use std::fmt;

/// A call: who acts, where, when.
#[derive(Debug, Clone, Copy)]
pub struct Call<'c> {
    /// Who acts.
    pub actor: Actor<'c>,
    /// The tenant in which the actor acts, where the call names one.
    pub tenant: Option<&'c str>,
    /// The id of the request.
    pub request_id: &'c str,
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
    /// When.
    pub now: Timestamp,
    /// What the caller has seen; what has changed since is not overwritten.
    pub if_match: Option<Seen>,
    /// The code for which it is refused whatever it asks for, where that was found before it came here: nothing of it but its record is
    /// made.
    pub barred: Option<&'static str>,
}

/// What a caller has seen of what it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// That it is there, in whatever version.
    Any,
    /// This version.
    Version(u64),
}

/// As messages say it.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'c> {
    /// An operator: whoever holds a token that may act without being a user. Not bound by the delegation, but by what keeps every
    /// tenant administrable.
    Operator(&'c str),
    /// A user, declared or of the directory. Bound by the delegation of the policy set.
    User(&'c str),
    /// An application that reports what its users did: logins, accepted invitations. It changes nobody's rights.
    Application(&'c str),
}

impl Actor<'_> {
    /// As records name it. No user's id has a colon in front of such a name: ids with one of these prefixes are refused.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Self::Operator(name) => format!("{OPERATOR}{name}"),
            Self::User(id) => id.to_owned(),
            Self::Application(name) => format!("{APPLICATION}{name}"),
        }
    }
}

/// The code of a call that names nobody who acts.
pub const ACTOR_MISSING: &str = "actor_missing";
/// In front of an operator's name.
pub(super) const OPERATOR: &str = "operator:";
/// In front of an application's name.
pub(super) const APPLICATION: &str = "application:";

/// Whether a name begins like that of an operator or an application in records: no user has one.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    [OPERATOR, APPLICATION].into_iter().any(|prefix| name.starts_with(prefix))
}

/// Something that may not be given or taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// What it is.
    pub what: Concern,
    /// Where it stands in what was sent, as a JSON pointer; empty where it does not stand there.
    pub pointer: String,
}

/// Why a call was refused. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing.
    #[error("no {what} `{id}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The call's content will not do.
    #[error("{} problems", .0.len())]
    Invalid(Vec<Problem>),
    /// It does not fit what is there.
    #[error("{message}")]
    Conflict {
        /// Stable.
        code: &'static str,
        /// In words.
        message: String,
    },
    /// What is to be changed has changed since the caller has seen it.
    #[error("{}, and {seen} was named", now.map_or("it is not there".to_owned(), |now| format!("it has changed since: version {now} counts")))]
    Changed {
        /// The version that counts; `None` where there is none.
        now: Option<u64>,
        /// What was named.
        seen: Seen,
    },
    /// The policies do not allow it to the actor.
    #[error("{message}")]
    Forbidden {
        /// Stable.
        code: String,
        /// In words.
        message: String,
        /// The policies that say so.
        policies: Vec<String>,
        /// The one thing that may not be given or taken, where it is that.
        what: Option<Box<Denied>>,
    },
    /// A link that will not do.
    #[error("{message}")]
    Link {
        /// `invitation_unknown`, `invitation_expired`, `invitation_used`, `invitation_revoked`, `invitation_replaced`.
        code: &'static str,
        /// In words.
        message: &'static str,
    },
    /// The audit log cannot take the record, so nothing is changed.
    #[error("the audit log cannot take the record, so nothing was changed")]
    Unrecorded,
    /// The audit log cannot be read.
    #[error("the audit log cannot be read, so nobody can tell what was used")]
    Unread,
    /// The store.
    #[error("the directory's store cannot be used")]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The stable code that stands in answers and records.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::NotFound { .. } => "not_found",
            Self::Invalid(_) => "invalid",
            Self::Conflict { code, .. } | Self::Link { code, .. } => code,
            Self::Changed { .. } => "version_mismatch",
            Self::Forbidden { code, .. } => code,
            Self::Unrecorded | Self::Unread => "audit_unavailable",
            Self::Store(_) => "directory_unavailable",
        }
    }

    /// A conflict.
    pub(super) fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::Conflict { code, message: message.into() }
    }

    /// A deed that the policies do not allow.
    pub(super) fn forbidden(code: &str, message: impl Into<String>) -> Self {
        Self::Forbidden { code: code.to_owned(), message: message.into(), policies: Vec::new(), what: None }
    }

    /// One problem with the content.
    pub(super) fn problem(pointer: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem { pointer: pointer.to_owned(), message: message.into(), help: None }])
    }

    /// With the place at which something that may not be given stands in what was sent.
    pub(super) fn placed(mut self, place: impl FnOnce(&Concern) -> String) -> Self {
        if let Self::Forbidden { what: Some(denied), .. } = &mut self {
            denied.pointer = place(&denied.what);
        }
        self
    }

    /// Nobody is named who acts.
    pub(super) fn no_actor() -> Self {
        let message = "name the user who acts in the header `sidegate-actor`; only a token or a client with `operator: true` may leave it out";
        Self::forbidden(ACTOR_MISSING, message)
    }

    /// There is no such user.
    pub(super) fn no_user(id: &str) -> Self {
        Self::NotFound { what: "user", id: id.to_owned() }
    }
}
