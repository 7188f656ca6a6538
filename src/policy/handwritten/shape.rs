//! Policies that Cedar's checker cannot tell apart.
//!
//! The checker looks at the types of the entities that a scope names, and not at their ids: `principal in Role::"clerk"` and
//! `principal in Role::"manager"` are one to it where the rest is the same. It does look at the ids of actions, of types whose
//! values are listed, and at letters that could be taken for others. Nor does it tell [twins](Twins) apart: what it says of a
//! policy about invoices it says of the same policy about orders. A set of many policies for many roles has few shapes.

mod twins;

use self::twins::Twins;
use super::Static;
use cedar_policy::Schema;
use cedar_policy_core::{
    ast::{
        ActionConstraint, BinaryOp, Effect, EntityReference, EntityType, EntityUID, Expr, ExprKind, Literal, Name,
        Pattern, PrincipalOrResourceConstraint, SlotId, UnaryOp, Var,
    },
    validator::{ValidatorEntityTypeKind, ValidatorSchema},
};
use rustc_hash::FxHashMap;
use smol_str::SmolStr;

/// All that the checker looks at.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'p> {
    effect: Effect,
    principal: Party<'p>,
    action: &'p ActionConstraint,
    resource: Party<'p>,
    /// The nodes of the condition, each before those under it: with the number of these, that is the whole tree.
    condition: Vec<Node<'p>>,
}

