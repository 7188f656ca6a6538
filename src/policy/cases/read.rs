//! Reading policy tests.

mod decisions;
mod names;
mod routes;
mod screens;

use super::PolicyTest;
use crate::{
    document::{Diagnostics, Node, Reader, Text, Value as Written, yaml},
    engine::Vocabulary,
    model::{Timestamp, User, Value},
    policy::{
        Catalog, Routes,
        declared::{self, Declared},
        decode,
        files::{Files, Sort},
        resolve::{Places, resolve_users},
        section::{Named, Section, Spot},
        tables,
    },
};
use names::Known;
use std::{borrow::Cow, sync::Arc};

/// Tests of a set at the most. A case of a few lines may list as many users, actions and resources as it likes, and is a test for each
/// combination.
const MOST_TESTS: usize = 100_000;

/// What the tests of a set stand on.
pub(in crate::policy) enum Ground<'k> {
    /// The set has errors, so names cannot be looked up.
    Unsound,
    /// A set of plain Cedar, which declares no names but those of its routes.
    Plain { routes: &'k Routes },
    /// A set with modules and users.
    Declared {
        declared: &'k Declared,
        users: &'k [Arc<User>],
        places: &'k Places,
        catalog: &'k Catalog,
        vocabulary: &'k Vocabulary,
        routes: &'k Routes,
    },
}

/// The tests of a set, and the users that there are for the tests alone.
#[derive(Debug, Default)]
pub(in crate::policy) struct Tests {
    pub(in crate::policy) list: Vec<PolicyTest>,
    pub(in crate::policy) users: Vec<Arc<User>>,
}

/// All tests of a set.
pub(in crate::policy) fn read(files: &Files, ground: &Ground<'_>, problems: &mut Diagnostics) -> Tests {
    let mut roots = Vec::new();
    let mut section = Section::new("user", "unknown-user");
    for text in files.of(Sort::Tests) {
        let root = match yaml::read(&text) {
            Ok(root) => root,
            Err(found) => {
                problems.append(found);
                continue;
            }
        };
        Reader::new(&text, problems).document(&root, &tables::TESTS);
        decode::users(&text, &root, &mut section, problems);
        roots.push((text, root));
    }
    let mut tests = Tests { list: Vec::new(), users: users(section, ground, problems) };
    let known = match ground {
        Ground::Declared { users, catalog, vocabulary, .. } => {
            Some(Known::new(users.iter().chain(&tests.users).map(AsRef::as_ref), catalog, vocabulary))
        }
        Ground::Plain { .. } | Ground::Unsound => None,
    };
    let routes = match ground {
        Ground::Declared { routes, .. } | Ground::Plain { routes } => Some(*routes),
        Ground::Unsound => None,
    };
    let mut is_full = false;
    for (text, root) in &roots {
        if matches!(ground, Ground::Plain { .. }) {
            refuse_what_needs_modules(text, root, problems);
        }
        let at = time(root.get("at")).unwrap_or(Timestamp::from_micros(0));
        let mut file =
            File { text, at, known: known.as_ref(), routes, problems, tests: &mut tests.list, is_full: &mut is_full };
        let list = |key: &str| root.get(key).and_then(Node::as_list).unwrap_or_default().iter();
        list("cases").for_each(|node| file.case(node));
        list("tables").for_each(|node| file.table(node));
        list("menus").for_each(|node| file.menu(node));
        list("presets").for_each(|node| file.preset(node));
        list("routes").for_each(|node| file.route(node));
    }
    tests
}

/// The users that there are for the tests alone. None may be called like a declared one.
fn users(section: Section<declared::User>, ground: &Ground<'_>, problems: &mut Diagnostics) -> Vec<Arc<User>> {
    let Ground::Declared { declared, places, catalog, vocabulary, .. } = ground else { return Vec::new() };
    for (id, _) in section.iter() {
        if let Some(first) = places.get(&id.name) {
            let problem = id.at.error("duplicate-name", format!("the user `{}` is defined twice", id.name));
            problems.push(problem.with_related("first defined", &first.text, first.span.clone()));
        }
    }
    resolve_users(section, declared, catalog, vocabulary, problems).0
}

