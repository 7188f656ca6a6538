//! Conditions of which a part is not known: true, false, or open.

use super::{evaluate::Evaluator, expression::Node};

/// Whether a condition holds whatever the unknown is; `None` where that depends. `is_known` tells of a node whether its value
/// depends on known things alone; such a node is evaluated as a decision would.
///
/// For a `forbid` an error counts as well as a yes, so what comes behind an unknown part is not taken for granted.
pub(super) fn truth<'p>(
    evaluator: Evaluator<'p>,
    node: &'p Node,
    forbids: bool,
    is_known: &dyn Fn(&Node) -> bool,
) -> Option<bool> {
    let truth = |node| truth(evaluator, node, forbids, is_known);
    match node {
        Node::And(parts) => {
            let [left, right] = parts.as_ref();
            match (truth(left), truth(right)) {
                (Some(true), right) => right,
                (Some(false), _) => Some(false),
                (None, Some(false)) if !forbids => Some(false),
                (None, _) => None,
            }
        }
        Node::Or(parts) => {
            let [left, right] = parts.as_ref();
            if truth(left)? { Some(true) } else { truth(right) }
        }
        Node::Not(of) => truth(of).map(|truth| !truth),
        Node::If(parts) => {
            let [test, then, otherwise] = parts.as_ref();
            truth(if truth(test)? { then } else { otherwise })
        }
        // What cannot be evaluated here is left to the decision.
        node if is_known(node) => evaluator.holds(node).ok(),
        _ => None,
    }
}
