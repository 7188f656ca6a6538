//! What a record says: [`Entry`] as a decider hands it over, its bytes in the ring and in the store (`encode`), and
//! [`Record`] as queries read it (`decode`).

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub use decode::{List, Record};
pub(crate) use decode::{Malformed, time_of};
pub use encode::{JSON_LIMIT, NAME_LIMIT};
pub(crate) use encode::{MAX_RECORD, encode};

use crate::model::{Decision, Timestamp, TraceId};

pub use crate::model::Origin;
use std::fmt;

/// A closed list of words, each with its text on the wire and its byte in the store. Bytes are never given anew.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$word_doc:meta])* $word:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$word_doc])* $word,)* }

        impl $name {
            /// Every word, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$word,)*];

            /// The word as on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }

            /// Reads the word of the wire.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|word| word.as_str() == text)
            }

            pub(crate) const fn code(self) -> u8 {
                match self { $(Self::$word => $code,)* }
            }

            pub(crate) const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$word),)* _ => None }
            }
        }
    };
}

words! {
    /// The sorts of records.
    Kind {
        /// A decision that was answered.
        Decision = 1, "decision";
        /// Something that an application reported.
        Activity = 2, "activity";
        /// A change of the directory.
        Directory = 3, "directory";
        /// A login or logout.
        Session = 4, "session";
        /// A policy set was loaded or refused.
        Policy = 5, "policy";
        /// Start, stop, gaps, retention.
        System = 6, "system";
    }
}

/// The byte of an origin in the store. Bytes are never given anew.
impl Origin {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Native => 1,
            Self::Authzen => 2,
            Self::Envoy => 3,
            Self::ForwardAuth => 4,
            Self::Admin => 5,
            Self::Cli => 6,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.iter().copied().find(|origin| origin.code() == code)
    }
}

/// A record as a decider hands it over: it borrows everything. The writer adds sequence number and hashes.
/// Empty texts stand for absent ones.
pub struct Entry<'a> {
    /// When.
    pub time: Timestamp,
    /// What sort.
    pub kind: Kind,
    /// A ULID.
    pub id: [u8; 16],
    /// `X-Request-ID`.
    pub request_id: &'a str,
    /// Tenant id.
    pub tenant: &'a str,
    /// User id; `Type::"id"` where the subject is an entity of a plain Cedar set.
    pub user: &'a str,
    /// Roles of the user in the tenant.
    pub roles: &'a [String],
    /// Action.
    pub action: &'a str,
    /// Module id.
    pub module: &'a str,
    /// Resource type.
    pub resource_type: &'a str,
    /// Resource id.
    pub resource_id: &'a str,
    /// The decision, where there is one.
    pub decision: Option<Decision>,
    /// Reason code, or what happened for other kinds (`swapped`, `rejected_tests`, ...).
    pub reason: &'a str,
    /// Ids of the determining policies.
    pub policies: &'a dyn Texts,
    /// Evaluation errors, `policy id: message`.
    pub errors: &'a dyn Texts,
    /// Revision, 12 hexadecimal digits.
    pub revision: &'a str,
    /// How long deciding took, in nanoseconds. Written as microseconds with three decimals.
    pub duration_ns: u64,
    /// Where it came from.
    pub origin: Origin,
    /// Who acted through the application, for administrative records.
    pub actor: &'a str,
    /// JSON text of the state before, or empty.
    pub before: &'a str,
    /// JSON text of the state after, or empty.
    pub after: &'a str,
    /// JSON object text of what the policies asked of the context, or empty.
    pub context: &'a str,
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
}

impl Entry<'_> {
    /// A record that says nothing but when, what sort and what happened.
    pub fn blank(kind: Kind, time: Timestamp, id: [u8; 16]) -> Self {
        Self {
            time,
            kind,
            id,
            request_id: "",
            tenant: "",
            user: "",
            roles: &[],
            action: "",
            module: "",
            resource_type: "",
            resource_id: "",
            decision: None,
            reason: "",
            policies: &NOTHING,
            errors: &NOTHING,
            revision: "",
            duration_ns: 0,
            origin: Origin::Cli,
            actor: "",
            before: "",
            after: "",
            context: "",
            trace_id: TraceId::NONE,
        }
    }
}

const NOTHING: [&str; 0] = [];

/// What was done to a record before it was written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Marks<'a> {
    /// What was redacted, and how.
    pub(crate) redacted: &'a [String],
    /// One of so many was kept; 0 where none was left out.
    pub(crate) kept_one_in: u32,
}

/// A list of texts that is not a slice of strings.
pub trait Texts {
    /// Calls `take` with each text, in order.
    fn each(&self, take: &mut dyn FnMut(&str));
}

impl Texts for [&str] {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        for text in self {
            take(text);
        }
    }
}

impl<const N: usize> Texts for [&str; N] {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        self.as_slice().each(take);
    }
}

impl Texts for Vec<String> {
    fn each(&self, take: &mut dyn FnMut(&str)) {
        for text in self {
            take(text);
        }
    }
}

impl fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("kind", &self.kind).field("user", &self.user).finish_non_exhaustive()
    }
}
