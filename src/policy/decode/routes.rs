//! The section `routes`: groups are taken apart, so that each route says everything itself.

use super::Decoder;
use crate::{
    document::{Node, Text},
    policy::{
        declared::Route,
        section::{Named, Spot},
    },
};

impl Decoder<'_> {
    /// The routes of a file.
    pub(super) fn routes(&mut self, root: &Node, routes: &mut Vec<Route>) {
        let file = Route {
            at: Spot::of(self.text, &root.span),
            name: None,
            hosts: Vec::new(),
            methods: Vec::new(),
            path: None,
            public: None,
            action: None,
            resource: None,
            tenant: None,
            attributes: Vec::new(),
            context: Vec::new(),
        };
        self.group(root, &file, routes);
    }

    fn group(&mut self, node: &Node, around: &Route, routes: &mut Vec<Route>) {
        for node in node.get("routes").and_then(Node::as_list).unwrap_or_default() {
            // Anything else than a mapping has been reported.
            if node.as_map().is_none() {
                continue;
            }
            let route = self.route(node, around);
            if node.get("routes").is_none() {
                routes.push(route);
                continue;
            }
            if let Some(name) = &route.name {
                let problem = name.at.error("contradiction", "a group of routes has no name");
                self.problems.push(problem.with_help("name its routes".to_owned()));
            }
            self.group(node, &Route { name: None, ..route }, routes);
        }
    }

    /// What an entry says, or else what is said around it.
    fn route(&mut self, node: &Node, around: &Route) -> Route {
        let text = |key: &str| node.get(key).and_then(|node| Named::value(self.text, node));
        let names = |key: &str, otherwise: &[Named]| match node.get(key) {
            Some(found) => {
                let one = Named::value(self.text, found);
                one.map_or_else(|| Named::list(self.text, Some(found)), |one| vec![one])
            }
            None => otherwise.to_vec(),
        };
        let own = node.get("public").and_then(|node| Some((node.as_bool()?, Spot::of(self.text, &node.span))));
        let public = own.or_else(|| around.public.clone());
        let asks = ["action", "resource", "tenant", "attributes", "context"].iter().find_map(|key| node.get(key));
        // What a group says around a public route is of no use to it; what it says itself contradicts it.
        if let (Some((true, place)), Some(asks)) = (&public, asks.filter(|_| node.get("routes").is_none())) {
            let problem = Spot::of(self.text, &asks.span).error("contradiction", "a public route asks nothing");
            let problem = problem.with_related("said to be public", &place.text, place.span.clone());
            self.problems.push(problem.with_help("say `public: false`, or leave the question out".to_owned()));
        }
        Route {
            at: Spot::of(self.text, &node.span),
            name: text("name"),
            hosts: names("host", &around.hosts),
            methods: names("method", &around.methods),
            path: joined(around.path.as_ref(), text("path")),
            public,
            action: text("action").or_else(|| around.action.clone()),
            resource: text("resource").or_else(|| around.resource.clone()),
            tenant: text("tenant").or_else(|| around.tenant.clone()),
            attributes: values(self.text, node, "attributes", &around.attributes),
            context: values(self.text, node, "context", &around.context),
        }
    }
}

/// A path behind that of the group. A group of `/` begins every path.
fn joined(around: Option<&Named>, own: Option<Named>) -> Option<Named> {
    match (around, own) {
        (around, None) => around.cloned(),
        (None, own) => own,
        (Some(around), Some(own)) => {
            let name = match own.name.as_str() {
                "/" => around.name.clone(),
                path if path.starts_with('/') => {
                    format!("{}{path}", around.name.strip_suffix('/').unwrap_or(&around.name))
                }
                // It is no path, which is told where it is read.
                other => other.to_owned(),
            };
            Some(Named { name, at: own.at })
        }
    }
}

/// Values by their names; those of the entry stand in place of those around it.
fn values(text: &Text, node: &Node, key: &str, around: &[(Named, Text, Node)]) -> Vec<(Named, Text, Node)> {
    let own = node.get(key).and_then(Node::as_map).into_iter().flatten();
    let own: Vec<_> = own.map(|entry| (Named::key(text, entry), text.clone(), entry.node.clone())).collect();
    let others = around.iter().filter(|(name, ..)| own.iter().all(|(own, ..)| own.name != name.name));
    others.cloned().chain(own.iter().cloned()).collect()
}
