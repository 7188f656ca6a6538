//! Questions with their answers: single cases, and tables of users and resources.

use super::{File, Frame};
use crate::{
    document::Node,
    model::{Decision, ReasonCode},
    policy::{
        cases::{DecisionTest, Expectation, PolicyTest},
        catalog::Module,
        names::NO_LEVEL,
        routes::split_resource,
        section::{Named, Spot},
    },
};
use std::sync::Arc;

/// What is asked about: a type with an id.
struct Resource {
    ty: Named,
    id: String,
}

impl Resource {
    fn shown(&self) -> String {
        if self.id.is_empty() { self.ty.name.clone() } else { format!("{}:{}", self.ty.name, self.id) }
    }
}

/// The word of a table for every action of the module.
const EVERY_ACTION: &str = "all";

impl File<'_> {
    /// A test for each combination of what a case lists.
    pub(super) fn case(&mut self, node: &Node) {
        let frame = self.frame(node);
        let reason = reason(node);
        let expect = match node.get("expect").and_then(Node::as_text) {
            Some("allow") => Decision::Allow,
            // Anything else than these two has been reported.
            _ => Decision::Deny,
        };
        let (users, actions) = (self.names(node, "user"), self.names(node, "action"));
        let resources = self.resources(node.get("resource"));
        self.check_who(&users, &frame, reason);
        if reason != Some(ReasonCode::ActionUnknown) {
            self.check_actions(&actions);
        }
        if reason != Some(ReasonCode::ModuleUnknown) {
            self.check_types(&resources);
        }
        let policies = node.get("policies").map(|_| self.texts(node, "policies"));
        let at = Spot::of(self.text, &node.span);
        for user in &users {
            for action in &actions {
                for resource in &resources {
                    let expected = Expected { decision: expect, reason, policies: policies.clone() };
                    if !self.decision(&frame, &at, (&user.name, &action.name, resource), expected) {
                        return;
                    }
                }
            }
        }
    }

    fn check_types(&mut self, resources: &[Resource]) {
        for resource in resources {
            self.check_type(&resource.ty);
        }
    }

    /// A test for each action of the module in each cell: a cell says all that is allowed there.
    pub(super) fn table(&mut self, node: &Node) {
        let frame = self.frame(node);
        let denied = reason(node);
        let columns = self.resources(node.get("columns"));
        self.check_types(&columns);
        for row in node.get("rows").and_then(Node::as_map).into_iter().flatten() {
            let user = Named::key(self.text, row);
            self.check_who(std::slice::from_ref(&user), &frame, denied);
            let cells = row.node.as_list().unwrap_or_default();
            if cells.len() != columns.len() && row.node.as_list().is_some() && !columns.is_empty() {
                let message =
                    format!("a row of {} under {}", count(cells.len(), "cell"), count(columns.len(), "column"));
                self.problems.push(Spot::of(self.text, &row.node.span).error("wrong-row", message));
                continue;
            }
            for (cell, resource) in cells.iter().zip(&columns) {
                let Some(module) = self.known.and_then(|known| known.module(&resource.ty.name)) else { continue };
                let Some(allowed) = self.allowed(cell, module) else { continue };
                let at = Spot::of(self.text, &cell.span);
                for action in &module.actions {
                    let expected = if allowed.contains(action) {
                        Expected { decision: Decision::Allow, reason: Some(ReasonCode::Granted), policies: None }
                    } else {
                        Expected { decision: Decision::Deny, reason: denied, policies: None }
                    };
                    if !self.decision(&frame, &at, (&user.name, action, resource), expected) {
                        return;
                    }
                }
            }
        }
    }

    /// The actions that a cell allows: `all`, `none`, a level, or a list of actions.
    fn allowed(&mut self, cell: &Node, module: &Module) -> Option<Vec<String>> {
        let catalog = self.known?.catalog;
        let Some(word) = Named::value(self.text, cell) else {
            let actions = Named::list(self.text, Some(cell));
            let all = module.actions.iter().map(String::as_str).collect();
            for action in &actions {
                let message = format!("the module `{}` has no action `{}`", module.id, action.name);
                self.among("unknown-action", action, &all, message);
            }
            return Some(actions.into_iter().map(|action| action.name).collect());
        };
        let level = catalog.levels.iter().find(|level| level.name == word.name);
        match (level, word.name.as_str()) {
            (Some(level), _) => Some(module.actions_of(level)),
            (None, EVERY_ACTION) => Some(module.actions.clone()),
            (None, NO_LEVEL) => Some(Vec::new()),
            (None, _) => {
                let levels = catalog.levels.iter().map(|level| level.name.as_str());
                let all = levels.chain([EVERY_ACTION, NO_LEVEL]).collect();
                self.one_of("level", "unknown-level", &word, &all);
                None
            }
        }
    }

    /// Adds a test; `false` where there is no room for it.
    fn decision(
        &mut self,
        frame: &Frame,
        at: &Spot,
        (user, action, resource): (&str, &str, &Resource),
        expected: Expected,
    ) -> bool {
        if !self.has_room(at) {
            return false;
        }
        self.tests.push(PolicyTest {
            name: frame.called(&format!("{user} {action} {}", resource.shown())),
            rules: frame.rules.clone(),
            user: user.to_owned(),
            tenant: frame.tenant.as_ref().map(|tenant| tenant.name.clone()),
            at: frame.at,
            logged_in: frame.logged_in,
            expectation: Expectation::Decision(DecisionTest {
                action: action.to_owned(),
                resource_type: resource.ty.name.clone(),
                resource_id: resource.id.clone(),
                attributes: Arc::clone(&frame.attributes),
                context: Arc::clone(&frame.context),
                expect: expected.decision,
                reason: expected.reason,
                policies: expected.policies,
            }),
            location: at.location(),
        });
        true
    }

    fn resources(&self, node: Option<&Node>) -> Vec<Resource> {
        let Some(node) = node else { return Vec::new() };
        let items = node.as_list().unwrap_or(std::slice::from_ref(node));
        items.iter().filter_map(|item| self.resource(item)).collect()
    }

    /// `order`, `order:o-1`, or `{ type: order, id: o-1 }`.
    fn resource(&self, node: &Node) -> Option<Resource> {
        if let Some(ty) = node.get("type") {
            let id = node.get("id").and_then(Node::as_text).unwrap_or_default();
            return Some(Resource { ty: Named::value(self.text, ty)?, id: id.to_owned() });
        }
        let mut ty = Named::value(self.text, node)?;
        let (name, id) = split_resource(&ty.name);
        let id = id.to_owned();
        ty.name = name.to_owned();
        Some(Resource { ty, id })
    }
}

/// `1 cell`, `2 cells`
fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

struct Expected {
    decision: Decision,
    reason: Option<ReasonCode>,
    policies: Option<Vec<String>>,
}

/// The expected reason code.
pub(super) fn reason(node: &Node) -> Option<ReasonCode> {
    let code = node.get("reason").and_then(Node::as_text)?;
    ReasonCode::ALL.iter().find(|known| known.as_str() == code).copied()
}
