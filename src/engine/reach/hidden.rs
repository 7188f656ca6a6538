//! Policies that name one resource, or the module as such: parts of modules do not show them.
//!
//! For a report they do not matter much. Whoever asks whether one standing reaches all that another does must not miss any.

use crate::engine::{
    Dialect, ModuleIndex, PolicyIndex, Program,
    store::Store,
    subject::{Standing, USER_TYPE},
    uid::{Uid, UidIndex},
};
use cedar_policy_core::ast::{
    ActionConstraint, Effect, EntityReference, EntityType, EntityUID, Policy,
    PrincipalOrResourceConstraint as Constraint,
};

/// The policies of a program that parts do not show.
#[derive(Debug)]
pub struct Hidden(Vec<Single>);

#[derive(Debug)]
struct Single {
    policy: PolicyIndex,
    forbids: bool,
    module: ModuleIndex,
}

impl Hidden {
    /// Looks through a program; none in a policy set of plain Cedar.
    #[must_use]
    pub fn of(program: &Program) -> Self {
        let Dialect::Declared(vocabulary) = program.dialect() else { return Self(Vec::new()) };
        let named = |uid: &EntityUID| {
            let (ty, id): (String, &str) = (uid.entity_type().to_string(), uid.eid().as_ref());
            let module = match ty.as_str() {
                "Module" => id,
                "Area" => id.rsplit_once('/').map_or(id, |(module, _)| module),
                ty => return vocabulary.resource_types.iter().find(|known| known.name == ty).map(|known| known.module),
            };
            vocabulary.modules.iter().position(|known| known.id == module)
        };
        let modules = |policy: &Policy| -> Vec<ModuleIndex> {
            match policy.resource_constraint().as_inner() {
                Constraint::Eq(EntityReference::EUID(uid)) => named(uid).into_iter().collect(),
                Constraint::In(EntityReference::EUID(uid)) | Constraint::IsIn(_, EntityReference::EUID(uid))
                    if !is_place(uid.entity_type()) =>
                {
                    named(uid).into_iter().collect()
                }
                Constraint::IsIn(ty, EntityReference::EUID(uid)) if is_place(ty) => named(uid).into_iter().collect(),
                Constraint::Is(ty) if is_place(ty) => (0..vocabulary.modules.len()).collect(),
                _ => Vec::new(),
            }
        };
        let all = (0..).zip(program.policies()).filter_map(|(index, _)| Some((index, program.cedar(index)?)));
        let singles = all.flat_map(|(policy, cedar)| {
            let forbids = cedar.effect() == Effect::Forbid;
            modules(cedar).into_iter().map(move |module| Single { policy, forbids, module })
        });
        Self(singles.collect())
    }

    /// Those about an action in a module that fit whoever stands so, each with whether it forbids.
    pub(super) fn fitting<'h>(
        &'h self,
        program: &'h Program,
        module: ModuleIndex,
        action: &'h str,
        (user, standing): (&'h str, &'h Standing),
    ) -> impl Iterator<Item = (PolicyIndex, bool)> + 'h {
        let of_module = self.0.iter().filter(move |single| single.module == module);
        let fitting = of_module.filter(move |single| {
            program
                .cedar(single.policy)
                .is_some_and(|policy| is_about(policy, action) && is_for(policy, program.store(), user, standing))
        });
        fitting.map(|single| (single.policy, single.forbids))
    }
}

/// Modules and areas contain resources; everything else contains itself alone.
fn is_place(ty: &EntityType) -> bool {
    matches!(ty.to_string().as_str(), "Module" | "Area")
}

fn is_about(policy: &Policy, action: &str) -> bool {
    let is = |uid: &EntityUID| AsRef::<str>::as_ref(uid.eid()) == action;
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => is(uid),
        ActionConstraint::In(uids) => uids.iter().any(|uid| is(uid)),
    }
}

fn is_for(policy: &Policy, store: &Store, user: &str, standing: &Standing) -> bool {
    let number = |uid: &EntityUID| -> Option<UidIndex> {
        store.uids.find(Uid { ty: &uid.entity_type().to_string(), id: uid.eid().as_ref() })
    };
    let own = |uid: &EntityUID| uid.entity_type().to_string() == USER_TYPE && AsRef::<str>::as_ref(uid.eid()) == user;
    let within = |reference: &EntityReference| match reference {
        EntityReference::EUID(uid) => {
            own(uid) || number(uid).is_some_and(|number| standing.ancestors.contains(&number))
        }
        EntityReference::Slot(_) => true,
    };
    match policy.principal_constraint().as_inner() {
        Constraint::Any | Constraint::Eq(EntityReference::Slot(_)) => true,
        Constraint::Eq(EntityReference::EUID(uid)) => own(uid),
        Constraint::In(reference) => within(reference),
        Constraint::Is(ty) => ty.to_string() == USER_TYPE,
        Constraint::IsIn(ty, reference) => ty.to_string() == USER_TYPE && within(reference),
    }
}
