//! Who may be asked about at all, and what there is to ask about: the index read backwards, for search.

use super::{
    BoundUser, Dialect, PolicyIndex, Program, Tenancy, bind,
    compile::Condition,
    evaluate::Evaluator,
    expression::Node,
    index::{Entry, Key, Place},
    open,
    question::{Fields, Party, Question},
    subject::USER_TYPE,
    uid::Uid,
};
use crate::model::Request;
use cedar_policy_core::ast::BinaryOp;
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;

/// The users whom some permit could allow a request. Whoever is not among them is denied it; whoever is may be.
#[derive(Debug)]
pub struct Prospects {
    keys: FxHashSet<Key>,
}

impl Prospects {
    /// Looks up which keys of users lead to a permit for the request. A permit whose condition is false whoever asks leads to
    /// none: it is evaluated here, once for all.
    #[must_use]
    pub fn of(program: &Program, request: &Request<'_>) -> Self {
        let found = Self::look(program, request);
        Self { keys: found.unwrap_or_default() }
    }

    /// Nothing where the request is refused before any policy is asked.
    fn look(program: &Program, request: &Request<'_>) -> Option<FxHashSet<Key>> {
        let Dialect::Declared(vocabulary) = program.dialect() else { return None };
        let target = program.names().target(request.resource.ty)?;
        let action_index = program.names().action(request.action).ok()?;
        let (resource, keys) = bind::resource(program, vocabulary, target, request).ok()?;
        let nobody = Uid { ty: USER_TYPE, id: "" };
        let principal = Party { uid: nobody, index: None, ancestors: &[], overlay: Fields::EMPTY, declared: true };
        let action = Uid { ty: "Action", id: request.action };
        let context = bind::context(vocabulary, request.tenant, request);
        let question = Question { principal, action, action_index, resource, context };
        let anybody = Anybody {
            evaluator: Evaluator { question: &question, store: program.store() },
            // Otherwise it is that of whoever asks.
            tenant: request.tenant.is_some() || vocabulary.tenancy == Tenancy::None,
        };
        let may_hold = |entry: &Entry| match program.condition(entry.rule.condition) {
            Some(Condition::Quick(node)) => anybody.truth(node) != Some(false),
            _ => true,
        };
        Some(program.index().permitted_principals(action_index, &keys, may_hold))
    }

    /// Whether a user is among them, in whatever tenant and at whatever time.
    #[must_use]
    pub fn include(&self, user: &BoundUser) -> bool {
        !self.keys.is_empty()
            && user.standings().any(|standing| standing.keys.iter().any(|key| self.keys.contains(key)))
    }
}

/// Evaluates the conditions of permits as far as they do not depend on who asks.
struct Anybody<'q> {
    evaluator: Evaluator<'q>,
    /// Whether the tenant is known.
    tenant: bool,
}

impl<'q> Anybody<'q> {
    fn truth(&self, node: &'q Node) -> Option<bool> {
        open::truth(self.evaluator, node, false, &|node| self.is_known(node))
    }

    /// Whether a node has the same value whoever asks. Attributes and roles of an entity that may be the user are not known, so
    /// only those of the resource itself are.
    fn is_known(&self, node: &Node) -> bool {
        match node {
            Node::Bool(_)
            | Node::Long(_)
            | Node::Text(_)
            | Node::Entity(_)
            | Node::Constants(_)
            | Node::Action
            | Node::Resource => true,
            Node::Principal | Node::Context | Node::Binary(BinaryOp::GetTag | BinaryOp::HasTag, _) => false,
            Node::Attribute(of, name) => self.is_member_known(of, name),
            Node::Has(of, path) => matches!(path.as_slice(), [name] if self.is_member_known(of, name)),
            Node::Binary(BinaryOp::In, args) => {
                let [of, within] = args.as_ref();
                matches!(of, Node::Resource | Node::Action) && self.is_known(within)
            }
            Node::Binary(_, args) | Node::And(args) | Node::Or(args) => args.iter().all(|arg| self.is_known(arg)),
            Node::If(args) => args.iter().all(|arg| self.is_known(arg)),
            Node::Set(items) => items.iter().all(|item| self.is_known(item)),
            Node::Is(of, _) | Node::Not(of) | Node::Negate(of) | Node::IsEmpty(of) | Node::Like(of, _) => {
                self.is_known(of)
            }
        }
    }

