//! From a YAML file to what it declares.
//!
//! The table of fields has checked keys and types first, and reported what is wrong; a value of the wrong type is left out here
//! without a second report.

mod delegation;
mod roles;
mod routes;
mod users;

use super::{
    cache::MOST_PARSED,
    catalog::Label,
    declared::{Attribute, Condition, Declared, Level, MenuItem, Module, Preset, User},
    names::{self, check_id, check_identifier, check_type},
    section::{Named, Section, Spot},
    tables, types,
};
use crate::{
    document::{Diagnostics, Entry, Node, Reader, Text, yaml},
    engine::{Sessions, Tenancy},
};
use std::{collections::VecDeque, num::NonZero, panic::resume_unwind, sync::Arc, thread};

/// Reads files into what the set declares, in their order. The first [`MOST_PARSED`] bytes are kept as parsed. Whether all of
/// them could be read.
///
/// Those that are not known yet are parsed ahead on threads of their own, as many at a time as there are processors. A parser makes
/// and drops some forty times the size of a file in small pieces; on the heap of this thread they would lie between what is kept.
pub(super) fn files<'t>(texts: &'t [Text], declared: &mut Declared, problems: &mut Diagnostics) -> bool {
    let ahead = thread::available_parallelism().map_or(1, NonZero::get);
    let mut all = true;
    thread::scope(|scope| {
        let mut bytes = 0;
        let mut start = |text: &'t Text| {
            bytes += text.content().len();
            let is_kept = bytes <= MOST_PARSED;
            let parse = move || if is_kept { yaml::read(text) } else { yaml::parse(text).map(Arc::new) };
            if yaml::is_known(text) {
                return Parsing::Done(yaml::read(text));
            }
            // Where there is no thread to be had, this one does it.
            let thread = thread::Builder::new().name("parse".to_owned()).spawn_scoped(scope, parse);
            thread.map_or_else(|_| Parsing::Done(parse()), Parsing::Running)
        };
        let mut open: VecDeque<Parsing<'_>> = texts.iter().take(ahead).map(&mut start).collect();
        let mut next = texts.iter().skip(ahead);
        for text in texts {
            let read = match open.pop_front() {
                Some(Parsing::Done(read)) => read,
                Some(Parsing::Running(thread)) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                // Never: there is one for each text.
                None => yaml::read(text),
            };
            open.extend(next.next().map(&mut start));
            match read {
                Ok(root) => file(text, &root, declared, problems),
                Err(found) => {
                    problems.append(found);
                    all = false;
                }
            }
        }
    });
    all
}

/// A text on its way to be what it says.
enum Parsing<'s> {
    Done(Result<Arc<Node>, Diagnostics>),
    Running(thread::ScopedJoinHandle<'s, Result<Arc<Node>, Diagnostics>>),
}

/// Takes one file into what the set declares.
fn file(text: &Text, root: &Node, declared: &mut Declared, problems: &mut Diagnostics) {
    Reader::new(text, problems).document(root, &tables::SET);
    Decoder { text, problems }.set(root, declared);
}

/// Reads the users of a file of policy tests.
pub(super) fn users(text: &Text, root: &Node, users: &mut Section<User>, problems: &mut Diagnostics) {
    Decoder { text, problems }.section(root, "users", "", users, Decoder::user);
}

/// Takes values out of one file.
struct Decoder<'d> {
    text: &'d Text,
    problems: &'d mut Diagnostics,
}

