//! Whether the condition of one policy lets through no more than that of another, as far as their texts tell.
//!
//! A yes is certain; a no may only mean that it cannot be told.

use super::{PolicyIndex, Program};
use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, UnaryOp, Var};

/// Whether whoever meets the condition of `narrow` meets that of `wide`, both standing before the same resource.
///
/// Conditions that look at what the user was given are not compared: two users may meet the same text for different reasons.
#[must_use]
pub fn implies(program: &Program, narrow: PolicyIndex, wide: PolicyIndex) -> bool {
    let condition = |policy| program.cedar(policy).map(|policy| policy.non_scope_constraints());
    match (condition(narrow), condition(wide)) {
        (Some(_), Some(None)) => true,
        (Some(Some(narrow)), Some(Some(wide))) => !looks_at_standing(narrow) && follows(narrow, wide),
        _ => false,
    }
}

/// Whether a condition asks what the user was given.
fn looks_at_standing(condition: &Expr) -> bool {
    condition.subexpressions().any(|part| match part.expr_kind() {
        ExprKind::BinaryApp { op: BinaryOp::In, arg1, .. } => {
            arg1.subexpressions().any(|of| matches!(of.expr_kind(), ExprKind::Var(Var::Principal)))
        }
        _ => false,
    })
}

/// Whether `wide` is true where `narrow` is: equal parts, parts of a conjunction, and narrower bounds.
fn follows(narrow: &Expr, wide: &Expr) -> bool {
    if narrow.eq_shape(wide) {
        return true;
    }
    match (narrow.expr_kind(), wide.expr_kind()) {
        (_, ExprKind::And { left, right }) => follows(narrow, left) && follows(narrow, right),
        (ExprKind::And { left, right }, _) => follows(left, wide) || follows(right, wide),
        // Both get as far as the right side for the same requests, so an error on the left is one of both.
        (ExprKind::Or { left, right }, ExprKind::Or { left: wide_left, right: wide_right }) => {
            left.eq_shape(wide_left) && follows(right, wide_right)
        }
        _ => match (Bound::of(narrow), Bound::of(wide)) {
            (Some(narrow), Some(wide)) => narrow.is_within(&wide),
            _ => false,
        },
    }
}

/// A comparison with a number: at least, or at most.
struct Bound<'e> {
    of: &'e Expr,
    at_least: bool,
    limit: i128,
}

impl<'e> Bound<'e> {
    fn of(expression: &'e Expr) -> Option<Self> {
        match expression.expr_kind() {
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } => Self::of(arg).map(Self::turned),
            _ => Self::compared(expression),
        }
    }

    fn compared(expression: &'e Expr) -> Option<Self> {
        let ExprKind::BinaryApp { op, arg1, arg2 } = expression.expr_kind() else { return None };
        let strict = match op {
            BinaryOp::Less => 1,
            BinaryOp::LessEq => 0,
            _ => return None,
        };
        match (number(arg1), number(arg2)) {
            (None, Some(limit)) => Some(Self { of: arg1, at_least: false, limit: limit - strict }),
            (Some(limit), None) => Some(Self { of: arg2, at_least: true, limit: limit + strict }),
            _ => None,
        }
    }

    /// What its negation says.
    fn turned(self) -> Self {
        let limit = if self.at_least { self.limit - 1 } else { self.limit + 1 };
        Self { at_least: !self.at_least, limit, ..self }
    }

    fn is_within(&self, wide: &Self) -> bool {
        let closer = if self.at_least { self.limit >= wide.limit } else { self.limit <= wide.limit };
        self.at_least == wide.at_least && closer && self.of.eq_shape(wide.of)
    }
}

fn number(expression: &Expr) -> Option<i128> {
    match expression.expr_kind() {
        ExprKind::Lit(Literal::Long(number)) => Some(i128::from(*number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(narrow: &str, wide: &str, expected: bool) {
        let [one, other]: [Expr; 2] = [narrow.parse().unwrap(), wide.parse().unwrap()];
        assert_eq!(follows(&one, &other), expected, "{narrow} => {wide}");
    }

    #[test]
    fn what_lets_through_less_follows() {
        for (narrow, wide) in [
            ("resource.a == 1", "resource.a == 1"),
            ("resource has a && resource.a == 1", "resource.a == 1"),
            ("resource has a && resource.a == 1 && principal has b", "principal has b && resource has a"),
            ("resource.rank >= 3", "resource.rank >= 1"),
            ("resource.rank > 2", "resource.rank >= 3"),
            ("resource.rank >= 3", "resource.rank > 2"),
            ("resource.total <= 100", "resource.total < 101"),
            ("!(resource.total > 100)", "resource.total <= 100"),
            ("3 <= resource.rank", "resource.rank >= 2"),
            (
                "resource is Module || (resource has rank && resource.family == \"f\" && resource.rank >= 3)",
                "resource is Module || (resource has rank && resource.family == \"f\" && resource.rank >= 3)",
            ),
            ("resource is M || (resource has rank && resource.rank >= 3)", "resource is M || resource.rank >= 0"),
        ] {
            check(narrow, wide, true);
        }
    }

    #[test]
    fn what_may_let_through_more_does_not() {
        for (narrow, wide) in [
            ("resource.a == 1", "resource.a == 2"),
            ("resource.rank >= 1", "resource.rank >= 3"),
            ("resource.rank >= 3", "resource.rank <= 1"),
            ("resource.rank >= 3", "resource.other >= 1"),
            ("resource.rank == 3", "resource.rank != 1"),
            ("resource.a == 1", "resource has a && resource.a == 1"),
            ("resource.a || resource.b", "resource.b || resource.a"),
            ("if resource.a then resource.rank >= 3 else true", "if resource.a then resource.rank >= 1 else true"),
        ] {
            check(narrow, wide, false);
        }
    }

    #[test]
    fn what_was_given_to_the_user_is_not_compared() {
        let text = |of: &str| of.parse::<Expr>().unwrap();
        assert!(looks_at_standing(&text("principal in Role::\"auditor\" && resource.open")));
        assert!(!looks_at_standing(&text("resource.owner == principal && resource in Module::\"m\"")));
    }
}
