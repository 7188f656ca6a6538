//! The menu of a user, and what each hidden item lacks.

use super::{
    MenuItem,
    access::{ModuleAccess, Overview, Unknown},
};
use crate::{
    engine::BoundUser,
    model::{AssignmentKind, Timestamp},
};
use serde::Serialize;

/// The menu of a user, in the order of the file.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Menu<'s> {
    /// Its items.
    pub items: Vec<Item<'s>>,
}

/// One item of a menu.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Item<'s> {
    /// Its id.
    pub id: &'s str,
    /// Whether the user sees it.
    pub visible: bool,
    /// What the user lacks: `gate:backoffice`, `module:pricing`, or one of `user:invited`, `user:suspended`, `user:expired`,
    /// `session:missing`, `tenant:missing` and `tenant:mismatch` where the user may not act at all.
    pub missing: Vec<String>,
}

impl<'s> Overview<'s> {
    /// The menu of a user in a tenant, at a time.
    ///
    /// An item shows where its gate is open and some action is allowed in each of its modules, always or under conditions.
    ///
    /// # Errors
    /// Fails where the set has no menu or does not know the tenant.
    pub fn menu(&self, user: &'s BoundUser, tenant: Option<&'s str>, time: Timestamp) -> Result<Menu<'s>, Unknown> {
        let (tenant, refused) = self.standing(user, tenant, time)?;
        let catalog = &self.snapshot.catalog;
        if catalog.menu.is_empty() {
            return Err(Unknown::Menu(self.snapshot.name.clone()));
        }
        if let Some(refused) = refused {
            let code = refused.code.as_str();
            let missing = ["user", "tenant", "session"].iter().find_map(|kind| {
                let what = code.strip_prefix(kind)?.strip_prefix('_')?;
                Some(format!("{kind}:{what}"))
            });
            let missing = missing.unwrap_or_else(|| code.to_owned());
            let items = catalog.menu.iter();
            let items = items.map(|item| Item { id: &item.id, visible: false, missing: vec![missing.clone()] });
            return Ok(Menu { items: items.collect() });
        }
        let modules = self.modules(user, tenant, time);
        let given = user.user().assignments(tenant, time);
        let gates = given.filter(|given| given.kind == AssignmentKind::Gate);
        let open: Vec<&str> = gates.map(|given| given.name.as_str()).collect();
        let items = catalog.menu.iter().map(|item| {
            let missing = missing(item, &modules, &open);
            Item { id: &item.id, visible: missing.is_empty(), missing }
        });
        Ok(Menu { items: items.collect() })
    }
}

/// What is missing for an item: its gate, the gates in front of its modules, and the modules without any grant.
fn missing(item: &MenuItem, modules: &[ModuleAccess<'_>], open: &[&str]) -> Vec<String> {
    let mut missing = Vec::new();
    let gate = item.gate.as_deref().filter(|gate| !open.contains(gate));
    missing.extend(gate.map(|gate| format!("gate:{gate}")));
    let of = |id: &String| modules.iter().find(|module| module.id == *id);
    for module in item.modules.iter().filter_map(of) {
        // The item's own gate may be one that opens the module, too.
        let opened = item.gate.as_deref().is_some_and(|gate| module.closed_gates.contains(&gate));
        let closed = module.closed_gates.first().filter(|_| !opened).map(|gate| format!("gate:{gate}"));
        missing.extend(closed.filter(|gate| !missing.contains(gate)).into_iter().collect::<Vec<_>>());
    }
    let lacking = item.modules.iter().filter(|id| !of(id).is_some_and(|module| module.held));
    missing.extend(lacking.map(|id| format!("module:{id}")));
    missing
}