impl Decoder<'_> {
    fn set(&mut self, root: &Node, set: &mut Declared) {
        self.head(root, set);
        if let Some(node) = root.get("tenants") {
            set.tenants_at.get_or_insert_with(|| Spot::of(self.text, &node.span));
            self.tenants(node, &mut set.tenants);
        }
        self.section(root, "levels", "a level", &mut set.levels, Self::level);
        self.section(root, "modules", "a module", &mut set.modules, Self::module);
        for entry in root.get("modules").and_then(Node::as_map).into_iter().flatten() {
            names::check_module(&Named::key(self.text, entry), self.problems);
        }
        self.section(root, "conditions", "a condition", &mut set.conditions, Self::condition);
        self.section(root, "roles", "a role", &mut set.roles, Self::role);
        self.section(root, "rights", "a right", &mut set.rights, Self::right);
        self.section(root, "families", "a family", &mut set.families, |_, node| label(node));
        self.section(root, "gates", "a gate", &mut set.gates, |_, node| label(node));
        self.section(root, "presets", "a preset", &mut set.presets, Self::preset);
        self.section(root, "menu", "", &mut set.menu, Self::menu_item);
        self.section(root, "users", "", &mut set.users, Self::user);
        self.values(root, &mut set.values);
        set.read_actions.extend(Named::list(self.text, root.get("read_actions")));
        self.attributes(root, "context", &mut set.context);
        self.attributes(root, "user_attributes", &mut set.user_attributes);
        self.delegation(root, &mut set.delegation);
        self.routes(root, &mut set.routes);
    }

    /// What a set says once.
    fn head(&mut self, root: &Node, set: &mut Declared) {
        for (key, slot) in [("policy_set", &mut set.name), ("description", &mut set.description)] {
            let Some(found) = root.get(key).and_then(|node| Named::value(self.text, node)) else { continue };
            match slot {
                Some(first) => self.twice(key, &found.at, &first.at.clone()),
                None => *slot = Some(found),
            }
        }
        if let Some(node) = root.get("tenancy") {
            let tenancy = if node.as_text() == Some("required") { Tenancy::Required } else { Tenancy::None };
            let at = Spot::of(self.text, &node.span);
            match &set.tenancy {
                Some((_, first)) => self.twice("tenancy", &at, &first.clone()),
                None => set.tenancy = Some((tenancy, at)),
            }
        }
        if let Some(node) = root.get("sessions") {
            let sessions = if node.as_text() == Some("required") { Sessions::Required } else { Sessions::None };
            let at = Spot::of(self.text, &node.span);
            match &set.sessions {
                Some((_, first)) => self.twice("sessions", &at, &first.clone()),
                None => set.sessions = Some((sessions, at)),
            }
        }
    }

    fn twice(&mut self, key: &str, at: &Spot, first: &Spot) {
        let problem = at.error("duplicate-name", format!("`{key}` is said twice"));
        self.problems.push(problem.with_related("first said", &first.text, first.span.clone()));
    }

    /// Takes a section of things with names. `noun` is empty where a name may be any visible text.
    fn section<T>(
        &mut self,
        root: &Node,
        key: &str,
        noun: &str,
        section: &mut Section<T>,
        read: impl Fn(&mut Self, &Node) -> T,
    ) {
        for entry in root.get(key).and_then(Node::as_map).into_iter().flatten() {
            let name = Named::key(self.text, entry);
            if !noun.is_empty() {
                check_id(noun, &name, self.problems);
            }
            let value = read(self, &entry.node);
            section.add(name, value, self.problems);
        }
    }

    fn tenants(&mut self, node: &Node, tenants: &mut Section<()>) {
        let keys = node.as_map().into_iter().flatten().map(|entry| Named::key(self.text, entry));
        for name in Named::list(self.text, Some(node)).into_iter().chain(keys) {
            if !names::is_visible(&name.name) {
                self.problems.push(name.at.error("bad-name", "this cannot be the id of a tenant"));
            }
            tenants.add(name, (), self.problems);
        }
    }

    fn level(&mut self, node: &Node) -> Level {
        let actions = if node.as_list().is_some() { Some(node) } else { node.get("actions") };
        let says = |key| node.get(key).is_some_and(|node| node.as_list().is_none_or(|list| !list.is_empty()));
        let is_empty = node.as_list().is_some_and(<[Node]>::is_empty)
            || node.as_map().is_some() && !["actions", "includes", "module_actions"].into_iter().any(says);
        if is_empty {
            self.problems.push(Spot::of(self.text, &node.span).error("empty-level", "a level without actions"));
        }
        Level {
            includes: Named::list(self.text, node.get("includes")),
            actions: self.actions(actions),
            module_actions: node.get("module_actions").and_then(Node::as_bool).unwrap_or(false),
        }
    }

    /// Names of actions where they are declared.
    fn actions(&mut self, node: Option<&Node>) -> Vec<Named> {
        let actions = Named::list(self.text, node);
        for name in &actions {
            check_id("an action", name, self.problems);
        }
        actions
    }

    fn module(&mut self, node: &Node) -> Module {
        let areas = Named::list(self.text, node.get("areas"));
        for name in &areas {
            check_id("an area", name, self.problems);
        }
        let only = node.get("only").map(|only| self.actions(Some(only)));
        if let (Some(_), Some(actions)) = (&only, node.get("actions")) {
            let at = Spot::of(self.text, &actions.span);
            let problem = at.error("contradiction", "a module has either `actions` or `only`");
            self.problems.push(problem.with_help("`only` lists all its actions".to_owned()));
        }
        Module {
            label: label(node),
            resources: self.resources(node.get("resources")),
            actions: self.actions(node.get("actions")),
            only,
            areas,
            gates: Named::list(self.text, node.get("gates")),
        }
    }

    fn resources(&mut self, node: Option<&Node>) -> Vec<(Named, Vec<(Named, Attribute)>)> {
        let mut resources = Vec::new();
        for name in Named::list(self.text, node) {
            if check_type(&name, self.problems) {
                resources.push((name, Vec::new()));
            }
        }
        for entry in node.and_then(Node::as_map).into_iter().flatten() {
            let name = Named::key(self.text, entry);
            let attributes = entry.node.as_map().into_iter().flatten().map(|entry| self.attribute(entry)).collect();
            if check_type(&name, self.problems) {
                resources.push((name, attributes));
            }
        }
        resources
    }

    fn attribute(&mut self, entry: &Entry) -> (Named, Attribute) {
        let name = Named::key(self.text, entry);
        check_identifier("an attribute", &name, self.problems);
        (name, types::read(self.text, &entry.node, self.problems))
    }

    fn attributes(&mut self, root: &Node, key: &str, section: &mut Section<Attribute>) {
        for entry in root.get(key).and_then(Node::as_map).into_iter().flatten() {
            let (name, attribute) = self.attribute(entry);
            section.add(name, attribute, self.problems);
        }
    }

    fn condition(&mut self, node: &Node) -> Condition {
        let cedar = node.get("cedar").filter(|node| node.as_text().is_some()).cloned();
        let parameters = node.get("parameters").and_then(Node::as_map).into_iter().flatten();
        Condition {
            description: label(node).description,
            text: self.text.clone(),
            cedar,
            parameters: parameters.map(|entry| self.attribute(entry)).collect(),
        }
    }

    /// Types whose values are listed.
    fn values(&mut self, root: &Node, section: &mut Section<Vec<Named>>) {
        for entry in root.get("values").and_then(Node::as_map).into_iter().flatten() {
            let name = Named::key(self.text, entry);
            let values = Named::list(self.text, Some(&entry.node));
            if values.is_empty() && entry.node.as_list().is_some() {
                self.problems.push(name.at.error("empty-type", format!("the type `{}` has no value", name.name)));
            }
            if check_type(&name, self.problems) {
                section.add(name, values, self.problems);
            }
        }
    }

    fn preset(&mut self, node: &Node) -> Preset {
        let modules = node.get("modules").and_then(Node::as_map).into_iter().flatten();
        Preset {
            label: label(node),
            gates: Named::list(self.text, node.get("gates")),
            modules: modules
                .filter_map(|entry| Some((Named::key(self.text, entry), Named::value(self.text, &entry.node)?)))
                .collect(),
        }
    }

    fn menu_item(&mut self, node: &Node) -> MenuItem {
        MenuItem {
            label: label(node),
            gate: node.get("gate").and_then(|gate| Named::value(self.text, gate)),
            modules: Named::list(self.text, node.get("modules")),
        }
    }
}

/// What people are shown.
fn label(node: &Node) -> Label {
    let text = |key| node.get(key).and_then(Node::as_text).map(str::to_owned);
    Label { name: text("name"), description: text("description") }
}
