//! What policies look at, as their texts tell: the roles and grants that they are for, and whether they tell one resource from another.

use super::{
    PolicyIndex, Program,
    uid::{Uid, UidIndex},
};
use crate::model::AssignmentKind;
use cedar_policy_core::ast::{
    BinaryOp, EntityReference, EntityUID, Expr, ExprKind, Literal, Policy, PrincipalOrResourceConstraint as Constraint,
    Var,
};

/// The policies that something given to a user bears on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bearing {
    /// Those that are for its holders, by their scopes: where one of them decides for a holder, it was used.
    pub policies: Vec<PolicyIndex>,
    /// Whether conditions of policies ask for it too. Nobody can tell from a decision what they have found.
    pub is_asked_for: bool,
}

impl Program {
    /// The policies that a role, a grant or a gate bears on, with what it includes.
    #[must_use]
    pub fn bearing(&self, kind: AssignmentKind, name: &str) -> Bearing {
        let store = self.store();
        let Some(own) = store.uids.find(Uid { ty: kind.entity_type(), id: name }) else { return Bearing::default() };
        let above = store.at(own).map_or(&[][..], |stored| &stored.ancestors);
        let number = |uid: &EntityUID| -> Option<UidIndex> {
            store.uids.find(Uid { ty: &uid.entity_type().to_string(), id: uid.eid().as_ref() })
        };
        let is_it = |uid: &EntityUID| number(uid).is_some_and(|number| number == own || above.contains(&number));
        let mut bearing = Bearing::default();
        for index in (0..).take(self.policies().len()) {
            let Some(policy) = self.cedar(index) else { continue };
            if is_for(policy, &is_it) {
                bearing.policies.push(index);
            }
            bearing.is_asked_for |= asks_for(policy, &is_it);
        }
        bearing
    }
}

impl Program {
    /// Whether a policy may say something else of one resource of a type than of another whose attributes are equal but for this one, by
    /// which they are told apart, or looks at which one it is. A no is certain.
    #[must_use]
    pub fn tells_resources_apart(&self, policy: PolicyIndex, ty: &str, name: &str) -> bool {
        let Some(policy) = self.cedar(policy) else { return true };
        let scope = match policy.resource_constraint().as_inner() {
            Constraint::Any | Constraint::Is(_) => false,
            Constraint::Eq(within) | Constraint::In(within) | Constraint::IsIn(_, within) => match within {
                EntityReference::EUID(uid) => uid.entity_type().to_string() == ty,
                EntityReference::Slot(_) => true,
            },
        };
        scope || policy.non_scope_constraints().is_some_and(|condition| names_resource(condition, ty, name))
    }
}

/// Whether an expression looks at the resource other than by its other attributes, its type and where it stands.
fn names_resource(expression: &Expr, ty: &str, name: &str) -> bool {
    let inside = |part: &Expr| names_resource(part, ty, name);
    let is_resource = |part: &Expr| matches!(part.expr_kind(), ExprKind::Var(Var::Resource));
    match expression.expr_kind() {
        ExprKind::Lit(Literal::EntityUID(uid)) => uid.entity_type().to_string() == ty,
        ExprKind::Lit(_) | ExprKind::Slot(_) => false,
        ExprKind::Var(var) => *var == Var::Resource,
        ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } if is_resource(expr) => attr == name,
        ExprKind::ExtHasAttr { expr, attrs } if is_resource(expr) => attrs.first() == name,
        ExprKind::GetAttr { expr, .. }
        | ExprKind::HasAttr { expr, .. }
        | ExprKind::ExtHasAttr { expr, .. }
        | ExprKind::Like { expr, .. } => inside(expr),
        ExprKind::Is { expr, .. } => !is_resource(expr) && inside(expr),
        ExprKind::BinaryApp { op: BinaryOp::In, arg1, arg2 } => (!is_resource(arg1) && inside(arg1)) || inside(arg2),
        ExprKind::BinaryApp { arg1, arg2, .. } => inside(arg1) || inside(arg2),
        ExprKind::And { left, right } | ExprKind::Or { left, right } => inside(left) || inside(right),
        ExprKind::If { test_expr, then_expr, else_expr } => {
            [test_expr, then_expr, else_expr].iter().any(|part| inside(part))
        }
        ExprKind::UnaryApp { arg, .. } => inside(arg),
        ExprKind::ExtensionFunctionApp { args, .. } => args.iter().any(inside),
        ExprKind::Set(items) => items.iter().any(inside),
        ExprKind::Record(fields) => fields.values().any(inside),
        ExprKind::Unknown(_) => true,
    }
}

fn is_for(policy: &Policy, is_it: &dyn Fn(&EntityUID) -> bool) -> bool {
    match policy.principal_constraint().as_inner() {
        Constraint::In(EntityReference::EUID(uid)) | Constraint::IsIn(_, EntityReference::EUID(uid)) => is_it(uid),
        _ => false,
    }
}

fn asks_for(policy: &Policy, is_it: &dyn Fn(&EntityUID) -> bool) -> bool {
    let mut parts = policy.non_scope_constraints().into_iter().flat_map(cedar_policy_core::ast::Expr::subexpressions);
    parts.any(|part| matches!(part.expr_kind(), ExprKind::Lit(Literal::EntityUID(uid)) if is_it(uid)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_looks_at_which_resource_it_is_is_told() {
        for (text, expected) in [
            ("resource has rank && resource.rank > 2 && resource.family == principal.family", false),
            ("resource is t && resource in Module::\"m\" && resource.status like \"a*\"", false),
            ("principal in Role::\"r\" && context.open", false),
            ("resource has user && resource.user == principal", true),
            ("resource == principal.boss", true),
            ("[resource].contains(principal.boss)", true),
            ("principal.team.contains(resource)", true),
            ("principal.boss == t::\"x\"", true),
            ("resource in [t::\"x\"]", true),
            ("if resource.open then false else resource.user == principal", true),
        ] {
            let parsed: Expr = text.parse().unwrap();
            assert_eq!(names_resource(&parsed, "t", "user"), expected, "{text}");
        }
    }
}
