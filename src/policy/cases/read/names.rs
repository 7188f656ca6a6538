//! The names that tests may use.

use super::{File, Frame};
use crate::{
    document::hint,
    engine::Vocabulary,
    model::{ReasonCode, User},
    policy::{Catalog, catalog::Module, section::Named},
};
use std::collections::{BTreeMap, BTreeSet};

/// The names that a test may use. A test of a name that does not exist has to say so by its reason.
pub(super) struct Known<'k> {
    users: BTreeSet<&'k str>,
    /// Resource types and modules, with the module that they mean.
    targets: BTreeMap<&'k str, &'k Module>,
    actions: BTreeSet<&'k str>,
    tenants: Option<BTreeSet<&'k str>>,
    pub(super) catalog: &'k Catalog,
}

impl<'k> Known<'k> {
    pub(super) fn new(users: impl Iterator<Item = &'k User>, catalog: &'k Catalog, vocabulary: &'k Vocabulary) -> Self {
        let own = catalog.compiled_modules().map(|module| (module.id.as_str(), module));
        let types = catalog
            .compiled_modules()
            .flat_map(|module| module.resource_types.iter().map(move |ty| (ty.as_str(), module)));
        Self {
            users: users.map(|user| user.id.as_str()).collect(),
            targets: own.chain(types).collect(),
            actions: vocabulary.actions.iter().map(String::as_str).collect(),
            tenants: vocabulary.tenants.as_ref().map(|tenants| tenants.iter().map(String::as_str).collect()),
            catalog,
        }
    }

    /// The module that a resource type or module id means.
    pub(super) fn module(&self, ty: &str) -> Option<&'k Module> {
        self.targets.get(ty).copied()
    }
}

impl File<'_> {
    /// Reports users and tenants that do not exist, unless the test is about that.
    pub(super) fn check_who(&mut self, users: &[Named], frame: &Frame, reason: Option<ReasonCode>) {
        let Some(known) = self.known else { return };
        if reason != Some(ReasonCode::UserUnknown) {
            for user in users {
                self.one_of("user", "unknown-user", user, &known.users);
            }
        }
        if let (Some(tenant), Some(tenants)) = (&frame.tenant, &known.tenants)
            && reason != Some(ReasonCode::TenantUnknown)
        {
            self.one_of("tenant", "unknown-tenant", tenant, tenants);
        }
    }

    pub(super) fn check_actions(&mut self, actions: &[Named]) {
        let Some(known) = self.known else { return };
        for action in actions {
            self.one_of("action", "unknown-action", action, &known.actions);
        }
    }

    pub(super) fn check_type(&mut self, ty: &Named) {
        let Some(known) = self.known else { return };
        let all = known.targets.keys().copied().collect();
        self.one_of("resource type or module", "unknown-type", ty, &all);
    }

    pub(super) fn one_of(&mut self, noun: &str, code: &'static str, name: &Named, all: &BTreeSet<&str>) {
        self.among(code, name, all, format!("no {noun} `{}`", name.name));
    }

    /// Reports a name that is not among those that there are.
    pub(super) fn among(&mut self, code: &'static str, name: &Named, all: &BTreeSet<&str>, message: String) {
        if !all.contains(name.name.as_str()) {
            let help = hint(&name.name, all.iter().copied());
            self.problems.push(name.at.error(code, message).with_help(help));
        }
    }
}
