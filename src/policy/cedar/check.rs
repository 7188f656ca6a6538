//! The strict check of compiled policies against the schema.
//!
//! An action belongs to several modules, a condition speaks of the resources of one. So each condition is checked for each resource
//! type of the module it is used on, and for no other: against a schema of that module alone, with the types that it refers to.
//! Cells that differ in their role alone are checked once.

use super::{Condition, Drafts, report, schema};
use crate::{
    document::{Diagnostics, hint},
    engine::Vocabulary,
    policy::{
        cache::Cache,
        catalog::{Catalog, Module},
        resolve::{Applied, Effect, Rule},
        section::Spot,
        types::entities,
    },
};
use cedar_policy::{PolicyId, PolicySet, Schema, ValidationError, ValidationMode, ValidationWarning, Validator};
use cedar_policy_core::ast::{EntityType, ExprKind, Literal};
use rustc_hash::{FxHashMap, FxHashSet};
use std::fmt::Write as _;

/// The compiled rules of a set and what they refer to.
#[derive(Debug, Clone, Copy)]
pub(in crate::policy) struct Compiled<'c> {
    pub(in crate::policy) rules: &'c [Rule],
    pub(in crate::policy) drafts: &'c Drafts<'c>,
    pub(in crate::policy) vocabulary: &'c Vocabulary,
}

/// Checks every rule and reports what Cedar finds, at the place in the condition that it is about. Modules in which nothing was
/// found are not looked at again until they change.
pub(in crate::policy) fn check(compiled: Compiled<'_>, cache: &mut Cache, problems: &mut Diagnostics) {
    let modules = &compiled.drafts.catalog.modules;
    cache.keep_modules(modules.iter().map(|module| module.id.as_str()));
    let mut by_module: Vec<Vec<usize>> = vec![Vec::new(); modules.len()];
    for (at, rule) in compiled.rules.iter().enumerate() {
        by_module.get_mut(rule.module).into_iter().for_each(|list| list.push(at));
    }
    let types = compiled.vocabulary.resource_types.iter().enumerate().map(|(at, ty)| (ty.name.as_str(), at)).collect();
    let mut told = FxHashSet::default();
    for (module, rules) in by_module.iter().enumerate() {
        check_module((compiled, &types), module, rules, &mut told, cache, problems);
    }
}

/// The places of all resource types, by name.
type Types<'t> = FxHashMap<&'t str, usize>;

/// Checks the rules of one module.
fn check_module(
    (compiled, types): (Compiled<'_>, &Types<'_>),
    module: usize,
    rules: &[usize],
    told: &mut FxHashSet<(String, usize)>,
    cache: &mut Cache,
    problems: &mut Diagnostics,
) {
    let Some(declared) = compiled.drafts.catalog.modules.get(module) else { return };
    let cells = cells(compiled, module, rules);
    let checked = cache.module(&declared.id, module_schema((compiled, types), declared, &cells));
    let mut sound: FxHashSet<usize> =
        cells.iter().filter(|cell| checked.is_sound(&cell.looked_at)).map(|cell| cell.rule).collect();
    if sound.len() < cells.len() {
        let make = |text: &str| parse_schema(text, compiled, rules, problems);
        let Some(validator) = checked.validator(make) else { return };
        let open = cells.iter().filter(|cell| !sound.contains(&cell.rule));
        let open: Vec<usize> = open.map(|cell| cell.rule).collect();
        let variants = variants(compiled, declared, &open);
        let found = check_variants(compiled, &validator, &variants, told, problems);
        sound.extend(open.into_iter().filter(|rule| !found.contains(rule)));
    }
    checked.are_sound(cells.into_iter().filter(|cell| sound.contains(&cell.rule)).map(|cell| cell.looked_at));
}