    fn is_member_known(&self, of: &Node, name: &str) -> bool {
        match of {
            Node::Resource => true,
            Node::Context => self.tenant || name != "tenant",
            _ => false,
        }
    }
}

/// The entities of one type, such as roles, in which somebody has to be so that the scope of some permit fits the request,
/// whatever else that permit asks. Sorted.
#[must_use]
pub fn groups_permitted(program: &Program, request: &Request<'_>, ty: &str) -> Vec<String> {
    let (store, index) = (program.store(), program.index());
    let Some(target) = program.names().target(request.resource.ty) else { return Vec::new() };
    let Ok(action) = program.names().action(request.action) else { return Vec::new() };
    let resource = target.locate(request.resource.ty, request.resource.id, store, index);
    let keys = index.permitted_principals(action, &resource.keys, |_| true);
    let groups = index.principals.groups(&keys).filter_map(|uid| store.uids.get(uid));
    let of_type = groups.filter(|uid| uid.entity_type().to_string() == ty);
    let ids = of_type.map(|uid| {
        let id: &str = uid.eid().as_ref();
        id.to_owned()
    });
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The permits that fit what a request is about, whoever asks, in policy order.
#[must_use]
pub fn permits_for(program: &Program, request: &Request<'_>) -> Vec<PolicyIndex> {
    let (store, index) = (program.store(), program.index());
    let mut found = match program.dialect() {
        Dialect::Declared(_) => {
            let Some(target) = program.names().target(request.resource.ty) else { return Vec::new() };
            let Ok(action) = program.names().action(request.action) else { return Vec::new() };
            let resource = target.locate(request.resource.ty, request.resource.id, store, index);
            index.permits(action, &resource.keys)
        }
        Dialect::PlainCedar { .. } => {
            let uid = Uid { ty: request.resource.ty, id: request.resource.id };
            let own = store.uids.find(uid);
            let ancestors = own.and_then(|own| store.at(own)).map_or(&[][..], |stored| &stored.ancestors);
            let place = Place { ty: store.uids.find_type(uid.ty), own, ancestors };
            let (_, action) = program.names().plain_action(request.action, store);
            index.permits(action, &index.resources.keys_of(place))
        }
    };
    found.sort_unstable();
    found.dedup();
    found
}

impl Program {
    /// The actions that can be asked about, each as a request names it: the declared ones in their order, or those that a
    /// set of plain Cedar knows, sorted. Groups of actions are none.
    #[must_use]
    pub fn actions(&self) -> Vec<&str> {
        match self.dialect() {
            Dialect::Declared(vocabulary) => vocabulary.actions.iter().map(String::as_str).collect(),
            Dialect::PlainCedar { .. } => self.plain_actions(),
        }
    }

    fn plain_actions(&self) -> Vec<&str> {
        let store = self.store();
        let groups: FxHashSet<_> = store
            .iter()
            .filter(|(_, stored)| stored.cedar.uid().is_action())
            .flat_map(|(_, stored)| stored.ancestors.iter().copied())
            .collect();
        let single = (0..).zip(store.uids.iter()).filter(|(index, uid)| uid.is_action() && !groups.contains(index));
        let qualified = self.names().qualified_actions().filter(|name| !name.starts_with("Action::"));
        let simple = single.filter_map(|(_, uid)| {
            let id: &str = uid.eid().as_ref();
            (uid.entity_type().to_string() == "Action").then_some(id)
        });
        let is_single = |name: &&str| {
            let (uid, index) = self.names().plain_action(name, store);
            uid.ty != "Action" && index.is_none_or(|index| !groups.contains(&index))
        };
        let mut names: Vec<_> = simple.chain(qualified.filter(is_single)).collect();
        names.sort_unstable();
        names
    }

    /// The ids of all entities of a type that the program knows, sorted: stored ones, and those that policies name.
    #[must_use]
    pub fn entities_of(&self, ty: &str) -> &[Box<str>] {
        self.store().uids.sorted(ty)
    }

    /// The areas of the module that a resource type or module id stands for, as ids of its resources, sorted.
    #[must_use]
    pub fn areas_of(&self, ty: &str) -> Vec<&str> {
        let mut areas: Vec<_> = self.names().target(ty).into_iter().flat_map(super::names::Target::areas).collect();
        areas.sort_unstable();
        areas
    }
}
