//! Policies that Cedar's checker cannot tell apart.
//!
//! The checker looks at the types of the entities that a scope names, and not at their ids: `principal in Role::"clerk"` and
//! `principal in Role::"manager"` are one to it where the rest is the same. It does look at the ids of actions, of types whose
//! values are listed, and at letters that could be taken for others. A set of many policies for many roles has few shapes.

use super::Static;
use cedar_policy::Schema;
use cedar_policy_core::{
    ast::{ActionConstraint, Effect, EntityReference, EntityType, EntityUID, Expr, PrincipalOrResourceConstraint},
    validator::{ValidatorEntityTypeKind, ValidatorSchema},
};
use rustc_hash::FxHashMap;

/// All that the checker looks at.
#[derive(PartialEq, Eq, Hash)]
struct Shape<'p> {
    effect: Effect,
    principal: Party,
    action: &'p ActionConstraint,
    resource: Party,
    condition: Option<&'p Expr>,
}

/// What a scope says about principal or resource.
#[derive(PartialEq, Eq, Hash)]
enum Party {
    Any,
    Eq(Entity),
    In(Entity),
    Is(EntityType),
    IsIn(EntityType, Entity),
}

/// An entity, as far as it matters which one it is.
#[derive(PartialEq, Eq, Hash)]
enum Entity {
    OfType(EntityType),
    Itself(EntityUID),
    Slot,
}

/// Policies in groups of one shape, in the order of the first of each.
pub(super) fn alike<'p>(policies: impl Iterator<Item = &'p Static>, schema: &Schema) -> Vec<Vec<&'p Static>> {
    let schema: &ValidatorSchema = schema.as_ref();
    let mut places: FxHashMap<Shape<'_>, usize> = FxHashMap::default();
    let mut groups: Vec<Vec<&Static>> = Vec::new();
    for policy in policies {
        let next = groups.len();
        let place = *places.entry(Shape::of(policy, schema)).or_insert(next);
        match groups.get_mut(place) {
            Some(group) => group.push(policy),
            None => groups.push(vec![policy]),
        }
    }
    groups
}

impl<'p> Shape<'p> {
    fn of(policy: &'p Static, schema: &ValidatorSchema) -> Self {
        let policy = policy.ready.policy.as_ref();
        Self {
            effect: policy.effect(),
            principal: Party::of(policy.principal_constraint().as_inner(), schema),
            action: policy.action_constraint(),
            resource: Party::of(policy.resource_constraint().as_inner(), schema),
            condition: policy.non_scope_constraints(),
        }
    }
}

impl Party {
    fn of(constraint: &PrincipalOrResourceConstraint, schema: &ValidatorSchema) -> Self {
        let entity = |reference: &EntityReference| match reference {
            EntityReference::EUID(uid) => Entity::of(uid, schema),
            EntityReference::Slot(_) => Entity::Slot,
        };
        match constraint {
            PrincipalOrResourceConstraint::Any => Self::Any,
            PrincipalOrResourceConstraint::Eq(reference) => Self::Eq(entity(reference)),
            PrincipalOrResourceConstraint::In(reference) => Self::In(entity(reference)),
            PrincipalOrResourceConstraint::Is(ty) => Self::Is(EntityType::clone(ty)),
            PrincipalOrResourceConstraint::IsIn(ty, reference) => Self::IsIn(EntityType::clone(ty), entity(reference)),
        }
    }
}

impl Entity {
    fn of(uid: &EntityUID, schema: &ValidatorSchema) -> Self {
        let id: &str = uid.eid().as_ref();
        let kind = schema.get_entity_type(uid.entity_type()).map(|ty| &ty.kind);
        let is_plain = matches!(kind, Some(ValidatorEntityTypeKind::Standard(_))) && !uid.is_action() && id.is_ascii();
        if is_plain { Self::OfType(uid.entity_type().clone()) } else { Self::Itself(uid.clone()) }
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        document::Diagnostic,
        policy::{Files, Options, compile},
    };

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
        let text = cases.iter().map(|(policy, _)| *policy).collect::<Vec<_>>().join("\n");
        let of = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let files = Files::from_parts("set", vec![of("a.cedar", &text), of("schema.cedarschema", schema)]).unwrap();
        let problems = compile(&files, &Options::default()).unwrap_err();
        for (line, (policy, is_sound)) in (1..).zip(cases) {
            let found: Vec<_> = problems.iter().filter(|problem| problem.line() == Some(line)).collect();
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