/// Checks rules for types of resources. The rules in which something was found.
fn check_variants(
    compiled: Compiled<'_>,
    validator: &Validator,
    variants: &[Variant],
    told: &mut FxHashSet<(String, usize)>,
    problems: &mut Diagnostics,
) -> FxHashSet<usize> {
    let mut policies = PolicySet::new();
    for (index, variant) in variants.iter().enumerate() {
        let draft = compiled.rules.get(variant.rule).and_then(|rule| compiled.drafts.draft(rule));
        if let Some(policy) = draft.and_then(|draft| draft.for_type(&index.to_string(), variant.ty.clone())) {
            // Ids are numbers, so none is taken.
            let _added = policies.add(policy);
        }
    }
    let result = validator.validate(&policies, ValidationMode::Strict);
    let reporter = Reporter { compiled, variants };
    let mut errors: Vec<_> = result
        .validation_errors()
        .filter_map(|error| reporter.variant(error.policy_id()).map(|variant| (variant, error)))
        .collect();
    // What is wrong for the module as a whole is told only where nothing is for its resources.
    errors.sort_by_key(|(variant, _)| (variant.is_whole, variant.rule));
    let mut found: FxHashSet<usize> = errors.iter().map(|(variant, _)| variant.rule).collect();
    for (variant, error) in errors {
        reporter.error(variant, error, told, problems);
    }
    let impossible =
        result.validation_warnings().filter(|warning| matches!(warning, ValidationWarning::ImpossiblePolicy(_)));
    let impossible = count(impossible.filter_map(|warning| reporter.variant(warning.policy_id())));
    let all = count(variants);
    let mut never: Vec<usize> =
        all.iter().filter(|(at, count)| impossible.get(at) == Some(*count)).map(|(at, _)| *at).collect();
    never.sort_unstable();
    for at in never {
        if let (true, Some(rule)) = (found.insert(at), compiled.rules.get(at)) {
            reporter.never(rule, problems);
        }
    }
    found
}

/// What is checked of a module: one rule of those that differ in their role alone.
struct CheckedCell {
    rule: usize,
    /// All that the check looks at beside the schema.
    looked_at: String,
}

/// What makes the check of two rules of a module the same: actions, areas, conditions.
type Likeness<'r> = (&'r [String], &'r [String], Vec<&'r str>);

fn cells(compiled: Compiled<'_>, module: usize, rules: &[usize]) -> Vec<CheckedCell> {
    let Some(module) = compiled.drafts.catalog.modules.get(module) else { return Vec::new() };
    // Names are quoted, so that no two lists of them look alike.
    let types = format!("{:?} {}", module.resource_types, module.areas.is_empty());
    let mut seen: FxHashSet<Likeness<'_>> = FxHashSet::default();
    let mut cells = Vec::new();
    for &at in rules {
        let effect = compiled.rules.get(at).map(|rule| &rule.effect);
        let Some(Effect::Permit { actions, areas, when, named, .. }) = effect else { continue };
        if !seen.insert((actions, areas, when.iter().map(|applied| applied.key.as_str()).collect())) {
            continue;
        }
        let mut looked_at = format!("{types} {named} {actions:?} {areas:?}");
        let mut is_sound = true;
        for applied in when {
            let condition = compiled.drafts.conditions.get(&applied.key);
            is_sound &= condition.is_some();
            // Writing to a string cannot fail.
            let _written = write!(looked_at, " {:?}", condition.map(Condition::source));
        }
        // A condition that could not be parsed has been reported.
        if is_sound {
            cells.push(CheckedCell { rule: at, looked_at });
        }
    }
    cells
}

/// One rule for one type of resource.
struct Variant {
    rule: usize,
    ty: EntityType,
    /// Whether the type stands for the module or an area of it, and not for a resource.
    is_whole: bool,
}

/// How many variants each rule has.
fn count<'v>(variants: impl IntoIterator<Item = &'v Variant>) -> FxHashMap<usize, usize> {
    let mut counts = FxHashMap::default();
    for variant in variants {
        *counts.entry(variant.rule).or_default() += 1;
    }
    counts
}

/// Each of these rules for each type of resource that the module has.
fn variants(compiled: Compiled<'_>, module: &Module, rules: &[usize]) -> Vec<Variant> {
    let own = module.resource_types.iter().map(|ty| (ty.as_str(), false));
    let types = own.chain([("Module", true)]).chain((!module.areas.is_empty()).then_some(("Area", true)));
    let types: Vec<(EntityType, bool)> =
        types.filter_map(|(ty, is_whole)| Some((ty.parse().ok()?, is_whole))).collect();
    let rules = rules.iter().filter(|&&at| compiled.rules.get(at).is_some());
    let of_rule = |&rule| types.iter().map(move |(ty, is_whole)| Variant { rule, ty: ty.clone(), is_whole: *is_whole });
    rules.flat_map(of_rule).collect()
}

/// The part of the set's schema that concerns one module: its own types, and whatever they and its conditions refer to.
fn module_schema((compiled, types): (Compiled<'_>, &Types<'_>), module: &Module, cells: &[CheckedCell]) -> String {
    let whole = compiled.vocabulary;
    let catalog =
        Catalog { modules: vec![module.clone()], values: compiled.drafts.catalog.values.clone(), ..Catalog::default() };
    let mut wanted: Vec<String> = module.resource_types.clone();
    for (_, ty) in whole.user_attributes.iter().chain(&whole.context) {
        entities(ty, &mut wanted);
    }
    let used = cells.iter().filter_map(|cell| compiled.rules.get(cell.rule));
    for condition in used.flat_map(|rule| compiled.conditions_of(rule)) {
        mentioned(condition, &mut wanted);
    }
    let mut included = std::collections::BTreeSet::new();
    while let Some(name) = wanted.pop() {
        let Some(&at) = types.get(name.as_str()) else { continue };
        if let (true, Some(ty)) = (included.insert(at), whole.resource_types.get(at)) {
            ty.attributes.iter().for_each(|(_, ty)| entities(ty, &mut wanted));
        }
    }
    let vocabulary = Vocabulary {
        tenancy: whole.tenancy,
        resource_types: included.into_iter().filter_map(|at| whole.resource_types.get(at)).cloned().collect(),
        context: whole.context.clone(),
        user_attributes: whole.user_attributes.clone(),
        ..Vocabulary::default()
    };
    schema::text(&catalog, &vocabulary)
}

