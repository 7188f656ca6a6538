//! Evaluates compiled conditions, without allocation and with Cedar's meaning.
//!
//! Promise: a value that comes out is the value that Cedar gives. Whatever Cedar would call an error, and whatever is
//! not covered here, is [`Bail`]: Cedar evaluates the policy then, so that errors carry Cedar's own text.

use super::{
    expression::Node,
    question::{Fields, Question, Typed, TypedValue},
    shortfall::value_text,
    store::Store,
    uid::{Uid, UidIndex},
    vocabulary::AttributeType,
};
use crate::model::{Attributes, Value};
use cedar_policy_core::ast::BinaryOp;
use smallvec::SmallVec;

/// Cedar has to evaluate this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bail;

type Result<T> = std::result::Result<T, Bail>;

/// A value during evaluation.
#[derive(Debug, Clone, Copy)]
enum Val<'v> {
    Bool(bool),
    Long(i64),
    Text(&'v str),
    Entity(Uid<'v>),
    Set(Items<'v>),
    Context,
    Record(&'v Attributes<'v>, Option<&'v [(String, AttributeType)]>),
}

#[derive(Debug, Clone, Copy)]
struct Items<'v> {
    values: &'v [Value<'v>],
    ty: Option<&'v AttributeType>,
}

/// The elements of a set operand, evaluated.
type Elements<'v> = SmallVec<[Val<'v>; 8]>;

/// Evaluates conditions for one question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evaluator<'v> {
    pub(super) question: &'v Question<'v>,
    pub(super) store: &'v Store,
}

impl<'v> Evaluator<'v> {
    /// Whether the condition holds.
    pub(super) fn holds(self, node: &'v Node) -> Result<bool> {
        match self.eval(node)? {
            Val::Bool(b) => Ok(b),
            _ => Err(Bail),
        }
    }

    /// The value of a node as a person would say it; `None` where it has none.
    pub(super) fn show(self, node: &'v Node) -> Option<String> {
        Some(match self.eval(node).ok()? {
            Val::Bool(value) => value.to_string(),
            Val::Long(value) => value.to_string(),
            Val::Text(text) => text.to_owned(),
            Val::Entity(uid) => uid.id.to_owned(),
            Val::Set(items) => {
                let items: Vec<_> = items.values.iter().map(value_text).collect();
                format!("[{}]", items.join(", "))
            }
            Val::Context | Val::Record(..) => return None,
        })
    }

