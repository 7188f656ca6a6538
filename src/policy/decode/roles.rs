//! Roles and their cells.

use super::Decoder;
use crate::{
    document::{Entry, Node, Reader, Value},
    policy::{
        declared::{Cell, Right, Rights, Role, Use, What},
        section::{Named, Spot},
        tables,
    },
};

impl Decoder<'_> {
    pub(super) fn role(&mut self, node: &Node) -> Role {
        let grants = node.get("grants").and_then(Node::as_map).into_iter().flatten();
        Role {
            label: super::label(node),
            rank: node.get("rank").and_then(|rank| self.rank(rank)),
            family: node.get("family").and_then(|family| Named::value(self.text, family)),
            includes: Named::list(self.text, node.get("includes")),
            grants: grants.map(|entry| (Named::key(self.text, entry), self.cells(&entry.node))).collect(),
            rights: node.get("rights").map(|rights| self.rights(rights)),
        }
    }

    /// Ranks are counted from the highest.
    fn rank(&mut self, node: &Node) -> Option<i64> {
        let rank = node.as_int()?;
        if rank < 0 {
            let problem = Spot::of(self.text, &node.span).error("bad-rank", "a rank cannot be negative");
            self.problems.push(problem.with_help("the highest is 0".to_owned()));
        }
        Some(rank)
    }

    /// `all`, `{ all_but: [...] }`, or a list.
    fn rights(&mut self, node: &Node) -> Rights {
        let at = Spot::of(self.text, &node.span);
        match &node.value {
            Value::List(items) => {
                if items.is_empty() {
                    self.problems.push(at.error("empty-cell", "an empty list grants nothing"));
                }
                Rights::Listed(Named::list(self.text, Some(node)))
            }
            Value::Text(all) if all == "all" => Rights::AllBut(at, Vec::new()),
            Value::Map(_) => Rights::AllBut(at, Named::list(self.text, node.get("all_but"))),
            // Reported by the table of fields; some right was meant.
            _ => Rights::Listed(Vec::new()),
        }
    }

    /// `orders:read`, or a mapping with `action` and `when`.
    pub(super) fn right(&mut self, node: &Node) -> Right {
        self.limits(node);
        Right {
            label: super::label(node),
            action: Named::value(self.text, node.get("action").unwrap_or(node)),
            when: self.when(node.get("when")),
        }
    }

    /// Conditions in use: a name, a name with arguments, or a list of these.
    fn when(&self, node: Option<&Node>) -> Vec<Use> {
        let Some(node) = node else { return Vec::new() };
        let items = node.as_list().unwrap_or(std::slice::from_ref(node));
        items.iter().flat_map(|item| self.uses(item)).collect()
    }

    fn uses(&self, node: &Node) -> Vec<Use> {
        if let Some(name) = Named::value(self.text, node) {
            return vec![Use { name, arguments: Vec::new() }];
        }
        let with_arguments = |entry: &Entry| {
            let arguments = entry.node.as_map().into_iter().flatten();
            Use {
                name: Named::key(self.text, entry),
                arguments: arguments.map(|entry| (Named::key(self.text, entry), entry.node.clone())).collect(),
            }
        };
        node.as_map().into_iter().flatten().map(with_arguments).collect()
    }

    /// A level, a list of actions, a cell, or a list of cells.
    fn cells(&mut self, node: &Node) -> Vec<Cell> {
        let Some(items) = node.as_list() else {
            return self.cell(node).into_iter().collect();
        };
        let actions = Named::list(self.text, Some(node));
        if items.is_empty() {
            self.grants_nothing(node);
            return Vec::new();
        }
        if !actions.is_empty() && actions.len() < items.len() {
            let message = "a list holds either action names or cells, not both";
            let help = "write `{ actions: [...] }`".to_owned();
            self.problems.push(Spot::of(self.text, &node.span).error("bad-cell", message).with_help(help));
            return Vec::new();
        }
        if actions.is_empty() {
            return items.iter().filter_map(|item| self.cell(item)).collect();
        }
        vec![Cell {
            at: Spot::of(self.text, &node.span),
            what: What::Actions(actions),
            when: Vec::new(),
            areas: Vec::new(),
        }]
    }

    /// A limit that limits nothing would grant more than its author sees.
    fn limits(&mut self, node: &Node) {
        for key in ["when", "areas"] {
            let empty = node.get(key).filter(|list| list.as_list().is_some_and(<[Node]>::is_empty));
            if let Some(list) = empty {
                let problem =
                    Spot::of(self.text, &list.span).error("empty-limit", format!("an empty `{key}` limits nothing"));
                self.problems.push(problem.with_help(format!("leave `{key}` out to grant without it")));
            }
        }
    }

    fn grants_nothing(&mut self, node: &Node) {
        let problem = Spot::of(self.text, &node.span).error("empty-cell", "an empty list grants nothing");
        self.problems.push(problem.with_help("write `none`, or leave the module out".to_owned()));
    }

    fn cell(&mut self, node: &Node) -> Option<Cell> {
        let at = Spot::of(self.text, &node.span);
        if let Some(level) = Named::value(self.text, node) {
            return Some(Cell { at, what: What::Level(level), when: Vec::new(), areas: Vec::new() });
        }
        let map = node.as_map()?;
        let level = node.get("level").and_then(|level| Named::value(self.text, level));
        let what = match (level, node.get("actions")) {
            (Some(level), None) => What::Level(level),
            (None, Some(actions)) => {
                if actions.as_list().is_some_and(<[Node]>::is_empty) {
                    self.grants_nothing(actions);
                }
                What::Actions(Named::list(self.text, Some(actions)))
            }
            // A level that is a number has been reported already; so have keys that are misspelt.
            (None, None) if map.get("level").is_some() || !tables::is_cell(map) => return None,
            _ => {
                let message = "a cell needs either `level` or `actions`";
                Reader::new(self.text, self.problems).error("bad-cell", node.span.clone(), message, None);
                return None;
            }
        };
        self.limits(node);
        let when = self.when(node.get("when"));
        Some(Cell { at, what, when, areas: Named::list(self.text, node.get("areas")) })
    }
}
