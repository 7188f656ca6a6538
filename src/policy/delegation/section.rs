//! The section `delegation`, with every name looked up.

use super::{Operation, Rule};
use crate::{model::AssignmentKind, policy::catalog::Module};

/// Who may administer whom.
#[derive(Debug, Clone)]
pub struct Delegation {
    /// What makes an administrator.
    pub(in crate::policy) administrators: Vec<Administrator>,
    /// What the operations ask, for the users of each family.
    pub(in crate::policy) questions: Vec<Questions>,
    /// The rules that are switched off.
    pub(in crate::policy) off: Vec<Rule>,
    /// The directory's own module.
    pub(in crate::policy) module: Module,
}

/// A role or a grant that makes an administrator.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Administrator {
    pub(in crate::policy) kind: AssignmentKind,
    pub(in crate::policy) name: String,
}

/// What the operations on the users of a family ask.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Questions {
    /// `None` where it holds for all users.
    pub(in crate::policy) family: Option<String>,
    pub(in crate::policy) user: Target,
    pub(in crate::policy) assignment: Target,
    pub(in crate::policy) invitation: Target,
    pub(in crate::policy) session: Target,
    pub(in crate::policy) log: Target,
    /// The action of each operation that anybody may be allowed.
    pub(in crate::policy) actions: Vec<(Ask, String)>,
}

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Target {
    /// A resource type, or a module.
    pub(in crate::policy) ty: String,
    /// The id that the section gives; mostly an area.
    pub(in crate::policy) id: String,
    /// The module that it belongs to.
    pub(in crate::policy) module: String,
    /// Which of the directory's attributes the type declares.
    pub(in crate::policy) attributes: Vec<String>,
}

/// What an operation asks for. Each has a name in the section, and one whose action it has where it is not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::policy) enum Ask {
    View,
    Create,
    Change,
    Delete,
    Suspend,
    Reactivate,
    Assign,
    Invite,
    Revoke,
    Invitations,
    Sessions,
    EndSession,
    Log,
    Review,
    Export,
    Import,
}

impl Ask {
    /// Each after the one that it falls back to.
    pub(in crate::policy) const ALL: [Self; 16] = [
        Self::View,
        Self::Create,
        Self::Change,
        Self::Delete,
        Self::Suspend,
        Self::Reactivate,
        Self::Assign,
        Self::Invite,
        Self::Revoke,
        Self::Invitations,
        Self::Sessions,
        Self::EndSession,
        Self::Log,
        Self::Review,
        Self::Export,
        Self::Import,
    ];

    /// Its name in the section.
    pub(in crate::policy) const fn key(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Suspend => "suspend",
            Self::Reactivate => "reactivate",
            Self::Assign => "assign",
            Self::Invite => "invite",
            Self::Revoke => "revoke",
            Self::Invitations => "invitations",
            Self::Sessions => "sessions",
            Self::EndSession => "end_session",
            Self::Log => "log",
            Self::Review => "review",
            Self::Export => "export",
            Self::Import => "import",
        }
    }

    /// The one whose action it has where it is not named.
    pub(in crate::policy) const fn otherwise(self) -> Option<Self> {
        match self {
            Self::View | Self::Create | Self::Change | Self::Delete => None,
            Self::Suspend | Self::Assign => Some(Self::Change),
            Self::Reactivate | Self::EndSession => Some(Self::Suspend),
            Self::Invite | Self::Import => Some(Self::Create),
            Self::Revoke => Some(Self::Invite),
            Self::Invitations | Self::Sessions | Self::Log | Self::Review | Self::Export => Some(Self::View),
        }
    }

    /// Whether it only looks.
    pub(super) const fn looks(self) -> bool {
        matches!(self, Self::View | Self::Invitations | Self::Sessions | Self::Log | Self::Review | Self::Export)
    }
}

impl Operation {
    /// What it asks for beside what the difference that it makes asks for.
    pub(super) const fn ask(self) -> Ask {
        match self {
            Self::List | Self::Read => Ask::View,
            Self::Create => Ask::Create,
            Self::Change => Ask::Change,
            Self::Suspend => Ask::Suspend,
            Self::Reactivate => Ask::Reactivate,
            Self::Delete => Ask::Delete,
            Self::Assign => Ask::Assign,
            Self::Invite | Self::ChangeInvitation => Ask::Invite,
            Self::RevokeInvitation => Ask::Revoke,
            Self::ListInvitations => Ask::Invitations,
            Self::ListSessions => Ask::Sessions,
            Self::EndSession => Ask::EndSession,
            Self::Review => Ask::Review,
            Self::Export => Ask::Export,
            Self::Import => Ask::Import,
            Self::Log => Ask::Log,
        }
    }
}

impl Delegation {
    /// The directory's own module.
    pub(in crate::policy) const fn module(&self) -> &Module {
        &self.module
    }

    /// Whether a rule is in force.
    #[must_use]
    pub fn has(&self, rule: Rule) -> bool {
        !self.off.contains(&rule)
    }

    /// Whether what was given makes its holder an administrator.
    pub(super) fn makes_administrator(&self, kind: AssignmentKind, name: &str) -> bool {
        self.administrators.iter().any(|one| one.kind == kind && one.name == name)
    }

    /// What is asked about users of a family.
    pub(super) fn questions(&self, family: Option<&str>) -> Option<&Questions> {
        let fits = |questions: &&Questions| questions.family.is_none() || questions.family.as_deref() == family;
        self.questions.iter().find(fits)
    }
}

impl Questions {
    pub(super) fn action(&self, ask: Ask) -> Option<&str> {
        self.actions.iter().find(|(known, _)| *known == ask).map(|(_, action)| action.as_str())
    }

    /// What an operation is about; giving and taking is about the user as well as about what is given.
    pub(in crate::policy) fn target(&self, ask: Ask) -> &Target {
        match ask {
            Ask::Assign => &self.assignment,
            Ask::Invite | Ask::Revoke | Ask::Invitations => &self.invitation,
            Ask::Sessions | Ask::EndSession => &self.session,
            Ask::Log => &self.log,
            _ => &self.user,
        }
    }
}
