//! Conditions: Cedar expressions that stand in YAML, with the arguments of their uses.

use super::{
    report,
    template::{Filled, Template},
};
use crate::{
    document::{Diagnostics, Span},
    engine::AttributeType,
    policy::{
        declared::{self, Declared},
        names::FAMILY,
        resolve::{Applied, Effect, Rule},
        section::Spot,
    },
};
use cedar_policy_core::ast::Expr;
use rustc_hash::FxHashMap;

/// A condition that Cedar could parse, as one or more cells use it.
#[derive(Debug)]
pub(in crate::policy) struct Condition<'d> {
    declared: &'d declared::Condition,
    pub(in crate::policy) expression: Expr,
    filled: Filled,
}

impl Condition<'_> {
    /// The expression as written, with its arguments.
    pub(in crate::policy) fn source(&self) -> &str {
        &self.filled.text
    }

    /// Where in the file a part of the expression stands.
    pub(in crate::policy) fn locate(&self, part: &Span) -> Spot {
        locate(self.declared, &self.filled.in_source(part))
    }
}

fn locate(condition: &declared::Condition, part: &Span) -> Spot {
    let span = condition.cedar.as_ref().map_or(0..0, |node| node.locate(&condition.text, part));
    Spot::of(&condition.text, &span)
}

/// Parses all conditions, each use with other arguments for itself. Those that are no expressions are reported and left out.
/// They are found by [`Applied::key`].
pub(in crate::policy) fn parse<'d>(
    declared: &'d Declared,
    rules: &[Rule],
    problems: &mut Diagnostics,
) -> FxHashMap<String, Condition<'d>> {
    let mut parsed = FxHashMap::default();
    let mut sound = FxHashMap::default();
    for (name, condition) in declared.conditions.iter() {
        let Some(source) = condition.cedar.as_ref().and_then(|node| node.as_text()) else { continue };
        let template = Template::new(source);
        // What is wrong whatever the arguments are is told once.
        let sample = template.fill(|name| Some(sample(condition, name)));
        if parse_one(condition, &sample, problems).is_some() {
            sound.insert(name.name.as_str(), (condition, template));
        }
    }
    let used = rules.iter().filter_map(|rule| match &rule.effect {
        Effect::Permit { when, .. } => Some(when),
        Effect::Gate(_) | Effect::Directory(_) => None,
    });
    for applied in used.flatten() {
        let Some((condition, template)) = sound.get(applied.name.name.as_str()) else { continue };
        if parsed.contains_key(&applied.key) {
            continue;
        }
        let filled = template.fill(|name| applied.argument(name));
        if let Some(expression) = parse_one(condition, &filled, problems) {
            parsed.insert(applied.key.clone(), Condition { declared: condition, expression, filled });
        }
    }
    parsed
}

impl Applied {
    fn argument(&self, name: &str) -> Option<String> {
        self.arguments.iter().find(|(known, _)| known == name).map(|(_, literal)| literal.clone())
    }
}

/// Any argument of the right sort, to see whether the rest can be parsed.
fn sample(condition: &declared::Condition, name: &str) -> String {
    let declared = condition.parameters.iter().find(|(known, _)| known.name == name);
    match declared.and_then(|(_, attribute)| attribute.as_ref()).map(|(ty, _)| ty) {
        Some(AttributeType::Set(_)) => "[]".to_owned(),
        Some(AttributeType::Record(_)) => "{}".to_owned(),
        Some(AttributeType::Bool) => "true".to_owned(),
        Some(AttributeType::Entity(ty)) => format!("{ty}::\"\""),
        Some(AttributeType::String | AttributeType::Extension(_)) => "\"\"".to_owned(),
        None if name == FAMILY => "\"\"".to_owned(),
        Some(AttributeType::Long) | None => "0".to_owned(),
    }
}

fn parse_one(condition: &declared::Condition, filled: &Filled, problems: &mut Diagnostics) -> Option<Expr> {
    let place = |part: &Span| locate(condition, &filled.in_source(part));
    if let Some((part, what)) = report::too_deep(&filled.text) {
        problems.push(report::too_deep_problem(&place(&part), what));
        return None;
    }
    match filled.text.parse::<Expr>() {
        Ok(expression) if expression.slots().next().is_none() => return Some(expression),
        Ok(_) => {
            let at = place(&(0..filled.text.len()));
            problems.push(at.error("condition-syntax", "a condition has no slots such as `?principal`"));
        }
        Err(errors) => {
            report::parse_errors("condition-syntax", "not a Cedar expression: ", errors.iter(), place, problems);
        }
    }
    None
}
