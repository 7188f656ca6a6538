//! The section `delegation`.

use super::Decoder;
use crate::{
    document::Node,
    policy::{
        declared::{Delegated, Delegation, Needed},
        delegation::Rule,
        section::{Named, Spot},
    },
};

impl Decoder<'_> {
    pub(super) fn delegation(&mut self, root: &Node, slot: &mut Option<Delegation>) {
        let Some(node) = root.get("delegation") else { return };
        let at = Spot::of(self.text, &node.span);
        if let Some(first) = slot {
            let first = first.at.clone();
            return self.twice("delegation", &at, &first);
        }
        let families = node.get("families").and_then(Node::as_map).into_iter().flatten();
        let off = |rule: &Rule| {
            node.get("rules").and_then(|rules| rules.get(rule.key())).and_then(Node::as_bool) == Some(false)
        };
        *slot = Some(Delegation {
            at,
            administrators: node.get("administrators").map(|node| Named::list(self.text, Some(node))),
            of_all: self.delegated(node),
            families: families.map(|entry| (Named::key(self.text, entry), self.delegated(&entry.node))).collect(),
            has_families: node.get("families").is_some(),
            off: Rule::ALL.iter().copied().filter(off).collect(),
        });
    }

    fn delegated(&self, node: &Node) -> Delegated {
        let target = |key| node.get(key).and_then(|node| Named::value(self.text, node));
        let actions = node.get("actions");
        Delegated {
            at: Spot::of(self.text, &node.span),
            user: target("user"),
            assignment: target("assignment"),
            invitation: target("invitation"),
            session: target("session"),
            log: target("log"),
            actions: match actions.and_then(|actions| Named::value(self.text, actions)) {
                Some(one) => Needed::Always(one),
                None => Needed::Each(
                    actions
                        .and_then(Node::as_map)
                        .into_iter()
                        .flatten()
                        .filter_map(|entry| Some((entry.key.clone(), Named::value(self.text, &entry.node)?)))
                        .collect(),
                ),
            },
        }
    }
}
