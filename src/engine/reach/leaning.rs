//! How a condition depends on whoever asks: on what the attributes hold, and on what was given.
//!
//! Two users may meet the same text for different reasons. Of some attributes more can only help to meet a condition, of others, such as
//! those that stand behind a negation, only less; of the rest nothing but the same is known to do.

use super::Reach;
use crate::{
    engine::{PolicyIndex, uid::Uid},
    model::Value,
};
use cedar_policy_core::ast::{BinaryOp, EntityUID, Expr, ExprKind, Literal, UnaryOp, Var};
use std::collections::BTreeMap;

/// What an attribute has to hold so that a condition is met wherever it is met with another value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lean {
    /// As much, or more.
    More,
    /// As much, or less.
    Less,
    /// The same.
    Same,
}

impl Lean {
    const fn turned(self) -> Self {
        match self {
            Self::More => Self::Less,
            Self::Less => Self::More,
            Self::Same => Self::Same,
        }
    }

    fn allows(self, other: Option<&Value<'_>>, own: Option<&Value<'_>>) -> bool {
        match self {
            Self::More => is_part(other, own),
            Self::Less => is_part(own, other),
            Self::Same => is_part(other, own) && is_part(own, other),
        }
    }
}

/// Whether one value is a part of another; nothing is a part of everything, and what is no set of itself alone.
fn is_part(part: Option<&Value<'_>>, whole: Option<&Value<'_>>) -> bool {
    match (part, whole) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(Value::Set(part)), Some(Value::Set(whole))) => part.iter().all(|item| whole.contains(item)),
        (Some(part), Some(whole)) => part == whole,
    }
}

impl Reach<'_> {
    /// Whether this user meets the condition of a policy wherever another does, as far as that depends on who asks. Attributes that are
    /// left open for either are not compared.
    ///
    /// A yes is certain; a no may only mean that it cannot be told.
    #[must_use]
    pub fn meets_what_is_met_by(&self, other: &Reach<'_>, policy: PolicyIndex) -> bool {
        let Some(cedar) = self.program.cedar(policy) else { return false };
        let Some(condition) = cedar.non_scope_constraints() else { return true };
        if self.anybody || other.anybody {
            return true;
        }
        let mut leans = BTreeMap::new();
        lean(condition, Lean::More, &mut leans);
        leans.into_iter().all(|(name, lean)| lean.allows(other.attribute(name), self.attribute(name)))
    }

    /// Whether two users stand alike for all that the condition of a policy asks of what was given to them.
    #[must_use]
    pub fn stands_like(&self, other: &Reach<'_>, policy: PolicyIndex) -> bool {
        let condition = self.program.cedar(policy).and_then(|cedar| cedar.non_scope_constraints());
        let mut parts = condition.into_iter().flat_map(Expr::subexpressions);
        parts.all(|part| match part.expr_kind() {
            ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } if names_principal(arg1) => {
                let same_way = |within: &EntityUID| self.is_in(within) == other.is_in(within);
                match (arg1.expr_kind(), arg2.expr_kind()) {
                    (ExprKind::Var(Var::Principal), ExprKind::Lit(Literal::EntityUID(uid))) => same_way(uid),
                    _ => self.standing.ancestors == other.standing.ancestors,
                }
            }
            _ => true,
        })
    }

    fn attribute(&self, name: &str) -> Option<&Value<'static>> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn is_in(&self, within: &EntityUID) -> bool {
        let uid = Uid { ty: &within.entity_type().to_string(), id: within.eid().as_ref() };
        self.program.store().uids.find(uid).is_some_and(|index| self.standing.ancestors.contains(&index))
    }
}

fn names_principal(expression: &Expr) -> bool {
    expression.subexpressions().any(|part| matches!(part.expr_kind(), ExprKind::Var(Var::Principal)))
}

