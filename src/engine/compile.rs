//! From Cedar's policies to the engine's: scope into the index, condition into its quick form.

use super::{
    PolicyIndex,
    expression::{self, Node},
    index::{Constraint, Entry, Index, IndexBuilder, Rule, Scope},
    store::Store,
    uid::UidIndex,
};
use cedar_policy_core::ast::{
    self, ActionConstraint, Effect, EntityReference, Expr, ExprKind, Literal, PrincipalOrResourceConstraint, Var,
};
use rustc_hash::{FxHashMap, FxHashSet};

/// What remains to be asked once the scope fits.
#[derive(Debug)]
pub(super) enum Condition {
    /// Nothing.
    Holds,
    /// The quick form.
    Quick(Node),
    /// Cedar.
    Cedar,
}

/// The members of the context that policies look at.
#[derive(Debug)]
pub(super) enum ContextMembers {
    All,
    Named(FxHashSet<String>),
}

impl ContextMembers {
    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

/// Everything that is made from the policies.
#[derive(Debug)]
pub(super) struct Output {
    /// The policies in Cedar's form, for errors and for what the quick form does not cover.
    pub(super) policies: Vec<ast::Policy>,
    pub(super) conditions: Vec<Condition>,
    pub(super) index: Index,
    pub(super) literals: Vec<UidIndex>,
    pub(super) context_members: ContextMembers,
}

/// Compiles all policies, in order.
pub(super) fn policies<'p>(policies: impl Iterator<Item = &'p ast::Policy>, store: &mut Store) -> Output {
    let groups = members_of_groups(store);
    let mut index = IndexBuilder::default();
    let mut conditions = Conditions::default();
    let mut own = Vec::new();
    for (ordinal, policy) in (0..).zip(policies) {
        let ordinal: PolicyIndex = ordinal;
        let (scope, exact) = scope(policy, &groups, store);
        let condition = if exact { conditions.place(policy.non_scope_constraints(), store) } else { CEDAR };
        let rule = Rule { forbids: policy.effect() == Effect::Forbid, condition };
        index.insert(Entry { policy: ordinal, rule }, &scope);
        own.push(policy.clone());
    }
    Output {
        policies: own,
        conditions: conditions.compiled,
        index: index.finish(),
        literals: conditions.survey.literals.into_iter().collect(),
        context_members: ContextMembers::from(conditions.survey.context),
    }
}

/// The place of [`Condition::Holds`].
const HOLDS: u32 = 0;
/// The place of [`Condition::Cedar`].
const CEDAR: u32 = 1;

/// The conditions of all policies, each kept once: a thousand cells that say `when: own-clients` share one, which stays
/// in the processor's cache.
struct Conditions<'p> {
    compiled: Vec<Condition>,
    places: FxHashMap<&'p Expr, u32>,
    survey: Survey,
}

impl Default for Conditions<'_> {
    fn default() -> Self {
        let compiled = vec![Condition::Holds, Condition::Cedar];
        Self { compiled, places: FxHashMap::default(), survey: Survey::default() }
    }
}

impl<'p> Conditions<'p> {
    fn place(&mut self, condition: Option<&'p Expr>, store: &mut Store) -> u32 {
        let Some(condition) = condition else { return HOLDS };
        if let Some(&place) = self.places.get(condition) {
            return place;
        }
        self.survey.visit(condition, store);
        let place = expression::compile(condition, store).map_or(CEDAR, |node| {
            self.compiled.push(Condition::Quick(node));
            u32::try_from(self.compiled.len() - 1).unwrap_or(CEDAR)
        });
        self.places.insert(condition, place);
        place
    }
}

/// For every action group the actions in it.
fn members_of_groups(store: &Store) -> FxHashMap<UidIndex, Vec<UidIndex>> {
    let mut groups: FxHashMap<UidIndex, Vec<UidIndex>> = FxHashMap::default();
    for (index, stored) in store.iter().filter(|(_, stored)| stored.cedar.uid().is_action()) {
        for &group in &stored.ancestors {
            groups.entry(group).or_default().push(index);
        }
    }
    groups
}