/// What a scope says about principal or resource.
#[derive(PartialEq, Eq, Hash)]
enum Party<'p> {
    Any,
    Eq(Entity<'p>),
    In(Entity<'p>),
    Is(Type<'p>),
    IsIn(Type<'p>, Entity<'p>),
}

/// An entity, as far as it matters which one it is.
#[derive(PartialEq, Eq, Hash)]
enum Entity<'p> {
    OfType(Type<'p>),
    Itself(&'p EntityUID),
    Slot,
}

/// A type, as far as it matters which one it is.
#[derive(PartialEq, Eq, Hash)]
enum Type<'p> {
    /// The so-manieth type of a family of twins that the policy names.
    Twin {
        family: usize,
        nth: usize,
    },
    Itself(&'p EntityType),
}

/// A node of a condition without those under it.
#[derive(PartialEq, Eq, Hash)]
enum Node<'p> {
    Entity(&'p EntityUID),
    EntityOfTwin(Type<'p>, &'p str),
    Literal(&'p Literal),
    Var(Var),
    Slot(SlotId),
    If,
    And,
    Or,
    Unary(UnaryOp),
    Binary(BinaryOp),
    Extension(&'p Name, usize),
    GetAttr(&'p str),
    HasAttr(&'p str),
    HasAttrs(Vec<&'p str>),
    Like(&'p Pattern),
    Is(Type<'p>),
    Set(usize),
    Record(Vec<&'p SmolStr>),
    /// Whatever else there may be, with all that is under it.
    Other(&'p Expr),
}

/// Policies in groups of one shape, in the order of the first of each.
pub(super) fn alike<'p>(policies: impl Iterator<Item = &'p Static>, schema: &Schema) -> Vec<Vec<&'p Static>> {
    let schema: &ValidatorSchema = schema.as_ref();
    let twins = Twins::of(schema);
    let mut places: FxHashMap<Shape<'_>, usize> = FxHashMap::default();
    let mut groups: Vec<Vec<&Static>> = Vec::new();
    for policy in policies {
        let next = groups.len();
        let place = *places.entry(Reader { schema, twins: &twins, named: Vec::new() }.shape(policy)).or_insert(next);
        match groups.get_mut(place) {
            Some(group) => group.push(policy),
            None => groups.push(vec![policy]),
        }
    }
    groups
}

/// Reads one policy. Twins are numbered as they come, so that a type keeps its number throughout the policy.
struct Reader<'p, 's> {
    schema: &'s ValidatorSchema,
    twins: &'s Twins<'s>,
    named: Vec<&'p EntityType>,
}

impl<'p> Reader<'p, '_> {
    fn shape(mut self, policy: &'p Static) -> Shape<'p> {
        let policy = policy.ready.policy.as_ref();
        let nodes = policy.non_scope_constraints().into_iter().flat_map(Expr::subexpressions);
        Shape {
            effect: policy.effect(),
            action: policy.template().action_constraint(),
            principal: self.party(policy.template().principal_constraint().as_inner()),
            resource: self.party(policy.template().resource_constraint().as_inner()),
            condition: nodes.map(|node| self.node(node)).collect(),
        }
    }

    fn party(&mut self, constraint: &'p PrincipalOrResourceConstraint) -> Party<'p> {
        match constraint {
            PrincipalOrResourceConstraint::Any => Party::Any,
            PrincipalOrResourceConstraint::Eq(reference) => Party::Eq(self.entity(reference)),
            PrincipalOrResourceConstraint::In(reference) => Party::In(self.entity(reference)),
            PrincipalOrResourceConstraint::Is(ty) => Party::Is(self.ty(ty)),
            PrincipalOrResourceConstraint::IsIn(ty, reference) => Party::IsIn(self.ty(ty), self.entity(reference)),
        }
    }

    fn entity(&mut self, reference: &'p EntityReference) -> Entity<'p> {
        let EntityReference::EUID(uid) = reference else { return Entity::Slot };
        let id: &str = uid.eid().as_ref();
        let kind = self.schema.get_entity_type(uid.entity_type()).map(|ty| &ty.kind);
        let is_plain = matches!(kind, Some(ValidatorEntityTypeKind::Standard(_))) && !uid.is_action() && id.is_ascii();
        if is_plain { Entity::OfType(self.ty(uid.entity_type())) } else { Entity::Itself(uid) }
    }

    fn ty(&mut self, ty: &'p EntityType) -> Type<'p> {
        let Some(family) = self.twins.family(ty) else { return Type::Itself(ty) };
        let nth = self.named.iter().position(|named| *named == ty).unwrap_or_else(|| {
            self.named.push(ty);
            self.named.len() - 1
        });
        Type::Twin { family, nth }
    }

    fn node(&mut self, node: &'p Expr) -> Node<'p> {
        match node.expr_kind() {
            ExprKind::Lit(Literal::EntityUID(uid)) => match self.ty(uid.entity_type()) {
                Type::Itself(_) => Node::Entity(uid),
                twin @ Type::Twin { .. } => Node::EntityOfTwin(twin, uid.eid().as_ref()),
            },
            ExprKind::Lit(literal) => Node::Literal(literal),
            ExprKind::Var(var) => Node::Var(*var),
            ExprKind::Slot(slot) => Node::Slot(*slot),
            ExprKind::If { .. } => Node::If,
            ExprKind::And { .. } => Node::And,
            ExprKind::Or { .. } => Node::Or,
            ExprKind::UnaryApp { op, .. } => Node::Unary(*op),
            ExprKind::BinaryApp { op, .. } => Node::Binary(*op),
            ExprKind::ExtensionFunctionApp { fn_name, args } => Node::Extension(fn_name, args.len()),
            ExprKind::GetAttr { attr, .. } => Node::GetAttr(attr),
            ExprKind::HasAttr { attr, .. } => Node::HasAttr(attr),
            ExprKind::ExtHasAttr { attrs, .. } => Node::HasAttrs(attrs.iter().map(SmolStr::as_str).collect()),
            ExprKind::Like { pattern, .. } => Node::Like(pattern),
            ExprKind::Is { entity_type, .. } => Node::Is(self.ty(entity_type)),
            ExprKind::Set(elements) => Node::Set(elements.len()),
            ExprKind::Record(members) => Node::Record(members.keys().collect()),
            ExprKind::Unknown(_) => Node::Other(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        document::Diagnostic,
        policy::{Files, Options, compile},
    };

    /// What is found in each of some policies.
    fn found_in(schema: &str, policies: &[&str]) -> Vec<Vec<Diagnostic>> {
        let files =
            vec![("a.cedar".to_owned(), policies.join("\n")), ("schema.cedarschema".to_owned(), schema.to_owned())];
        let problems = compile(&Files::from_parts("set", files).unwrap(), &Options::default()).unwrap_err();
        let of = |line| problems.iter().filter(|problem| problem.line() == Some(line)).cloned().collect();
        (1..).take(policies.len()).map(of).collect()
    }

    /// Each of these is wrong in a way that the checker must see although another policy looks much like it.
    #[test]
    fn whatever_is_wrong_is_found_in_each_policy_however_alike_they_are() {
        let schema = "entity User; entity Team; entity Colour enum [\"red\", \"blue\"]; entity Doc in [Folder] { owner?: User, colour?: Colour };\n\
            entity Folder in [Colour];\n\
            action view, edit appliesTo { principal: User, resource: Doc };\n";
        let cases: &[(&str, bool)] = &[
            ("permit (principal == User::\"a\", action == Action::\"view\", resource);", true),
            ("permit (principal == User::\"b\", action == Action::\"view\", resource);", true),
            // No such action, beside a policy that is alike but for it.
            ("permit (principal == User::\"b\", action == Action::\"viewing\", resource);", false),
            // Wrong for each principal.
            ("permit (principal == User::\"a\", action, resource) when { resource.owner == principal };", false),
            ("permit (principal == User::\"b\", action, resource) when { resource.owner == principal };", false),
            ("permit (principal, action, resource) when { resource.owner == principal };", false),
            (
                "permit (principal == User::\"b\", action, resource) when { resource has owner && resource.owner == principal };",
                true,
            ),
            // A value that is listed, and one that is not.
            ("permit (principal, action, resource in Colour::\"red\");", true),
            ("permit (principal, action, resource in Colour::\"green\");", false),
            ("permit (principal, action, resource in Colour::\"blue\");", true),
            // A Cyrillic letter among Latin ones.
            ("permit (principal == User::\"anna\", action == Action::\"edit\", resource);", true),
            ("permit (principal == User::\"аnna\", action == Action::\"edit\", resource);", false),
            // Nobody is a team.
            ("permit (principal == Team::\"a\", action, resource);", false),
            ("permit (principal == Team::\"b\", action, resource);", false),
            ("forbid (principal is User, action, resource is Doc);", true),
            ("forbid (principal is Team, action, resource is Doc);", false),
        ];
        let found = found_in(schema, &cases.iter().map(|(policy, _)| *policy).collect::<Vec<_>>());
        for ((policy, is_sound), found) in cases.iter().zip(found) {
            assert_eq!(found.is_empty(), *is_sound, "{policy}: {found:?}");
        }
    }

    /// `Invoice` and `Order` are twins; `Note` has other attributes, `Letter` another action, and a `Stamp` is what a letter has.
    #[test]
    fn what_is_said_of_twins_is_found_for_each_of_them_and_no_other_type_is_one() {
        let schema = "entity User; entity Invoice, Order, Draft { owner?: User, total: Long };
entity Note { owner?: User };
\
            entity Letter { owner?: User, total: Long }; entity Stamp { owner?: User, total: Long };
\
            entity Envelope { stamp: Stamp };
\
            action view appliesTo { principal: User, resource: [Invoice, Order, Draft, Note, Stamp, Envelope] };
\
            action send appliesTo { principal: User, resource: Letter };
";
        let about = |ty: &str, condition: &str| {
            format!("permit (principal, action, resource) when {{ resource is {ty} && {condition} }};")
        };
        let total = "resource.total > 1";
        let owner = "resource.owner == principal";
        let twice = |one: &str, other: &str| about(one, &format!("[{one}::\"a\", {other}::\"b\"].contains(resource)"));
        let cases = [
            (about("Invoice", total), true),
            (about("Order", total), true),
            (about("Note", total), false),
            (about("Letter", total), true),
            (about("Stamp", total), true),
            (about("Invoice", owner), false),
            (about("Order", owner), false),
            // The second type is the first one again, or another one: a set of two types is none.
            (twice("Invoice", "Invoice"), true),
            (twice("Order", "Order"), true),
            (twice("Invoice", "Order"), false),
            (twice("Order", "Draft"), false),
            // An attribute that has the name of a type is an attribute.
            (about("Order", "resource has Order"), false),
            (about("Invoice", "context has Order"), false),
            ("permit (principal, action == Action::\"send\", resource is Letter);".to_owned(), true),
            ("permit (principal, action == Action::\"send\", resource is Order);".to_owned(), false),
            ("permit (principal, action == Action::\"send\", resource is Invoice);".to_owned(), false),
        ];
        let found = found_in(schema, &cases.iter().map(|(policy, _)| policy.as_str()).collect::<Vec<_>>());
        for ((policy, is_sound), found) in cases.iter().zip(found) {
            assert_eq!(found.is_empty(), *is_sound, "{policy}: {found:?}");
        }
    }

    /// A group is checked by its first policy; many policies are checked on several threads.
    #[test]
    fn among_thousands_of_policies_each_that_is_wrong_is_found() {
        let schema =
            "entity User; entity Doc { owner?: User };\naction view appliesTo { principal: User, resource: Doc };\n";
        let policy = |number: usize| match number % 10 {
            7 => format!(
                "permit (principal == User::\"u{number}\", action, resource) when {{ resource.owner == principal }};\n"
            ),
            _ => format!(
                "permit (principal == User::\"u{number}\", action, resource) when {{ {number} == {number} }};\n"
            ),
        };
        let text: String = (0..1_000).map(policy).collect();
        let files = vec![("a.cedar".to_owned(), text), ("schema.cedarschema".to_owned(), schema.to_owned())];
        let problems = compile(&Files::from_parts("set", files).unwrap(), &Options::default()).unwrap_err();
        let lines: Vec<_> = problems
            .iter()
            .filter(|problem| problem.code() == "cedar-validation")
            .filter_map(Diagnostic::line)
            .collect();
        assert_eq!(lines, (0..1_000).filter(|n| n % 10 == 7).map(|n| n + 1).collect::<Vec<u32>>());
    }
}
