//! The strict check of compiled policies against the schema.
//!
//! An action belongs to several modules, a condition speaks of the resources of one. So each condition is checked for each resource
//! type of the module it is used on, and for no other. Cells that differ in their role alone are checked once.

use super::{Condition, Draft, report};
use crate::{
    document::{Diagnostics, hint},
    engine::Vocabulary,
    policy::{
        catalog::Catalog,
        resolve::{Effect, Rule},
        section::Named,
    },
};
use cedar_policy::{PolicyId, PolicySet, Schema, ValidationError, ValidationMode, ValidationWarning, Validator};
use cedar_policy_core::ast::{EntityType, ExprKind};
use rustc_hash::{FxHashMap, FxHashSet};

/// Checks every draft and reports what Cedar finds, at the place in the condition that it is about.
pub(in crate::policy) fn check(
    schema: Schema,
    rules: &[Rule],
    drafts: &[Option<Draft>],
    catalog: &Catalog,
    vocabulary: &Vocabulary,
    conditions: &FxHashMap<&str, Condition<'_>>,
    problems: &mut Diagnostics,
) {
    let variants = variants(rules, drafts, catalog);
    let mut policies = PolicySet::new();
    for (index, variant) in variants.iter().enumerate() {
        let draft = drafts.get(variant.rule).and_then(Option::as_ref);
        let policy = draft.and_then(|draft| draft.for_type(&index.to_string(), variant.ty.clone()));
        if let Some(policy) = policy {
            // Ids are numbers, so none is taken.
            let _added = policies.add(policy);
        }
    }
    let result = Validator::new(schema).validate(&policies, ValidationMode::Strict);
    let reporter = Reporter { rules, variants: &variants, conditions };
    let mut errors: Vec<_> = result
        .validation_errors()
        .filter_map(|error| reporter.variant(error.policy_id()).map(|variant| (variant, error)))
        .collect();
    // What is wrong for the module as a whole is told only where nothing is for its resources.
    errors.sort_by_key(|(variant, _)| (variant.is_whole, variant.rule));
    let failed: FxHashSet<usize> = errors.iter().map(|(variant, _)| variant.rule).collect();
    let mut told = FxHashSet::default();
    for (variant, error) in errors {
        reporter.error(variant, error, &mut told, problems);
    }
    let mut impossible: FxHashMap<usize, usize> = FxHashMap::default();
    for warning in result.validation_warnings() {
        if let (ValidationWarning::ImpossiblePolicy(_), Some(variant)) =
            (warning, reporter.variant(warning.policy_id()))
        {
            *impossible.entry(variant.rule).or_default() += 1;
        }
    }
    let mut all: FxHashMap<usize, usize> = FxHashMap::default();
    for variant in &variants {
        *all.entry(variant.rule).or_default() += 1;
    }
    for (at, rule) in rules.iter().enumerate() {
        if impossible.get(&at).is_some_and(|count| all.get(&at) == Some(count)) && !failed.contains(&at) {
            reporter.never(rule, catalog, vocabulary, problems);
        }
    }
}

/// One rule for one type of resource.
struct Variant {
    rule: usize,
    ty: EntityType,
    /// Whether the type stands for the module or an area of it, and not for a resource.
    is_whole: bool,
}

/// What makes the check of two rules the same.
type Likeness<'r> = (usize, &'r [String], &'r [String], Vec<&'r str>);

fn variants(rules: &[Rule], drafts: &[Option<Draft>], catalog: &Catalog) -> Vec<Variant> {
    let mut seen: FxHashSet<Likeness<'_>> = FxHashSet::default();
    let mut variants = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let (Effect::Permit { actions, areas, when, .. }, Some(Some(_))) = (&rule.effect, drafts.get(at)) else {
            continue;
        };
        let names = when.iter().map(|name| name.name.as_str()).collect();
        let Some(module) = catalog.modules.get(rule.module) else { continue };
        if seen.insert((rule.module, actions, areas, names)) {
            let own = module.resource_types.iter().map(|ty| (ty.as_str(), false));
            let types = own.chain([("Module", true)]).chain((!module.areas.is_empty()).then_some(("Area", true)));
            variants
                .extend(types.filter_map(|(ty, is_whole)| Some(Variant { rule: at, ty: ty.parse().ok()?, is_whole })));
        }
    }
    variants
}

