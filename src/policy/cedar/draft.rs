//! A policy about to be made: its parts, as an expression tree and as text.

use super::{Condition, area_id, entity};
use crate::{
    engine::{PolicyFacts, PolicyKind},
    policy::{
        catalog::Catalog,
        resolve::{Effect, Rule},
    },
};
use cedar_policy_core::ast::{
    self, ActionConstraint, Annotation, AnyId, EntityType, EntityUID, Expr, PolicyID, PrincipalConstraint,
    ResourceConstraint, StaticPolicy, Var,
};
use rustc_hash::FxHashMap;
use std::{fmt::Write as _, sync::Arc};

/// A policy as its parts.
#[derive(Debug)]
pub(in crate::policy) struct Draft {
    id: Arc<str>,
    source: String,
    effect: ast::Effect,
    holder: Option<EntityUID>,
    actions: Option<Vec<EntityUID>>,
    resource: EntityUID,
    clauses: Vec<Clause>,
    facts: PolicyFacts,
    /// The names of the annotations for id and source.
    keys: (AnyId, AnyId),
}

/// A `when` or `unless`.
#[derive(Debug)]
struct Clause {
    is_when: bool,
    source: String,
    expression: Expr,
}

/// Names that each policy needs, parsed once.
#[derive(Debug)]
struct Words {
    module: EntityType,
    area: EntityType,
    role: EntityType,
    grant: EntityType,
    gate: EntityType,
    action: EntityType,
    keys: (AnyId, AnyId),
}

impl Words {
    /// `None` never: these are identifiers.
    fn new() -> Option<Self> {
        let ty = |name: &str| name.parse::<EntityType>().ok();
        Some(Self {
            module: ty("Module")?,
            area: ty("Area")?,
            role: ty("Role")?,
            grant: ty("Grant")?,
            gate: ty("Gate")?,
            action: ty("Action")?,
            keys: ("id".parse().ok()?, "source".parse().ok()?),
        })
    }
}

/// Makes drafts of rules.
#[derive(Debug)]
pub(in crate::policy) struct Drafts<'d> {
    pub(super) catalog: &'d Catalog,
    pub(super) conditions: &'d FxHashMap<String, Condition<'d>>,
    words: Words,
}

impl<'d> Drafts<'d> {
    /// `None` never: the words are identifiers.
    pub(in crate::policy) fn new(
        catalog: &'d Catalog,
        conditions: &'d FxHashMap<String, Condition<'d>>,
    ) -> Option<Self> {
        Some(Self { catalog, conditions, words: Words::new()? })
    }

    /// A rule whose condition could not be parsed has none.
    pub(in crate::policy) fn draft(&self, rule: &Rule) -> Option<Draft> {
        draft(rule, self.catalog, self.conditions, &self.words)
    }
}

fn draft(
    rule: &Rule,
    catalog: &Catalog,
    conditions: &FxHashMap<String, Condition<'_>>,
    words: &Words,
) -> Option<Draft> {
    let module = &catalog.module_at(rule.module)?.id;
    let location = rule.at.location();
    let whole = entity(&words.module, module);
    let mut draft = Draft {
        id: Arc::clone(&rule.id),
        source: location.to_string(),
        effect: ast::Effect::Permit,
        holder: None,
        actions: None,
        resource: whole,
        clauses: Vec::new(),
        facts: PolicyFacts {
            id: Arc::clone(&rule.id),
            summary: Arc::clone(&rule.summary),
            kind: PolicyKind::Ordinary,
            location: Some(location),
        },
        keys: words.keys.clone(),
    };
    match &rule.effect {
        Effect::Permit { holder: (ty, id), actions, areas, when, .. } => {
            draft.holder = Some(entity(if *ty == "Role" { &words.role } else { &words.grant }, id));
            draft.actions = Some(actions.iter().map(|action| entity(&words.action, action)).collect());
            let areas: Vec<_> = areas.iter().map(|area| entity(&words.area, &area_id(module, area))).collect();
            match areas.as_slice() {
                [] => {}
                [one] => draft.resource = one.clone(),
                several => draft.clauses.push(Clause::membership(true, Var::Resource, several)),
            }
            for applied in when {
                let condition = conditions.get(&applied.key)?;
                let (source, expression) = (condition.source().to_owned(), condition.expression.clone());
                draft.clauses.push(Clause { is_when: true, source, expression });
            }
        }
        Effect::Directory(ruling) => {
            draft.effect = if ruling.forbids { ast::Effect::Forbid } else { ast::Effect::Permit };
            draft.actions = Some(ruling.actions.iter().map(|action| entity(&words.action, action)).collect());
            let (source, expression) = (ruling.condition.to_owned(), ruling.condition.parse().ok()?);
            draft.clauses.push(Clause { is_when: true, source, expression });
        }
        Effect::Gate(gates) => {
            draft.effect = ast::Effect::Forbid;
            draft.facts.kind = PolicyKind::Gate;
            let gates: Vec<_> = gates.iter().map(|gate| entity(&words.gate, gate)).collect();
            draft.clauses.push(Clause::membership(false, Var::Principal, &gates));
        }
    }
    Some(draft)
}

