//! Conditions with what is not known left open.
//!
//! Known are the user, the action, the tenant and where the resource stands; unknown are the resource's id and
//! attributes and the rest of the context. Whatever depends on known things alone is evaluated as a decision would.

use crate::engine::{Program, evaluate::Evaluator, expression::Node, open, question::Question};
use cedar_policy_core::ast::BinaryOp;

/// The entity types whose members are known although the resource is not.
const PLACES: [&str; 2] = ["Module", "Area"];

/// Evaluates conditions as far as they can be.
#[derive(Debug)]
pub(super) struct Partial<'p> {
    evaluator: Evaluator<'p>,
    /// Whether the resource's type is known.
    typed: bool,
    /// Whether of the user no more is known than what was given: neither id nor attributes.
    anybody: bool,
}

impl<'p> Partial<'p> {
    pub(super) fn new(program: &'p Program, question: &'p Question<'p>, typed: bool, anybody: bool) -> Self {
        Self { evaluator: Evaluator { question, store: program.store() }, typed, anybody }
    }

    /// Whether the condition holds whatever the unknown is; `None` where that depends.
    pub(super) fn truth(&self, node: &'p Node, forbids: bool) -> Option<bool> {
        open::truth(self.evaluator, node, forbids, &|node| self.is_known(node))
    }

    /// Whether the value of a node depends on known things alone.
    fn is_known(&self, node: &Node) -> bool {
        match node {
            Node::Bool(_) | Node::Long(_) | Node::Text(_) | Node::Entity(_) | Node::Constants(_) | Node::Action => true,
            Node::Principal => !self.anybody,
            Node::Resource | Node::Context => false,
            Node::Attribute(of, name) => self.is_known(of) || is_tenant(of, name),
            Node::Has(of, path) => match path.as_slice() {
                [name] => self.is_known(of) || is_tenant(of, name),
                _ => self.is_known(of),
            },
            Node::Is(of, _) => {
                self.is_known(of) || matches!(**of, Node::Principal) || self.typed && matches!(**of, Node::Resource)
            }
            Node::Binary(BinaryOp::In, args) => {
                let [of, within] = args.as_ref();
                let placed = match of {
                    // What was given is known of anybody.
                    Node::Principal => true,
                    Node::Resource => are_places(within),
                    of => self.is_known(of),
                };
                placed && self.is_known(within)
            }
            Node::Binary(_, args) | Node::And(args) | Node::Or(args) => args.iter().all(|arg| self.is_known(arg)),
            Node::If(args) => args.iter().all(|arg| self.is_known(arg)),
            Node::Set(items) => items.iter().all(|item| self.is_known(item)),
            Node::Not(of) | Node::Negate(of) | Node::IsEmpty(of) | Node::Like(of, _) => self.is_known(of),
        }
    }
}

fn is_tenant(of: &Node, name: &str) -> bool {
    matches!(of, Node::Context) && name == "tenant"
}

/// Whether a node names modules and areas only, of which it is known whether the resource is in them.
fn are_places(node: &Node) -> bool {
    match node {
        Node::Entity(entity) => PLACES.contains(&&*entity.ty),
        Node::Constants(values) => values.iter().all(|value| match value {
            crate::model::Value::Entity { ty, .. } => PLACES.contains(&ty.as_ref()),
            _ => false,
        }),
        Node::Set(items) => items.iter().all(are_places),
        _ => false,
    }
}