struct Reporter<'r> {
    rules: &'r [Rule],
    variants: &'r [Variant],
    conditions: &'r FxHashMap<&'r str, Condition<'r>>,
}

impl Reporter<'_> {
    fn variant(&self, id: &PolicyId) -> Option<&Variant> {
        let text: &str = id.as_ref();
        self.variants.get(text.parse::<usize>().ok()?)
    }

    /// Reports an error in a condition once, with the cell that uses it.
    fn error(
        &self,
        variant: &Variant,
        error: &ValidationError,
        told: &mut FxHashSet<(String, usize)>,
        problems: &mut Diagnostics,
    ) {
        let Some(rule) = self.rules.get(variant.rule) else { return };
        let code = match error {
            ValidationError::UnsafeAttributeAccess(_) => "unknown-attribute",
            ValidationError::UnsafeOptionalAttributeAccess(_) => "optional-attribute",
            ValidationError::UnrecognizedEntityType(_) => "unknown-type",
            ValidationError::UnrecognizedActionId(_) => "unknown-action",
            _ => "condition-type",
        };
        let message = report::plain_message(&error.to_string());
        let (part, label) = report::part(error).unwrap_or_default();
        let condition = self.condition_of(rule, error);
        let at = condition.map_or_else(|| rule.at.clone(), |condition| condition.locate(&part));
        if !told.insert((at.text.path().to_owned(), at.span.start)) {
            return;
        }
        let mut problem = at.error(code, message);
        if let Some(label) = label {
            problem = problem.with_label(label);
        }
        if condition.is_some() {
            problem = problem.with_related("used", &rule.at.text, rule.at.span.clone());
        }
        let help = match (code, at.text.slice(&at.span).rsplit_once('.')) {
            ("optional-attribute", Some((of, name))) => {
                Some(format!("it may be absent: write `{of} has {name} && ...`"))
            }
            _ => miette::Diagnostic::help(error).map(|help| help.to_string()),
        };
        problems.push(problem.with_help(help));
    }

    /// The condition that a message is about: the one whose text Cedar quotes.
    fn condition_of(&self, rule: &Rule, error: &ValidationError) -> Option<&Condition<'_>> {
        let Effect::Permit { when, .. } = &rule.effect else { return None };
        let find = |name: &Named| self.conditions.get(name.name.as_str());
        if let [only] = when.as_slice() {
            return find(only);
        }
        let label = miette::Diagnostic::labels(error)?.next()?;
        let quoted = miette::Diagnostic::source_code(error)?.read_span(label.inner(), usize::MAX, usize::MAX).ok()?;
        when.iter().filter_map(find).find(|condition| condition.source.as_bytes() == quoted.data())
    }

    /// Reports a cell whose condition is false for whatever it is asked about.
    fn never(&self, rule: &Rule, catalog: &Catalog, vocabulary: &Vocabulary, problems: &mut Diagnostics) {
        let (Effect::Permit { when, named: true, .. }, Some(module)) = (&rule.effect, catalog.modules.get(rule.module))
        else {
            return;
        };
        let names: Vec<_> = when.iter().map(|name| format!("`{}`", name.name)).collect();
        let at = when.first().map_or(&rule.at, |name| &name.at);
        let message = format!("{} can never hold on the module `{}`", names.join(" and "), module.id);
        problems.push(at.error("condition-never-holds", message).with_help(self.suspect(when, rule, vocabulary)));
    }

    /// An attribute that a condition asks for and no resource of the module has.
    fn suspect(&self, when: &[Named], rule: &Rule, vocabulary: &Vocabulary) -> Option<String> {
        let types = vocabulary.resource_types.iter().filter(|ty| ty.module == rule.module);
        let resource = types.flat_map(|ty| &ty.attributes);
        let all = resource.chain(&vocabulary.user_attributes).chain(&vocabulary.context);
        let known: Vec<&str> = all.map(|(name, _)| name.as_str()).collect();
        let expressions = when.iter().filter_map(|name| self.conditions.get(name.name.as_str()));
        let wanted =
            expressions.flat_map(|condition| condition.expression.subexpressions()).find_map(|expression| {
                let ExprKind::HasAttr { attr, .. } = expression.expr_kind() else { return None };
                (!known.contains(&attr.as_str())).then_some(attr)
            })?;
        let advice = hint(wanted, known.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
        Some(format!("nothing there has the attribute `{wanted}`{advice}"))
    }
}
