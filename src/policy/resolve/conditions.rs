//! Conditions in use: their arguments become Cedar literals.

use super::values;
use crate::{
    document::{Diagnostic, Diagnostics, hint},
    model::Value,
    policy::{
        cedar::{Template, literal},
        declared::{Condition, Declared, Role, Use},
        names::{FAMILY, RANK},
        section::{Named, Spot},
    },
};
use std::collections::BTreeMap;

/// Places in an expression that have a meaning of their own.
const RESERVED: [&str; 4] = [RANK, FAMILY, "principal", "resource"];

/// A condition in use.
#[derive(Debug, Clone)]
pub(in crate::policy) struct Applied {
    /// Its name, at the place of the use.
    pub(in crate::policy) name: Named,
    /// Its arguments as Cedar literals, those of the role among them.
    pub(in crate::policy) arguments: Vec<(String, String)>,
    /// Name and all arguments: uses with the same key mean the same.
    pub(in crate::policy) key: String,
    /// As people are shown it: `up-to(limit: 100)`.
    pub(in crate::policy) shown: String,
    /// Whether it speaks of the rank or the family of the role.
    pub(in crate::policy) speaks_of_role: bool,
}

/// Looks up what a role's cell asks for. What is wrong is reported, and then there is nothing.
pub(super) fn apply(
    role: (&Named, &Role),
    uses: &[Use],
    declared: &Declared,
    problems: &mut Diagnostics,
) -> Option<Vec<Applied>> {
    let applied: Vec<_> = uses.iter().map(|used| one(role, used, declared, problems)).collect();
    applied.into_iter().collect()
}

fn one(role: (&Named, &Role), used: &Use, declared: &Declared, problems: &mut Diagnostics) -> Option<Applied> {
    let condition = declared.conditions.find(&used.name, problems)?;
    // Warnings do not come from here.
    let before = problems.len();
    let mut arguments = given(condition, used, declared, problems);
    let shown = shown(&used.name.name, &arguments);
    let of_role = of_role(condition);
    for parameter in &of_role {
        let value = match *parameter {
            RANK => role.1.rank.map(Value::Long),
            _ => role.1.family.as_ref().map(|family| Value::text(&family.name)),
        };
        if let Some(value) = value {
            arguments.insert((*parameter).to_owned(), literal(&value));
        } else {
            problems.push(without(parameter, role.0, used));
        }
    }
    (problems.len() == before).then(|| Applied {
        name: used.name.clone(),
        key: self::shown(&used.name.name, &arguments),
        shown,
        arguments: arguments.into_iter().collect(),
        speaks_of_role: !of_role.is_empty(),
    })
}

/// The arguments of a use, each of its declared type. What is missing, unknown or of another type is reported.
fn given(
    condition: &Condition,
    used: &Use,
    declared: &Declared,
    problems: &mut Diagnostics,
) -> BTreeMap<String, String> {
    let mut arguments = BTreeMap::new();
    for (name, node) in &used.arguments {
        let known = condition.parameters.iter().find(|(known, _)| known.name == name.name);
        let Some((_, attribute)) = known else {
            let message = format!("the condition `{}` has no parameter `{}`", used.name.name, name.name);
            let all = condition.parameters.iter().map(|(known, _)| known.name.as_str());
            problems.push(name.at.error("unknown-parameter", message).with_help(hint(&name.name, all)));
            continue;
        };
        let Some((ty, _)) = attribute else { continue };
        if let Some(value) = values::typed(&name.at.text, node, ty, declared, problems) {
            arguments.insert(name.name.clone(), literal(&value));
        }
    }
    for (name, _) in condition.parameters.iter().filter(|(name, _)| !RESERVED.contains(&name.name.as_str())) {
        if !used.arguments.iter().any(|(given, _)| given.name == name.name) {
            let message = format!("the condition `{}` needs its parameter `{}`", used.name.name, name.name);
            let help = format!("write `{{ {}: {{ {}: ... }} }}`", used.name.name, name.name);
            problems.push(used.name.at.error("missing-argument", message).with_help(help));
        }
    }
    arguments
}

/// A role has no rank or family, and a condition in it speaks of that.
fn without(parameter: &str, role: &Named, used: &Use) -> Diagnostic {
    let (condition, id) = (&used.name.name, &role.name);
    let message = format!("the condition `{condition}` speaks of the role's {parameter}, and the role `{id}` has none");
    let problem = used.name.at.error("role-without-rank", message);
    let problem = problem.with_related("the role", &role.at.text, role.at.span.clone());
    problem.with_help(format!("give the role a `{parameter}`"))
}

/// The parameters that the role gives, as far as the condition uses them.
fn of_role(condition: &Condition) -> Vec<&'static str> {
    let source = condition.cedar.as_ref().and_then(|node| node.as_text()).unwrap_or_default();
    if !source.contains('?') {
        // Most conditions have no place to fill, and most cells ask for one of them.
        return Vec::new();
    }
    let template = Template::new(source);
    let used = |name: &str| template.places().iter().any(|place| place.name == name);
    [RANK, FAMILY].into_iter().filter(|name| used(name)).collect()
}

fn shown(name: &str, arguments: &BTreeMap<String, String>) -> String {
    if arguments.is_empty() {
        return name.to_owned();
    }
    let arguments: Vec<_> = arguments.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{name}({})", arguments.join(", "))
}

/// Reports parameters that mean nothing: those that the expression does not have, and places that no parameter fills.
pub(super) fn check(declared: &Declared, problems: &mut Diagnostics) {
    for (name, condition) in declared.conditions.iter() {
        let Some(node) = condition.cedar.as_ref() else { continue };
        let template = Template::new(node.as_text().unwrap_or_default());
        for (parameter, _) in &condition.parameters {
            if RESERVED.contains(&parameter.name.as_str()) {
                let message = format!("`?{}` has a meaning of its own", parameter.name);
                problems.push(parameter.at.error("reserved-name", message));
            } else if !template.places().iter().any(|place| place.name == parameter.name) {
                let message = format!("the condition `{}` does not use its parameter `{}`", name.name, parameter.name);
                let help = format!("write `?{}` where it belongs in the expression", parameter.name);
                problems.push(parameter.at.error("unused-parameter", message).with_help(help));
            }
        }
        for place in template.places() {
            let known = condition.parameters.iter().map(|(known, _)| known.name.as_str()).chain([RANK, FAMILY]);
            if !known.clone().any(|known| known == place.name) {
                let at = Spot::of(&condition.text, &node.locate(&condition.text, &place.span));
                let message = format!("the condition `{}` has no parameter `{}`", name.name, place.name);
                problems.push(at.error("unknown-parameter", message).with_help(hint(place.name, known)));
            }
        }
    }
}