fn parse_schema(text: &str, compiled: Compiled<'_>, rules: &[usize], problems: &mut Diagnostics) -> Option<Schema> {
    match Schema::from_cedarschema_str(text) {
        Ok((schema, _warnings)) => Some(schema),
        Err(error) => {
            // Our own checks should have come first; not to say so would be to skip this one.
            let at = rules.iter().find_map(|&rule| compiled.rules.get(rule)).map(|rule| &rule.at)?;
            problems.push(
                at.error("cannot-compile", format!("the generated schema is not valid: {}", report::chain(&error))),
            );
            None
        }
    }
}

/// The entity types that a condition names.
fn mentioned(condition: &Condition<'_>, names: &mut Vec<String>) {
    for expression in condition.expression.subexpressions() {
        match expression.expr_kind() {
            ExprKind::Is { entity_type, .. } => names.push(entity_type.to_string()),
            ExprKind::Lit(Literal::EntityUID(uid)) => names.push(uid.entity_type().to_string()),
            _ => {}
        }
    }
}

impl<'c> Compiled<'c> {
    fn conditions_of(self, rule: &'c Rule) -> impl Iterator<Item = &'c Condition<'c>> {
        let when: &[Applied] = if let Effect::Permit { when, .. } = &rule.effect { when } else { &[] };
        when.iter().filter_map(move |applied| self.drafts.conditions.get(&applied.key))
    }
}

struct Reporter<'r> {
    compiled: Compiled<'r>,
    variants: &'r [Variant],
}

impl<'r> Reporter<'r> {
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
        let Some(rule) = self.compiled.rules.get(variant.rule) else { return };
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
    fn condition_of(&self, rule: &'r Rule, error: &ValidationError) -> Option<&'r Condition<'r>> {
        let all: Vec<_> = self.compiled.conditions_of(rule).collect();
        if let [only] = all.as_slice() {
            return Some(only);
        }
        let label = miette::Diagnostic::labels(error)?.next()?;
        let quoted = miette::Diagnostic::source_code(error)?.read_span(label.inner(), usize::MAX, usize::MAX).ok()?;
        all.into_iter().find(|condition| condition.source().as_bytes() == quoted.data())
    }

    /// Reports a cell whose condition is false for whatever it is asked about.
    fn never(&self, rule: &'r Rule, problems: &mut Diagnostics) {
        let module = self.compiled.drafts.catalog.modules.get(rule.module);
        let (Effect::Permit { when, named: true, .. }, Some(module)) = (&rule.effect, module) else { return };
        let names: Vec<_> = when.iter().map(|applied| format!("`{}`", applied.shown)).collect();
        let at: &Spot = when.first().map_or(&rule.at, |applied| &applied.name.at);
        let message = format!("{} can never hold on the module `{}`", names.join(" and "), module.id);
        problems.push(at.error("condition-never-holds", message).with_help(self.suspect(rule)));
    }

    /// An attribute that a condition asks for and no resource of the module has.
    fn suspect(&self, rule: &'r Rule) -> Option<String> {
        let vocabulary = self.compiled.vocabulary;
        let types = vocabulary.resource_types.iter().filter(|ty| ty.module == rule.module);
        let resource = types.flat_map(|ty| &ty.attributes);
        let all = resource.chain(&vocabulary.user_attributes).chain(&vocabulary.context);
        let known: Vec<&str> = all.map(|(name, _)| name.as_str()).collect();
        let expressions = self.compiled.conditions_of(rule);
        let wanted =
            expressions.flat_map(|condition| condition.expression.subexpressions()).find_map(|expression| {
                let ExprKind::HasAttr { attr, .. } = expression.expr_kind() else { return None };
                (!known.contains(&attr.as_str())).then_some(attr)
            })?;
        let advice = hint(wanted, known.iter().copied()).map(|hint| format!("; {hint}")).unwrap_or_default();
        Some(format!("nothing there has the attribute `{wanted}`{advice}"))
    }
}
