//! Conditions: Cedar expressions that stand in YAML.

use super::report;
use crate::{
    document::{Diagnostics, Span},
    policy::{
        declared::{self, Declared},
        section::Spot,
    },
};
use cedar_policy_core::ast::Expr;
use rustc_hash::FxHashMap;

/// A condition that Cedar could parse.
#[derive(Debug)]
pub(in crate::policy) struct Condition<'d> {
    declared: &'d declared::Condition,
    pub(in crate::policy) expression: Expr,
    /// The expression as written.
    pub(in crate::policy) source: &'d str,
}

impl Condition<'_> {
    /// Where in the file a part of the expression stands.
    pub(in crate::policy) fn locate(&self, part: &Span) -> Spot {
        locate(self.declared, part)
    }
}

fn locate(condition: &declared::Condition, part: &Span) -> Spot {
    let span = condition.cedar.as_ref().map_or(0..0, |node| node.locate(&condition.text, part));
    Spot::of(&condition.text, &span)
}

/// Parses all conditions; those that are no expressions are reported and left out.
pub(in crate::policy) fn parse<'d>(
    declared: &'d Declared,
    problems: &mut Diagnostics,
) -> FxHashMap<&'d str, Condition<'d>> {
    let mut parsed = FxHashMap::default();
    for (name, condition) in declared.conditions.iter() {
        let Some(source) = condition.cedar.as_ref().and_then(|node| node.as_text()) else { continue };
        if let Some((part, what)) = report::too_deep(source) {
            problems.push(report::too_deep_problem(&locate(condition, &part), what));
            continue;
        }
        match source.parse::<Expr>() {
            Ok(expression) if expression.slots().next().is_none() => {
                parsed.insert(name.name.as_str(), Condition { declared: condition, expression, source });
            }
            Ok(_) => {
                let at = locate(condition, &(0..source.len()));
                problems.push(at.error("condition-syntax", "a condition has no slots such as `?principal`"));
            }
            Err(errors) => {
                let place = |part: &Span| locate(condition, part);
                report::parse_errors("condition-syntax", "not a Cedar expression: ", errors.iter(), place, problems);
            }
        }
    }
    parsed
}
