//! The rules that hold beside what is granted, as Cedar over the directory's own module.

use super::{Ask, Delegation};
use crate::{engine::AttributeType, policy::catalog::Catalog};

/// The id of the directory's own module.
pub(in crate::policy) const DIRECTORY: &str = "directory";

/// Its types: a user as such, and something that is given to a user or taken.
pub(in crate::policy) const TYPES: [&str; 2] = [USER, ASSIGNMENT];
pub(super) const USER: &str = "directory_user";
pub(super) const ASSIGNMENT: &str = "directory_assignment";

/// To give something.
pub(super) const GIVE: &str = "give";
/// To take something away.
pub(super) const TAKE: &str = "take";

/// The rules that hold beside what is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Nobody changes what the own account has, its status, or deletes it.
    OwnAccount,
    /// Nobody gives or takes a role of a higher rank, or touches a user who has one.
    Rank,
    /// Nobody touches users of another family.
    Family,
    /// Users of several tenants are changed in person by those alone who may do so in all of them.
    Tenant,
    /// Nobody gives what goes beyond the own access.
    OnlyHeld,
    /// The last administrator of a tenant stays one.
    LastAdministrator,
}

impl Rule {
    /// All rules, in the order in which they are asked.
    pub const ALL: [Self; 6] =
        [Self::OwnAccount, Self::Family, Self::Rank, Self::Tenant, Self::OnlyHeld, Self::LastAdministrator];

    /// Its name in the section.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::OwnAccount => "own_account",
            Self::Rank => "rank",
            Self::Family => "family",
            Self::Tenant => "tenant",
            Self::OnlyHeld => "only_held",
            Self::LastAdministrator => "last_administrator",
        }
    }

    /// The code of a refusal by it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::OwnAccount => "own_account",
            Self::Rank => "higher_rank",
            Self::Family => "other_family",
            Self::Tenant => "other_tenant",
            Self::OnlyHeld => "not_held",
            Self::LastAdministrator => "last_administrator",
        }
    }

    /// The id of its policy.
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Self::OwnAccount => "delegation/own-account",
            Self::Rank => "delegation/rank",
            Self::Family => "delegation/family",
            Self::Tenant => "delegation/tenant",
            Self::OnlyHeld => "delegation/only-held",
            Self::LastAdministrator => "delegation/last-administrator",
        }
    }

    const fn summary(self) -> &'static str {
        match self {
            Self::OwnAccount => "nobody changes what the own account has, its status, or deletes it",
            Self::Rank => "nobody gives or takes a role above the own rank, or touches a user who has one",
            Self::Family => "nobody touches users of another family",
            Self::Tenant => {
                "users of several tenants are changed in person by those alone who may do so in all of them"
            }
            Self::OnlyHeld => "nobody gives what goes beyond the own access",
            Self::LastAdministrator => "the last administrator of a tenant stays one",
        }
    }

    /// The actions that it is about.
    const fn actions(self) -> &'static [&'static str] {
        match self {
            Self::OwnAccount => &["suspend", "reactivate", "delete", GIVE, TAKE],
            Self::Rank => &["change", "suspend", "reactivate", "delete", GIVE, TAKE, "invite", "revoke", "end_session"],
            Self::Tenant => {
                &["view", "sessions", "change", "suspend", "reactivate", "delete", GIVE, TAKE, "revoke", "end_session"]
            }
            Self::Family => &[
                "create",
                "import",
                "change",
                "suspend",
                "reactivate",
                "delete",
                GIVE,
                TAKE,
                "invite",
                "revoke",
                "end_session",
            ],
            Self::OnlyHeld => &[GIVE, "reactivate", "invite"],
            Self::LastAdministrator => &["suspend", "delete", TAKE],
        }
    }

    /// When it forbids.
    const fn condition(self) -> &'static str {
        match self {
            Self::OwnAccount => "resource has user && resource.user == principal",
            Self::Rank => "resource has rank && !(resource has own_rank && resource.own_rank <= resource.rank)",
            Self::Family => {
                "resource has family && !(resource has own_family && resource.own_family == resource.family)"
            }
            Self::Tenant => "resource has elsewhere && resource.elsewhere",
            Self::OnlyHeld => "!(resource has held && resource.held)",
            Self::LastAdministrator => "resource has last_administrator && resource.last_administrator",
        }
    }

    /// Whether it can mean anything in a set.
    fn applies(self, catalog: &Catalog, has_tenants: bool) -> bool {
        match self {
            Self::Rank => catalog.has_ranks(),
            Self::Family => !catalog.families.is_empty(),
            Self::Tenant => has_tenants,
            Self::OwnAccount | Self::OnlyHeld | Self::LastAdministrator => true,
        }
    }
}

/// A policy over the directory's own module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Ruling {
    pub(in crate::policy) id: &'static str,
    pub(in crate::policy) summary: &'static str,
    pub(in crate::policy) forbids: bool,
    pub(in crate::policy) actions: Vec<&'static str>,
    pub(in crate::policy) condition: &'static str,
}

/// The policies of a delegation: what was granted is permitted, and each rule in force forbids.
pub(in crate::policy) fn rulings(delegation: &Delegation, catalog: &Catalog, has_tenants: bool) -> Vec<Ruling> {
    let granted = Ruling {
        id: "delegation/granted",
        summary: "the set grants it",
        forbids: false,
        actions: actions(),
        condition: "resource has granted && resource.granted",
    };
    let rules = Rule::ALL.into_iter().filter(|rule| delegation.has(*rule) && rule.applies(catalog, has_tenants));
    let rules = rules.map(|rule| Ruling {
        id: rule.policy(),
        summary: rule.summary(),
        forbids: true,
        actions: rule.actions().to_vec(),
        condition: rule.condition(),
    });
    std::iter::once(granted).chain(rules).collect()
}

/// The actions of the directory's own module.
pub(in crate::policy) fn actions() -> Vec<&'static str> {
    let asked = Ask::ALL.into_iter().filter(|ask| *ask != Ask::Assign).map(Ask::key);
    asked.chain([GIVE, TAKE]).collect()
}

/// The attributes of its types. All are of one shape, since most of them are about a user either way.
pub(in crate::policy) fn attributes() -> Vec<(String, AttributeType)> {
    let of = |names: &[&str], ty: &AttributeType| -> Vec<(String, AttributeType)> {
        names.iter().map(|name| ((*name).to_owned(), ty.clone())).collect()
    };
    [
        vec![("user".to_owned(), AttributeType::Entity("User".to_owned()))],
        of(&["tenant", "status", "kind", "name", "family", "own_family"], &AttributeType::String),
        of(&["rank", "own_rank"], &AttributeType::Long),
        of(&["granted", "held", "elsewhere", "last_administrator"], &AttributeType::Bool),
    ]
    .concat()
}