impl Clause {
    /// `variable in entity`, or `variable in [entities]`.
    fn membership(is_when: bool, variable: Var, entities: &[EntityUID]) -> Self {
        let names: Vec<_> = entities.iter().map(ToString::to_string).collect();
        let (expression, names) = match entities {
            [one] => (Expr::val(one.clone()), names.concat()),
            several => (Expr::set(several.iter().cloned().map(Expr::val)), format!("[{}]", names.join(", "))),
        };
        Self {
            is_when,
            source: format!("{variable} in {names}"),
            expression: Expr::is_in(Expr::var(variable), expression),
        }
    }
}

impl Draft {
    /// What answers and explanations say about the policy.
    pub(in crate::policy) fn facts(&self) -> PolicyFacts {
        self.facts.clone()
    }

    /// The policy.
    pub(in crate::policy) fn policy(&self) -> Option<cedar_policy::Policy> {
        let text = |value: &str| Annotation::with_optional_value(Some(value.into()), None);
        let (id, source) = self.keys.clone();
        let annotations = [(id, text(&self.id)), (source, text(&self.source))].into_iter().collect();
        let resource = ResourceConstraint::is_in(Arc::new(self.resource.clone()));
        self.build(PolicyID::from_string(&self.id), annotations, resource)
    }

    /// The same policy for one type of resource alone, as the check needs it.
    pub(super) fn for_type(&self, id: &str, ty: EntityType) -> Option<cedar_policy::Policy> {
        let resource = ResourceConstraint::is_entity_type_in(Arc::new(ty), Arc::new(self.resource.clone()));
        self.build(PolicyID::from_string(id), ast::Annotations::new(), resource)
    }

    fn build(
        &self,
        id: PolicyID,
        annotations: ast::Annotations,
        resource: ResourceConstraint,
    ) -> Option<cedar_policy::Policy> {
        let principal =
            self.holder.clone().map_or_else(PrincipalConstraint::any, |uid| PrincipalConstraint::is_in(Arc::new(uid)));
        let action = self.actions.clone().map_or_else(ActionConstraint::any, ActionConstraint::is_in);
        let clauses = self.clauses.iter().map(|clause| {
            if clause.is_when { clause.expression.clone() } else { Expr::not(clause.expression.clone()) }
        });
        // As Cedar's parser joins several clauses.
        let condition = clauses.rev().reduce(|rest, clause| Expr::and(clause, rest));
        let policy = StaticPolicy::new(id, None, annotations, self.effect, principal, action, resource, condition);
        policy.ok().map(Into::into)
    }

    /// The policy as text.
    pub(in crate::policy) fn write(&self, out: &mut String) {
        let effect = if self.effect == ast::Effect::Permit { "permit" } else { "forbid" };
        let principal = self.holder.as_ref().map_or_else(String::new, |uid| format!(" in {uid}"));
        let actions = self.actions.as_ref().map_or_else(String::new, |actions| {
            let names: Vec<_> = actions.iter().map(ToString::to_string).collect();
            format!(" in [{}]", names.join(", "))
        });
        // Writing to a string cannot fail.
        let _written = write!(
            out,
            "@id({})\n@source({})\n{effect} (\n  principal{principal},\n  action{actions},\n  resource in {}\n)",
            quoted(&self.id),
            quoted(&self.source),
            self.resource
        );
        for clause in &self.clauses {
            let word = if clause.is_when { "when" } else { "unless" };
            let _written = write!(out, "\n{word} {{\n  {}\n}}", indented(clause.source.trim()));
        }
        out.push_str(";\n");
    }
}

/// A condition with its further lines moved in, unless a text in it might go over the end of a line.
fn indented(source: &str) -> String {
    let spans_lines = source.lines().any(|line| line.matches('"').count() % 2 != 0);
    if spans_lines { source.to_owned() } else { source.replace('\n', "\n  ") }
}

/// A text as Cedar writes it.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}
