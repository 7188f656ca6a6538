//! Expectations about what a user sees: the menu, and the name of the configuration.

use super::File;
use crate::{
    document::Node,
    policy::{
        cases::{Expectation, MenuTest, PolicyTest},
        catalog::CUSTOM,
        section::{Named, Spot},
    },
};
use std::collections::BTreeSet;

impl File<'_> {
    /// A test for each user of a menu expectation.
    pub(super) fn menu(&mut self, node: &Node) {
        let visible = node.get("visible").map(|_| self.names(node, "visible"));
        let missing = node.get("missing").and_then(Node::as_map).into_iter().flatten();
        let missing: Vec<_> =
            missing.map(|entry| (Named::key(self.text, entry), Named::list(self.text, Some(&entry.node)))).collect();
        if visible.is_none() && missing.is_empty() {
            let problem = Spot::of(self.text, &node.span).error("empty-test", "a menu without an expectation");
            self.problems.push(problem.with_help("say which items are `visible`, or what is `missing`".to_owned()));
        }
        if let Some(known) = self.known {
            let all: BTreeSet<&str> = known.catalog.menu.iter().map(|item| item.id.as_str()).collect();
            for item in visible.iter().flatten().chain(missing.iter().map(|(item, _)| item)) {
                self.one_of("menu item", "unknown-menu-item", item, &all);
            }
        }
        let names = |list: Vec<Named>| list.into_iter().map(|named| named.name).collect::<Vec<_>>();
        let expectation = Expectation::Menu(MenuTest {
            visible: visible.map(names),
            missing: missing.into_iter().map(|(item, list)| (item.name, names(list))).collect(),
        });
        self.screen(node, "the menu of", &expectation);
    }

    /// A test for each user of an expected preset.
    pub(super) fn preset(&mut self, node: &Node) {
        let Some(preset) = node.get("preset").and_then(|preset| Named::value(self.text, preset)) else { return };
        if let Some(known) = self.known {
            let presets = known.catalog.presets.iter().map(|preset| preset.id.as_str());
            self.one_of("preset", "unknown-preset", &preset, &presets.chain([CUSTOM]).collect());
        }
        self.screen(node, "the configuration of", &Expectation::Preset(preset.name));
    }

    fn screen(&mut self, node: &Node, what: &str, expectation: &Expectation) {
        let frame = self.frame(node);
        let users = self.names(node, "user");
        self.check_who(&users, &frame, None);
        let at = Spot::of(self.text, &node.span);
        for user in users {
            if !self.has_room(&at) {
                return;
            }
            self.tests.push(PolicyTest {
                name: frame.called(&format!("{what} {}", user.name)),
                rules: frame.rules.clone(),
                user: user.name,
                tenant: frame.tenant.as_ref().map(|tenant| tenant.name.clone()),
                at: frame.at,
                logged_in: frame.logged_in,
                expectation: expectation.clone(),
                location: Spot::of(self.text, &node.span).location(),
            });
        }
    }
}
