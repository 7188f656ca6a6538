//! The menu as a user sees it, with what is missing for each hidden item.

use super::{Module, Snapshot};
use crate::{
    engine::{self, BoundUser, ConditionResult, Subject},
    model::{AssignmentKind, ReasonCode, Request, Resource, Timestamp, User},
};
use std::collections::{BTreeMap, BTreeSet};

/// An item of the menu as one user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuEntry {
    /// Its id.
    pub id: String,
    /// What is missing to see it: `gate:backoffice`, `module:pricing`, or `user:suspended` where the user may not act at all.
    pub missing: Vec<String>,
}

impl MenuEntry {
    /// Whether the user sees it.
    #[must_use]
    pub const fn visible(&self) -> bool {
        self.missing.is_empty()
    }
}

/// The menu of a user, saved or not, in the order of the files.
///
/// A module counts as granted where some policy permits some action on it or on an area of it, if only under a condition: what
/// the condition says of single resources is asked when they are. Gates are looked at for themselves.
///
/// # Errors
/// Fails with the reason where the tenant is unknown, or missing.
pub fn menu(
    snapshot: &Snapshot,
    user: &User,
    tenant: Option<&str>,
    at: Timestamp,
) -> Result<Vec<MenuEntry>, ReasonCode> {
    let bound = BoundUser::new(&snapshot.program, user);
    let eye = Eye { snapshot, user: &bound, tenant, at };
    let needed: BTreeSet<&str> =
        snapshot.catalog.menu.iter().flat_map(|item| &item.modules).map(String::as_str).collect();
    let mut granted = BTreeMap::new();
    let mut in_tenant = tenant.map(str::to_owned);
    let mut locked_out = None;
    // The first module is asked for where no item needs any, to find out about the user.
    let asked = snapshot.catalog.modules.iter().enumerate();
    let asked = asked.filter(|(place, module)| *place == 0 || needed.contains(module.id.as_str()));
    for (_, module) in asked {
        let look = eye.look(module);
        match look.code {
            ReasonCode::TenantMissing | ReasonCode::TenantUnknown => return Err(look.code),
            ReasonCode::UserInvited | ReasonCode::UserSuspended | ReasonCode::UserExpired => {
                locked_out = Some(look.code.as_str().replacen("user_", "user:", 1));
            }
            _ => {}
        }
        in_tenant = look.tenant;
        granted.insert(module.id.as_str(), look.granted);
    }
    let open: BTreeSet<&str> = user
        .assignments(in_tenant.as_deref(), at)
        .filter(|given| given.kind == AssignmentKind::Gate)
        .map(|given| given.name.as_str())
        .collect();
    let entries = snapshot.catalog.menu.iter().map(|item| {
        let gate = item.gate.iter().filter(|gate| !open.contains(gate.as_str())).map(|gate| format!("gate:{gate}"));
        let modules = item.modules.iter().filter(|module| granted.get(module.as_str()) != Some(&true));
        let missing = gate.chain(modules.map(|module| format!("module:{module}")));
        let missing = locked_out.as_ref().map_or_else(|| missing.collect(), |why| vec![why.clone()]);
        MenuEntry { id: item.id.clone(), missing }
    });
    Ok(entries.collect())
}

/// Looks at modules for one user.
struct Eye<'e> {
    snapshot: &'e Snapshot,
    user: &'e BoundUser,
    tenant: Option<&'e str>,
    at: Timestamp,
}

/// What was seen of a module.
struct Look {
    granted: bool,
    code: ReasonCode,
    tenant: Option<String>,
}

impl Eye<'_> {
    fn look(&self, module: &Module) -> Look {
        let mut seen = Look { granted: false, code: ReasonCode::NotGranted, tenant: None };
        let whole = std::iter::once("");
        for area in whole.chain(module.areas.iter().map(String::as_str)) {
            for action in &module.actions {
                let request = Request {
                    action,
                    resource: Resource { ty: &module.id, id: area, attributes: &[] },
                    tenant: self.tenant,
                    context: &[],
                    subject_attributes: &[],
                    time: self.at,
                };
                let explanation = engine::explain(&self.snapshot.program, Subject::User(self.user), &request);
                let permits = explanation.considered.iter().filter(|considered| !considered.forbids);
                let counts = |result: &ConditionResult| !matches!(result, ConditionResult::Errored(_));
                seen.granted |= permits.into_iter().any(|considered| counts(&considered.result));
                seen.code = explanation.outcome.code;
                seen.tenant = explanation.outcome.tenant.map(str::to_owned);
                if seen.granted {
                    return seen;
                }
            }
        }
        seen
    }
}
