//! Delegated administration: who may do what to whom in the directory of users.
//!
//! The section `delegation` says which question of the set each operation of the directory is; [`judge()`] asks it, and then asks the
//! rules that hold beside: rank, family, tenant, nothing that the giver has not, not on the own account, not the last administrator.
//! Those rules are Cedar too, over the built-in module `directory`, so that tests can show them and hand-written policies can add to
//! them. What is judged is the difference between the user as it is and as it would be, so every path that changes a user goes through
//! the same gate, whatever it is called.
//!
//! Nothing here reads a clock or changes anything.

mod administrators;
mod case;
mod difference;
mod facts;
mod held;
mod judge;
mod looks;
mod rules;
mod section;

pub use administrators::{is_administrator, is_administrator_until, last_administrator, makes_administrator};
pub use judge::{Judge, judge};
pub use looks::is_seen_by_standing;
pub use rules::Rule;
pub(super) use rules::{DIRECTORY, Ruling, TYPES, actions, attributes, rulings};
pub use section::Delegation;
pub(super) use section::{Administrator, Ask, Questions, Target};

use crate::model::{AssignmentKind, Membership, Timestamp, User};
use std::fmt;

/// What somebody wants to do in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// To list users.
    List,
    /// To see one.
    Read,
    /// To create one.
    Create,
    /// To change a profile.
    Change,
    /// To suspend.
    Suspend,
    /// To end a suspension.
    Reactivate,
    /// To delete.
    Delete,
    /// To give and to take roles, grants, gates and values.
    Assign,
    /// To invite.
    Invite,
    /// To list invitations.
    ListInvitations,
    /// To change an invitation, or to send it again.
    ChangeInvitation,
    /// To revoke an invitation.
    RevokeInvitation,
    /// To list sessions.
    ListSessions,
    /// To end a session.
    EndSession,
    /// To see who has what, and why.
    Review,
    /// To export users.
    Export,
    /// To create or change users by import.
    Import,
    /// To see the records of changes.
    Log,
}

/// A change that somebody wants, or a look.
#[derive(Debug, Clone, Copy)]
pub struct Deed<'d> {
    /// What is to be done.
    pub operation: Operation,
    /// In which tenant; `None` in a set without tenants, or for the actor's only one.
    pub tenant: Option<&'d str>,
    /// The user concerned as it is; `None` where there is none yet, or none in particular.
    pub before: Option<&'d User>,
    /// The same user as it would be; `None` for a look, and where it would be gone.
    pub after: Option<&'d User>,
    /// What the user concerned has been promised and may take up without anybody being asked again.
    pub promised: &'d [Membership],
    /// When.
    pub time: Timestamp,
}

/// What was found about a deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it may be done.
    pub allowed: bool,
    /// Why, as a stable code: `granted`, a rule's such as `not_held`, or the reason code of the decision that refused it.
    pub code: &'static str,
    /// The same in plain words.
    pub message: String,
    /// The ids of the policies that determined it.
    pub policies: Vec<String>,
    /// The one thing that may not be given or taken, where it is that.
    pub what: Option<Concern>,
}

/// Something that is given or taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// `role`, `grant`, `gate`, `value` or `membership`.
    pub kind: &'static str,
    /// Its name: a role, `pricing/editor`, a gate, `channels/web-fr`.
    pub name: String,
    /// The tenant.
    pub tenant: Option<String>,
}

/// As people read it: the role `finance` in `north`.
impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} `{}`", self.kind, self.name)?;
        match &self.tenant {
            Some(tenant) if self.kind != "membership" => write!(f, " in `{tenant}`"),
            _ => Ok(()),
        }
    }
}

/// The word for a sort of assignment.
const fn kind_word(kind: AssignmentKind) -> &'static str {
    match kind {
        AssignmentKind::Role => "role",
        AssignmentKind::Grant => "grant",
        AssignmentKind::Gate => "gate",
    }
}

#[cfg(test)]
mod tests;
