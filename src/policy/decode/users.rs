//! Declared users and what they were given.

use super::Decoder;
use crate::{
    document::{Entry, Map, Node, Reader},
    model::{Status, Timestamp},
    policy::{
        declared::{Assigned, Assignment, User},
        names,
        section::{Named, Spot},
        tables,
    },
};

impl Decoder<'_> {
    pub(super) fn user(&mut self, node: &Node) -> User {
        let email = node.get("email").and_then(|email| Named::value(self.text, email));
        if let Some(email) = email.as_ref().filter(|email| !names::is_email(&email.name)) {
            let problem = email.at.error("bad-email", format!("`{}` is not a mail address", email.name));
            self.problems.push(problem.with_help("write it like ada@example.com".to_owned()));
        }
        let attributes = node.get("attributes").and_then(Node::as_map).into_iter().flatten();
        User {
            name: text(node.get("name")),
            email,
            status: match node.get("status").and_then(Node::as_text) {
                Some("invited") => Status::Invited,
                Some("suspended") => Status::Suspended,
                // Absent, or reported as unknown.
                _ => Status::Active,
            },
            until: time(node.get("until")),
            family: node.get("family").and_then(|family| Named::value(self.text, family)),
            attributes: attributes.map(|entry| (Named::key(self.text, entry), entry.node.clone())).collect(),
            roles: self.assigned(node.get("roles"), "role"),
            grants: self.grants(node.get("grants")),
            gates: self.assigned(node.get("gates"), "gate"),
            preset: self.presets(node.get("preset")),
        }
    }

    /// A list of roles or gates, or one for each tenant.
    fn assigned(&mut self, node: Option<&Node>, key: &str) -> Assigned {
        let Some(node) = node else { return Assigned::default() };
        let list = |node: &Node| -> Vec<Assignment> {
            let items = node.as_list().unwrap_or_default();
            items.iter().filter_map(|item| self.assignment(item, key)).collect()
        };
        Assigned {
            plain: node.as_list().map(|_| (Spot::of(self.text, &node.span), list(node))),
            by_tenant: node
                .as_map()
                .into_iter()
                .flatten()
                .map(|entry| (Named::key(self.text, entry), list(&entry.node)))
                .collect(),
        }
    }

    /// `manager`, or `{ role: manager, until: ..., why: ... }`.
    fn assignment(&self, node: &Node, key: &str) -> Option<Assignment> {
        let name = Named::value(self.text, node.get(key).unwrap_or(node))?;
        Some(Assignment { name, level: None, until: time(node.get("until")), why: text(node.get("why")) })
    }

    /// A preset, or one for each tenant. A mapping with the key `preset` is a preset with a time or a reason.
    fn presets(&mut self, node: Option<&Node>) -> Assigned {
        let Some(node) = node else { return Assigned::default() };
        let Some(tenants) = node.as_map().filter(|map| map.get("preset").is_none()) else {
            if node.as_map().is_some() {
                Reader::new(self.text, self.problems).check(node, &tables::GIVEN_PRESET);
            }
            let given = self.assignment(node, "preset").map(|given| (Spot::of(self.text, &node.span), vec![given]));
            return Assigned { plain: given, by_tenant: Vec::new() };
        };
        let by_tenant = tenants.iter().map(|entry| {
            Reader::new(self.text, self.problems).check(&entry.node, &tables::GIVEN_PRESET);
            (Named::key(self.text, entry), self.assignment(&entry.node, "preset").into_iter().collect())
        });
        Assigned { plain: None, by_tenant: by_tenant.collect() }
    }

    /// Levels on modules, or such a mapping for each tenant. What a value is tells them apart: a mapping without `level` is a
    /// tenant's.
    fn grants(&mut self, node: Option<&Node>) -> Assigned {
        let Some((node, map)) = node.and_then(|node| Some((node, node.as_map()?))) else { return Assigned::default() };
        let is_tenant = |entry: &&Entry| entry.node.as_map().is_some_and(|map| map.get("level").is_none());
        let (tenants, plain): (Vec<_>, Vec<_>) = map.iter().partition(is_tenant);
        let plain: Vec<_> = plain.into_iter().filter_map(|entry| self.grant(entry)).collect();
        Assigned {
            plain: (!plain.is_empty()).then(|| (Spot::of(self.text, &node.span), plain)),
            by_tenant: tenants
                .into_iter()
                .map(|entry| {
                    let levels = entry.node.as_map().map(Map::iter).into_iter().flatten();
                    (Named::key(self.text, entry), levels.filter_map(|entry| self.grant(entry)).collect())
                })
                .collect(),
        }
    }

    fn grant(&mut self, entry: &Entry) -> Option<Assignment> {
        let node = &entry.node;
        Reader::new(self.text, self.problems).check(node, &tables::GRANTED);
        let level = Named::value(self.text, node.get("level").unwrap_or(node))?;
        Some(Assignment {
            name: Named::key(self.text, entry),
            level: Some(level),
            until: time(node.get("until")),
            why: text(node.get("why")),
        })
    }
}

fn text(node: Option<&Node>) -> Option<String> {
    node.and_then(Node::as_text).map(str::to_owned)
}

fn time(node: Option<&Node>) -> Option<Timestamp> {
    node.and_then(Node::as_text).and_then(Timestamp::parse)
}