/// Collects how an expression leans on the attributes of whoever asks.
fn lean<'e>(expression: &'e Expr, way: Lean, found: &mut BTreeMap<&'e str, Lean>) {
    match expression.expr_kind() {
        ExprKind::And { left, right } | ExprKind::Or { left, right } => {
            lean(left, way, found);
            lean(right, way, found);
        }
        ExprKind::If { test_expr, then_expr, else_expr } => {
            lean(test_expr, Lean::Same, found);
            lean(then_expr, way, found);
            lean(else_expr, way, found);
        }
        ExprKind::UnaryApp { op: UnaryOp::Not | UnaryOp::IsEmpty, arg } => lean(arg, way.turned(), found),
        ExprKind::UnaryApp { arg, .. } => lean(arg, Lean::Same, found),
        ExprKind::BinaryApp { op, arg1, arg2 } => {
            let (first, second) = match op {
                BinaryOp::Contains => (way, Lean::Same),
                BinaryOp::ContainsAny => (way, way),
                BinaryOp::ContainsAll => (way, way.turned()),
                BinaryOp::In => (Lean::Same, way),
                _ => (Lean::Same, Lean::Same),
            };
            lean(arg1, first, found);
            lean(arg2, second, found);
        }
        ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } => member(expr, attr, way, found),
        ExprKind::ExtHasAttr { expr, attrs } => member(expr, attrs.first(), Lean::Same, found),
        ExprKind::Like { expr, .. } | ExprKind::Is { expr, .. } => lean(expr, Lean::Same, found),
        ExprKind::Set(items) => items.iter().for_each(|item| lean(item, Lean::Same, found)),
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().for_each(|arg| lean(arg, Lean::Same, found)),
        ExprKind::Record(fields) => fields.values().for_each(|field| lean(field, Lean::Same, found)),
        _ => {}
    }
}

/// An attribute of something that may be whoever asks.
fn member<'e>(of: &'e Expr, name: &'e str, way: Lean, found: &mut BTreeMap<&'e str, Lean>) {
    let way = match of.expr_kind() {
        ExprKind::Var(Var::Principal) => way,
        ExprKind::Var(_) => return,
        _ => {
            lean(of, Lean::Same, found);
            Lean::Same
        }
    };
    found.entry(name).and_modify(|known| *known = if *known == way { way } else { Lean::Same }).or_insert(way);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_lean_on_attributes_as_their_signs_say() {
        for (text, expected) in [
            ("principal.a.contains(resource.x)", &[("a", Lean::More)][..]),
            ("principal has a && principal.a.contains(resource.x)", &[("a", Lean::More)]),
            ("!principal.a.contains(resource.x)", &[("a", Lean::Less)]),
            ("!(resource.open || principal.a.contains(resource.x))", &[("a", Lean::Less)]),
            ("principal has a && !principal.a.contains(resource.x)", &[("a", Lean::Same)]),
            ("!!principal.a.contains(resource.x)", &[("a", Lean::More)]),
            ("principal.a.isEmpty()", &[("a", Lean::Less)]),
            ("principal.a.containsAll(resource.xs)", &[("a", Lean::More)]),
            ("resource.xs.containsAll(principal.a)", &[("a", Lean::Less)]),
            ("resource.xs.containsAny(principal.a)", &[("a", Lean::More)]),
            ("resource.x == principal.a", &[("a", Lean::Same)]),
            ("resource.owner in principal.a", &[("a", Lean::More)]),
            (
                "if principal.a.contains(1) then principal.b.contains(1) else false",
                &[("a", Lean::Same), ("b", Lean::More)],
            ),
            ("resource.owner.a.contains(1)", &[("a", Lean::Same)]),
            ("[principal.a].contains(resource.x)", &[("a", Lean::Same)]),
            ("resource.owner == principal && context.open", &[]),
        ] {
            let parsed: Expr = text.parse().unwrap();
            let mut found = BTreeMap::new();
            lean(&parsed, Lean::More, &mut found);
            assert_eq!(found.into_iter().collect::<Vec<_>>(), expected, "{text}");
        }
    }

    #[test]
    fn nothing_is_a_part_of_everything_and_a_text_of_itself() {
        let set = |items: &[i64]| Value::Set(items.iter().map(|item| Value::Long(*item)).collect());
        let (one, both) = (set(&[1]), set(&[2, 1]));
        assert!(is_part(None, Some(&one)) && is_part(Some(&one), Some(&both)) && is_part(None, None));
        assert!(!is_part(Some(&both), Some(&one)) && !is_part(Some(&one), None));
        assert!(Lean::Less.allows(Some(&both), Some(&one)) && !Lean::Less.allows(Some(&one), Some(&both)));
        assert!(Lean::Same.allows(Some(&both), Some(&set(&[1, 2]))));
    }
}
