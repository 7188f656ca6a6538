//! Conditions in a form that is quick to evaluate.
//!
//! Covers what back-office policies consist of. [`compile`] gives up on the rest (extension functions, records built in
//! a condition): such a condition is evaluated by Cedar itself.

use super::{
    store::Store,
    uid::{Uid, UidIndex},
};
use crate::model::Value;
use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, Pattern, PatternElem, UnaryOp, Var};

/// A condition.
#[derive(Debug)]
pub(super) enum Node {
    Bool(bool),
    Long(i64),
    Text(Box<str>),
    Entity(EntityLiteral),
    /// A set all of whose elements are literals.
    Constants(Vec<Value<'static>>),
    /// Any other set.
    Set(Vec<Node>),
    Principal,
    Action,
    Resource,
    Context,
    If(Box<[Node; 3]>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Not(Box<Node>),
    Negate(Box<Node>),
    IsEmpty(Box<Node>),
    Binary(BinaryOp, Box<[Node; 2]>),
    Attribute(Box<Node>, Box<str>),
    Has(Box<Node>, Vec<Box<str>>),
    Like(Box<Node>, Wildcards),
    Is(Box<Node>, Box<str>),
}

/// An entity named in a condition.
#[derive(Debug)]
pub(super) struct EntityLiteral {
    pub(super) ty: Box<str>,
    pub(super) id: Box<str>,
    pub(super) index: UidIndex,
}

impl EntityLiteral {
    pub(super) fn uid(&self) -> Uid<'_> {
        Uid { ty: &self.ty, id: &self.id }
    }
}

/// The pattern of a `like`: literal texts with a `*` between each two.
#[derive(Debug)]
pub(super) struct Wildcards {
    first: Box<str>,
    // After the first `*`; `None` where there is none.
    rest: Option<(Vec<Box<str>>, Box<str>)>,
}

impl Wildcards {
    fn new(pattern: &Pattern) -> Self {
        let mut parts = vec![String::new()];
        for element in pattern.iter() {
            match (element, parts.last_mut()) {
                (PatternElem::Char(c), Some(part)) => part.push(*c),
                _ => parts.push(String::new()),
            }
        }
        let mut parts = parts.into_iter().map(String::into_boxed_str);
        let first = parts.next().unwrap_or_default();
        let mut middle: Vec<_> = parts.collect();
        let rest = middle.pop().map(|last| (middle, last));
        Self { first, rest }
    }

    /// Whether the whole text fits. `*` stands for any text, so each literal may be taken where it first occurs.
    pub(super) fn fits(&self, text: &str) -> bool {
        let Some((middle, last)) = &self.rest else { return text == self.first.as_ref() };
        let Some(mut text) = text.strip_prefix(self.first.as_ref()) else { return false };
        for part in middle {
            match text.split_once(part.as_ref()) {
                Some((_, after)) => text = after,
                None => return false,
            }
        }
        text.ends_with(last.as_ref())
    }
}

// Deeper conditions are left to Cedar, which watches its own stack.
const DEEPEST: usize = 200;

/// Compiles a condition; `None` where it is for Cedar to evaluate.
pub(super) fn compile(expression: &Expr, store: &mut Store) -> Option<Node> {
    Compiler { store }.node(expression, 0)
}

struct Compiler<'s> {
    store: &'s mut Store,
}

impl Compiler<'_> {
    fn node(&mut self, expression: &Expr, depth: usize) -> Option<Node> {
        if depth > DEEPEST {
            return None;
        }
        let mut child = |expression: &Expr| self.node(expression, depth + 1);
        Some(match expression.expr_kind() {
            ExprKind::Lit(literal) => self.literal(literal),
            ExprKind::Var(Var::Principal) => Node::Principal,
            ExprKind::Var(Var::Action) => Node::Action,
            ExprKind::Var(Var::Resource) => Node::Resource,
            ExprKind::Var(Var::Context) => Node::Context,
            ExprKind::If { test_expr, then_expr, else_expr } => {
                Node::If(Box::new([child(test_expr)?, child(then_expr)?, child(else_expr)?]))
            }
            ExprKind::And { left, right } => Node::And(Box::new([child(left)?, child(right)?])),
            ExprKind::Or { left, right } => Node::Or(Box::new([child(left)?, child(right)?])),
            ExprKind::UnaryApp { op, arg } => {
                let arg = Box::new(child(arg)?);
                match op {
                    UnaryOp::Not => Node::Not(arg),
                    UnaryOp::Neg => Node::Negate(arg),
                    UnaryOp::IsEmpty => Node::IsEmpty(arg),
                }
            }
            ExprKind::BinaryApp { op, arg1, arg2 } => Node::Binary(*op, Box::new([child(arg1)?, child(arg2)?])),
            ExprKind::GetAttr { expr, attr } => Node::Attribute(Box::new(child(expr)?), attr.as_str().into()),
            ExprKind::HasAttr { expr, attr } => Node::Has(Box::new(child(expr)?), vec![attr.as_str().into()]),
            ExprKind::ExtHasAttr { expr, attrs } => {
                Node::Has(Box::new(child(expr)?), attrs.iter().map(|attr| attr.as_str().into()).collect())
            }
            ExprKind::Like { expr, pattern } => Node::Like(Box::new(child(expr)?), Wildcards::new(pattern)),
            ExprKind::Is { expr, entity_type } => Node::Is(Box::new(child(expr)?), entity_type.to_string().into()),
            ExprKind::Set(items) => self.set(items, depth)?,
            _ => return None,
        })
    }

    fn literal(&mut self, literal: &Literal) -> Node {
        match literal {
            Literal::Bool(b) => Node::Bool(*b),
            Literal::Long(n) => Node::Long(*n),
            Literal::String(text) => Node::Text(text.as_str().into()),
            Literal::EntityUID(uid) => {
                let id: &str = uid.eid().as_ref();
                Node::Entity(EntityLiteral {
                    ty: uid.entity_type().to_string().into(),
                    id: id.into(),
                    index: self.store.uids.intern(uid),
                })
            }
        }
    }

    fn set(&mut self, items: &[Expr], depth: usize) -> Option<Node> {
        let nodes: Vec<_> = items.iter().map(|item| self.node(item, depth + 1)).collect::<Option<_>>()?;
        let constants: Option<Vec<_>> = nodes.iter().map(constant).collect();
        Some(constants.map_or(Node::Set(nodes), Node::Constants))
    }
}

fn constant(node: &Node) -> Option<Value<'static>> {
    Some(match node {
        Node::Bool(b) => Value::Bool(*b),
        Node::Long(n) => Value::Long(*n),
        Node::Text(text) => Value::String(text.to_string().into()),
        Node::Entity(entity) => Value::Entity { ty: entity.ty.to_string().into(), id: entity.id.to_string().into() },
        _ => return None,
    })
}