/// Where a policy is filed, and whether that says all that its scope says.
fn scope(policy: &ast::Policy, groups: &FxHashMap<UidIndex, Vec<UidIndex>>, store: &mut Store) -> (Scope, bool) {
    let actions = match policy.action_constraint() {
        ActionConstraint::Any => None,
        ActionConstraint::Eq(uid) => Some(vec![store.uids.intern(uid)]),
        ActionConstraint::In(uids) => {
            let mut actions = Vec::new();
            for uid in uids {
                let group = store.uids.intern(uid);
                actions.push(group);
                actions.extend(groups.get(&group).into_iter().flatten());
            }
            Some(actions)
        }
    };
    let principal = constraint(policy.principal_constraint().as_inner(), store);
    let resource = constraint(policy.resource_constraint().as_inner(), store);
    let exact = principal.is_some() && resource.is_some();
    let [principal, resource] = [principal, resource].map(|constraint| constraint.unwrap_or(Constraint::Any));
    (Scope { principal, actions, resource }, exact)
}

/// `None` for a slot that is not filled. A set holds static and linked policies only, so there is none; were there one,
/// the policy would be a candidate for everything and Cedar would evaluate it whole.
fn constraint(constraint: &PrincipalOrResourceConstraint, store: &mut Store) -> Option<Constraint> {
    Some(match constraint {
        PrincipalOrResourceConstraint::Any => Constraint::Any,
        PrincipalOrResourceConstraint::Eq(uid) => Constraint::Eq(reference(uid, store)?),
        PrincipalOrResourceConstraint::In(uid) => Constraint::In(reference(uid, store)?),
        PrincipalOrResourceConstraint::Is(ty) => Constraint::Is(store.uids.intern_type(ty)),
        PrincipalOrResourceConstraint::IsIn(ty, uid) => {
            Constraint::IsIn(store.uids.intern_type(ty), reference(uid, store)?)
        }
    })
}

fn reference(to: &EntityReference, store: &mut Store) -> Option<UidIndex> {
    match to {
        EntityReference::EUID(uid) => Some(store.uids.intern(uid)),
        EntityReference::Slot(_) => None,
    }
}

impl From<Option<FxHashSet<String>>> for ContextMembers {
    fn from(names: Option<FxHashSet<String>>) -> Self {
        names.map_or(Self::All, Self::Named)
    }
}

/// What the conditions of all policies refer to.
struct Survey {
    literals: FxHashSet<UidIndex>,
    // `None` once a policy looks at all of it.
    context: Option<FxHashSet<String>>,
}

impl Default for Survey {
    fn default() -> Self {
        Self { literals: FxHashSet::default(), context: Some(FxHashSet::default()) }
    }
}

impl Survey {
    fn visit(&mut self, condition: &Expr, store: &mut Store) {
        let mut projected = FxHashSet::default();
        for part in condition.subexpressions() {
            match part.expr_kind() {
                ExprKind::Lit(Literal::EntityUID(uid)) => {
                    self.literals.insert(store.uids.intern(uid));
                }
                ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } => {
                    self.project(expr, attr, &mut projected);
                }
                ExprKind::ExtHasAttr { expr, attrs } => self.project(expr, attrs.first(), &mut projected),
                // The context as a whole: whoever looks at all of it asks for all of it.
                ExprKind::Var(Var::Context) if !projected.contains(&std::ptr::from_ref(part)) => {
                    self.context = None;
                }
                _ => {}
            }
        }
    }

    fn project(&mut self, of: &Expr, member: &str, projected: &mut FxHashSet<*const Expr>) {
        if matches!(of.expr_kind(), ExprKind::Var(Var::Context)) {
            projected.insert(std::ptr::from_ref(of));
            if let Some(names) = &mut self.context {
                names.insert(member.to_owned());
            }
        }
    }
}