    fn eval(self, node: &'v Node) -> Result<Val<'v>> {
        Ok(match node {
            Node::Bool(b) => Val::Bool(*b),
            Node::Long(n) => Val::Long(*n),
            Node::Text(text) => Val::Text(text),
            Node::Entity(entity) => Val::Entity(entity.uid()),
            Node::Constants(values) => Val::Set(Items { values, ty: None }),
            Node::Set(_) => return Err(Bail),
            Node::Principal => Val::Entity(self.question.principal.uid),
            Node::Action => Val::Entity(self.question.action),
            Node::Resource => Val::Entity(self.question.resource.uid),
            Node::Context => Val::Context,
            Node::If(parts) => {
                let [test, then, otherwise] = parts.as_ref();
                self.eval(if self.holds(test)? { then } else { otherwise })?
            }
            Node::And(parts) => {
                let [left, right] = parts.as_ref();
                Val::Bool(self.holds(left)? && self.holds(right)?)
            }
            Node::Or(parts) => {
                let [left, right] = parts.as_ref();
                Val::Bool(self.holds(left)? || self.holds(right)?)
            }
            Node::Not(arg) => Val::Bool(!self.holds(arg)?),
            Node::Negate(arg) => Val::Long(self.long(arg)?.checked_neg().ok_or(Bail)?),
            Node::IsEmpty(arg) => Val::Bool(self.elements(arg)?.is_empty()),
            Node::Binary(op, args) => {
                let [left, right] = args.as_ref();
                self.binary(*op, left, right)?
            }
            Node::Attribute(of, name) => {
                let of = self.eval(of)?;
                read(self.field(of, name)?.ok_or(Bail)?)?
            }
            Node::Has(of, path) => Val::Bool(self.has(of, path)?),
            Node::Like(text, pattern) => Val::Bool(pattern.fits(self.text(text)?)),
            Node::Is(of, ty) => Val::Bool(self.entity(of)?.ty == ty.as_ref()),
        })
    }

    fn binary(self, op: BinaryOp, left: &'v Node, right: &'v Node) -> Result<Val<'v>> {
        Ok(match op {
            BinaryOp::Eq => Val::Bool(self.equal_nodes(left, right)?),
            BinaryOp::Less => Val::Bool(self.long(left)? < self.long(right)?),
            BinaryOp::LessEq => Val::Bool(self.long(left)? <= self.long(right)?),
            BinaryOp::Add => Val::Long(self.long(left)?.checked_add(self.long(right)?).ok_or(Bail)?),
            BinaryOp::Sub => Val::Long(self.long(left)?.checked_sub(self.long(right)?).ok_or(Bail)?),
            BinaryOp::Mul => Val::Long(self.long(left)?.checked_mul(self.long(right)?).ok_or(Bail)?),
            BinaryOp::In => Val::Bool(self.is_in(left, right)?),
            BinaryOp::Contains => {
                let set = self.elements(left)?;
                let sought = self.eval(right)?;
                Val::Bool(contains(&set, sought)?)
            }
            BinaryOp::ContainsAll => {
                let (set, sought) = (self.elements(left)?, self.elements(right)?);
                Val::Bool(subset(&sought, &set)?)
            }
            BinaryOp::ContainsAny => {
                let (set, sought) = (self.elements(left)?, self.elements(right)?);
                let mut any = false;
                for &item in &sought {
                    any |= contains(&set, item)?;
                }
                Val::Bool(any)
            }
            BinaryOp::GetTag => {
                let (uid, tag) = (self.entity(left)?, self.text(right)?);
                let tag = self.question.stored(self.store, uid).and_then(|stored| stored.tag(tag));
                read(Typed::given(tag.ok_or(Bail)?, None))?
            }
            BinaryOp::HasTag => {
                let (uid, tag) = (self.entity(left)?, self.text(right)?);
                Val::Bool(self.question.stored(self.store, uid).is_some_and(|stored| stored.tag(tag).is_some()))
            }
        })
    }

    fn equal_nodes(self, left: &'v Node, right: &'v Node) -> Result<bool> {
        if matches!(left, Node::Set(_)) || matches!(right, Node::Set(_)) {
            return Err(Bail);
        }
        equal(self.eval(left)?, self.eval(right)?)
    }

    fn is_in(self, left: &'v Node, right: &'v Node) -> Result<bool> {
        let uid = self.entity(left)?;
        match right {
            // The usual case: the number of the target is known.
            Node::Entity(target) => Ok(uid == target.uid() || self.descends(uid, target.index)),
            Node::Constants(_) | Node::Set(_) => self.is_in_any(uid, &self.elements(right)?),
            _ => match self.eval(right)? {
                Val::Entity(target) => Ok(self.reaches(uid, target)),
                Val::Set(items) => self.is_in_any(uid, &elements_of(items)?),
                _ => Err(Bail),
            },
        }
    }

