//! What a condition that does not hold wants: which value was found and which one it should be.

use super::{
    PolicyIndex, Program, Subject,
    bind::{Setting, bind},
    compile::Condition,
    evaluate::Evaluator,
    expression::Node,
};
use crate::model::{Request, Value};
use cedar_policy_core::ast::BinaryOp;

/// A part of a condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// What it is about: `resource.account_manager`.
    pub what: String,
    /// The value that it has; `None` where there is none.
    pub found: Option<String>,
    /// What it should do, after `it should`: ``be `sam` ``.
    pub wanted: String,
}

/// What the condition of a policy, whose scope fits, wants of the request. Empty where the condition holds, or is too
/// intricate to be taken apart.
#[must_use]
pub fn shortfalls<'a>(
    program: &'a Program,
    subject: Subject<'a>,
    request: &Request<'a>,
    policy: PolicyIndex,
) -> Vec<Shortfall> {
    let Ok(bound) = bind(program, subject, request, &mut Setting::default(), None) else { return Vec::new() };
    let candidates =
        program.index().candidates(&bound.principal_keys, bound.question.action_index, &bound.resource_keys);
    let entry = candidates.iter().find(|entry| entry.policy == policy);
    let Some(Condition::Quick(node)) = entry.and_then(|entry| program.condition(entry.rule.condition)) else {
        return Vec::new();
    };
    let evaluator = Evaluator { question: &bound.question, store: program.store() };
    let mut parts = Vec::new();
    conjuncts(evaluator, node, &mut parts);
    let failing = parts.into_iter().filter(|part| evaluator.holds(part) != Ok(true));
    let mut found: Vec<Shortfall> = Vec::new();
    for part in failing {
        let one = describe(evaluator, part);
        // That a value is missing goes without saying where it is said what it should be.
        found.retain(|earlier| earlier.found.is_some() || earlier.what != one.what);
        found.push(one);
    }
    found
}

/// The parts of a condition that must all hold, the way that an `if` takes among them.
fn conjuncts<'n>(evaluator: Evaluator<'n>, node: &'n Node, parts: &mut Vec<&'n Node>) {
    match node {
        Node::And(both) => both.iter().for_each(|part| conjuncts(evaluator, part, parts)),
        Node::If(of) => {
            let [test, then, otherwise] = of.as_ref();
            match evaluator.holds(test) {
                Ok(true) => conjuncts(evaluator, then, parts),
                Ok(false) => conjuncts(evaluator, otherwise, parts),
                Err(_) => parts.push(node),
            }
        }
        part => parts.push(part),
    }
}

fn describe<'v>(evaluator: Evaluator<'v>, node: &'v Node) -> Shortfall {
    let shown = |node: &'v Node| evaluator.show(node);
    let value = |node: &'v Node| shown(node).unwrap_or_else(|| text(node));
    let about = |of: &'v Node, wanted: String| Shortfall { what: text(of), found: shown(of), wanted };
    match node {
        Node::Has(of, path) => {
            Shortfall { what: format!("{}.{}", text(of), path.join(".")), found: None, wanted: "be given".to_owned() }
        }
        Node::Binary(BinaryOp::Eq, args) => {
            let [left, right] = args.as_ref();
            let (of, to) = if is_open(left) || !is_open(right) { (left, right) } else { (right, left) };
            about(of, format!("be `{}`", value(to)))
        }
        Node::Binary(op, args) => {
            let [of, to] = args.as_ref();
            match verb(*op) {
                Some(verb) => about(of, format!("{verb} `{}`", value(to))),
                None => Shortfall { what: text(node), found: None, wanted: "hold".to_owned() },
            }
        }
        Node::Not(of) => match of.as_ref() {
            Node::IsEmpty(of) => about(of, "not be empty".to_owned()),
            of => Shortfall { what: text(of), found: None, wanted: "not hold".to_owned() },
        },
        // A value that is true or false in itself.
        Node::Attribute(..) => about(node, "be `true`".to_owned()),
        other => Shortfall { what: text(other), found: None, wanted: "hold".to_owned() },
    }
}

/// What a comparison wants, where that can be said in a few words.
const fn verb(op: BinaryOp) -> Option<&'static str> {
    Some(match op {
        BinaryOp::Less => "be less than",
        BinaryOp::LessEq => "be at most",
        BinaryOp::In => "be in",
        BinaryOp::Contains => "contain",
        BinaryOp::ContainsAll => "contain all of",
        BinaryOp::ContainsAny => "contain one of",
        _ => return None,
    })
}

/// Whether a value comes with the request.
fn is_open(node: &Node) -> bool {
    match node {
        Node::Resource | Node::Context => true,
        Node::Attribute(of, _) => is_open(of),
        _ => false,
    }
}

/// A node as Cedar would write it.
fn text(node: &Node) -> String {
    let list = |nodes: &[Node]| nodes.iter().map(text).collect::<Vec<_>>().join(", ");
    match node {
        Node::Bool(value) => value.to_string(),
        Node::Long(value) => value.to_string(),
        Node::Text(value) => format!("{value:?}"),
        Node::Entity(entity) => format!("{}::{:?}", entity.ty, entity.id),
        Node::Constants(values) => format!("[{}]", values.iter().map(value_text).collect::<Vec<_>>().join(", ")),
        Node::Set(nodes) => format!("[{}]", list(nodes)),
        Node::Principal => "principal".to_owned(),
        Node::Action => "action".to_owned(),
        Node::Resource => "resource".to_owned(),
        Node::Context => "context".to_owned(),
        Node::If(parts) => {
            let [test, then, otherwise] = parts.as_ref();
            format!("if {} then {} else {}", text(test), text(then), text(otherwise))
        }
        Node::And(parts) => parts.each_ref().map(text).join(" && "),
        Node::Or(parts) => format!("({})", parts.each_ref().map(text).join(" || ")),
        Node::Not(of) => format!("!({})", text(of)),
        Node::Negate(of) => format!("-{}", text(of)),
        Node::IsEmpty(of) => format!("{}.isEmpty()", text(of)),
        Node::Attribute(of, name) => format!("{}.{name}", text(of)),
        Node::Has(of, path) => format!("{} has {}", text(of), path.join(".")),
        Node::Like(of, _) => format!("{} like a pattern", text(of)),
        Node::Is(of, ty) => format!("{} is {ty}", text(of)),
        Node::Binary(op, args) => {
            let [left, right] = args.each_ref().map(text);
            match op {
                BinaryOp::Contains => format!("{left}.contains({right})"),
                BinaryOp::ContainsAll => format!("{left}.containsAll({right})"),
                BinaryOp::ContainsAny => format!("{left}.containsAny({right})"),
                BinaryOp::GetTag => format!("{left}.getTag({right})"),
                BinaryOp::HasTag => format!("{left}.hasTag({right})"),
                op => format!("{left} {op} {right}"),
            }
        }
    }
}

/// A value as a person would say it: entities and texts by their bare words.
#[must_use]
pub fn value_text(value: &Value<'_>) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::String(text) => text.to_string(),
        Value::Entity { id, .. } => id.to_string(),
        Value::Set(items) => format!("[{}]", items.iter().map(value_text).collect::<Vec<_>>().join(", ")),
        Value::Record(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("{name}: {}", value_text(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        Value::Extension { arguments, .. } => arguments.iter().map(value_text).collect::<Vec<_>>().join(", "),
        Value::Unrepresentable(what) => (*what).to_owned(),
    }
}