fn refuse_what_needs_modules(text: &Text, root: &Node, problems: &mut Diagnostics) {
    for key in ["users", "tables", "menus", "presets"] {
        if let Some(node) = root.get(key) {
            let message = format!("a set of plain Cedar has no modules and no users, so it has no `{key}` to test");
            problems.push(Spot::of(text, &node.span).error("plain-cedar-test", message));
        }
    }
}

/// One file of tests, while it is read.
struct File<'f> {
    text: &'f Text,
    /// When questions are asked that do not say it themselves.
    at: Timestamp,
    known: Option<&'f Known<'f>>,
    routes: Option<&'f Routes>,
    problems: &'f mut Diagnostics,
    tests: &'f mut Vec<PolicyTest>,
    /// Whether it has been told that there are too many.
    is_full: &'f mut bool,
}

/// What all sorts of tests say about their circumstances.
struct Frame {
    name: Option<String>,
    rules: Vec<String>,
    tenant: Option<Named>,
    at: Timestamp,
    logged_in: bool,
    attributes: Arc<[(String, Value<'static>)]>,
    context: Arc<[(String, Value<'static>)]>,
}

impl File<'_> {
    /// Whether there is room for one more test. Where there is none, that is told once.
    fn has_room(&mut self, at: &Spot) -> bool {
        if self.tests.len() < MOST_TESTS {
            return true;
        }
        if !std::mem::replace(self.is_full, true) {
            let problem = at.error("too-many-tests", format!("a set has at most {MOST_TESTS} tests"));
            let help = "a case is a test for each combination of its users, actions and resources".to_owned();
            self.problems.push(problem.with_help(help));
        }
        false
    }

    fn frame(&self, node: &Node) -> Frame {
        Frame {
            name: node.get("name").and_then(Node::as_text).map(str::to_owned),
            rules: self.texts(node, "rule"),
            tenant: node.get("tenant").and_then(|node| Named::value(self.text, node)),
            at: time(node.get("at")).unwrap_or(self.at),
            logged_in: node.get("session").and_then(Node::as_text) != Some("none"),
            attributes: values(node, "attributes"),
            context: values(node, "context"),
        }
    }

    /// One name or a list of them.
    fn names(&self, node: &Node, key: &str) -> Vec<Named> {
        let node = node.get(key);
        let one = node.and_then(|node| Named::value(self.text, node));
        one.map_or_else(|| Named::list(self.text, node), |one| vec![one])
    }

    fn texts(&self, node: &Node, key: &str) -> Vec<String> {
        self.names(node, key).into_iter().map(|named| named.name).collect()
    }
}

impl Frame {
    /// What a test is called: the question, after the name that the file gives.
    fn called(&self, question: &str) -> String {
        let place = self.tenant.as_ref().map_or_else(String::new, |tenant| format!(" in {}", tenant.name));
        let given = self.name.as_ref().map_or_else(String::new, |name| format!("{name}: "));
        format!("{given}{question}{place}")
    }
}

fn values(node: &Node, key: &str) -> Arc<[(String, Value<'static>)]> {
    let entries = node.get(key).and_then(Node::as_map).into_iter().flatten();
    entries.filter(|entry| !entry.node.is_null()).map(|entry| (entry.key.clone(), value(&entry.node))).collect()
}

fn time(node: Option<&Node>) -> Option<Timestamp> {
    node.and_then(Node::as_text).and_then(Timestamp::parse)
}

/// A value as a request would give it in JSON.
pub(in crate::policy) fn value(node: &Node) -> Value<'static> {
    match &node.value {
        Written::Null => Value::Unrepresentable("null"),
        Written::Bool(value) => Value::Bool(*value),
        Written::Int(value) => Value::Long(*value),
        Written::Float(_) => Value::Unrepresentable("a fraction"),
        Written::Text(value) => Value::String(Cow::Owned(value.clone())),
        Written::List(items) => Value::Set(items.iter().map(value).collect()),
        Written::Map(map) => {
            Value::Record(map.iter().map(|entry| (Cow::Owned(entry.key.clone()), value(&entry.node))).collect())
        }
    }
}