    fn is_in_any(self, uid: Uid<'_>, targets: &[Val<'_>]) -> Result<bool> {
        let mut found = false;
        // No short cut: an element that is no entity is an error wherever it stands.
        for target in targets {
            let Val::Entity(target) = *target else { return Err(Bail) };
            found = found || self.reaches(uid, target);
        }
        Ok(found)
    }

    // Cedar's own `is_ancestor_of` is false for an entity and itself; `in` is not. Equality comes first.
    fn reaches(self, uid: Uid<'_>, target: Uid<'_>) -> bool {
        uid == target || self.store.uids.find(target).is_some_and(|target| self.descends(uid, target))
    }

    fn descends(self, uid: Uid<'_>, target: UidIndex) -> bool {
        self.question.ancestors(self.store, uid).binary_search(&target).is_ok()
    }

    fn has(self, of: &'v Node, path: &[Box<str>]) -> Result<bool> {
        let mut current = self.eval(of)?;
        let mut names = path.iter().peekable();
        while let Some(name) = names.next() {
            let Some(field) = self.field(current, name)? else { return Ok(false) };
            if names.peek().is_some() {
                current = read(field)?;
            }
        }
        Ok(true)
    }

    /// The field of an entity or a record; `None` where it has none of this name.
    fn field(self, of: Val<'v>, name: &str) -> Result<Option<Typed<'v>>> {
        match of {
            Val::Entity(uid) => Ok(self.question.attribute(self.store, uid, name)),
            Val::Context => Ok(self.question.context.get(name)),
            Val::Record(given, declared) => Ok(Fields { given, declared, ..Fields::EMPTY }.get(name)),
            _ => Err(Bail),
        }
    }

    fn long(self, node: &'v Node) -> Result<i64> {
        match self.eval(node)? {
            Val::Long(n) => Ok(n),
            _ => Err(Bail),
        }
    }

    fn text(self, node: &'v Node) -> Result<&'v str> {
        match self.eval(node)? {
            Val::Text(text) => Ok(text),
            _ => Err(Bail),
        }
    }

    fn entity(self, node: &'v Node) -> Result<Uid<'v>> {
        match self.eval(node)? {
            Val::Entity(uid) => Ok(uid),
            _ => Err(Bail),
        }
    }

    fn elements(self, node: &'v Node) -> Result<Elements<'v>> {
        match node {
            Node::Set(nodes) => nodes.iter().map(|node| self.eval(node)).collect(),
            _ => match self.eval(node)? {
                Val::Set(items) => elements_of(items),
                _ => Err(Bail),
            },
        }
    }
}

fn elements_of(items: Items<'_>) -> Result<Elements<'_>> {
    items.values.iter().map(|value| read(Typed::given(value, items.ty))).collect()
}

/// A given or stored value, read as its declared type says.
fn read(typed: Typed<'_>) -> Result<Val<'_>> {
    let value = match typed.value {
        TypedValue::Text(text) => return Ok(Val::Text(text)),
        TypedValue::Given(value) => value,
    };
    match (value, typed.ty) {
        (Value::String(id), Some(AttributeType::Entity(ty))) => Ok(Val::Entity(Uid { ty, id })),
        (Value::String(_), Some(AttributeType::Extension(_)))
        | (Value::Extension { .. } | Value::Unrepresentable(_), _) => Err(Bail),
        (Value::String(text), _) => Ok(Val::Text(text)),
        (Value::Bool(b), _) => Ok(Val::Bool(*b)),
        (Value::Long(n), _) => Ok(Val::Long(*n)),
        (Value::Entity { ty, id }, _) => Ok(Val::Entity(Uid { ty, id })),
        (Value::Set(values), Some(AttributeType::Set(ty))) => Ok(Val::Set(Items { values, ty: Some(ty) })),
        (Value::Set(values), _) => Ok(Val::Set(Items { values, ty: None })),
        (Value::Record(given), Some(AttributeType::Record(declared))) => Ok(Val::Record(given, Some(declared))),
        (Value::Record(given), _) => Ok(Val::Record(given, None)),
    }
}

fn equal(left: Val<'_>, right: Val<'_>) -> Result<bool> {
    Ok(match (left, right) {
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Long(a), Val::Long(b)) => a == b,
        (Val::Text(a), Val::Text(b)) => a == b,
        (Val::Entity(a), Val::Entity(b)) => a == b,
        // Sets of sets and records are rare; Cedar compares them.
        (Val::Set(_) | Val::Record(..) | Val::Context, _) | (_, Val::Set(_) | Val::Record(..) | Val::Context) => {
            return Err(Bail);
        }
        _ => false,
    })
}

fn contains(set: &[Val<'_>], sought: Val<'_>) -> Result<bool> {
    let mut found = false;
    for &item in set {
        found |= equal(item, sought)?;
    }
    Ok(found)
}

fn subset(inner: &[Val<'_>], outer: &[Val<'_>]) -> Result<bool> {
    let mut all = true;
    for &item in inner {
        all &= contains(outer, item)?;
    }
    Ok(all)
}
