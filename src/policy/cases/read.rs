//! Reading policy tests.

use super::PolicyTest;
use crate::{
    document::{Diagnostics, Node, Reader, Text, Value as Written, hint, yaml},
    engine::Vocabulary,
    model::{Decision, ReasonCode, Timestamp, User, Value},
    policy::{
        files::{Files, Sort},
        section::{Named, Spot},
        tables,
    },
};
use rustc_hash::FxHashSet;
use std::borrow::Cow;

/// The names that a test may use. A test of a name that does not exist has to say so by its reason.
pub(in crate::policy) struct Known<'k> {
    users: FxHashSet<&'k str>,
    vocabulary: &'k Vocabulary,
}

impl<'k> Known<'k> {
    pub(in crate::policy) fn new(users: &'k [User], vocabulary: &'k Vocabulary) -> Self {
        Self { users: users.iter().map(|user| user.id.as_str()).collect(), vocabulary }
    }
}

/// All tests of a set. `known` is absent where the set itself has errors, or declares no names.
pub(in crate::policy) fn read(files: &Files, known: Option<&Known<'_>>, problems: &mut Diagnostics) -> Vec<PolicyTest> {
    let mut tests = Vec::new();
    for text in files.of(Sort::Tests) {
        let root = match yaml::read(&text) {
            Ok(root) => root,
            Err(found) => {
                problems.append(found);
                continue;
            }
        };
        Reader::new(&text, problems).document(&root, &tables::TESTS);
        let at = time(root.get("at")).unwrap_or(Timestamp::from_micros(0));
        for case in root.get("cases").and_then(Node::as_list).unwrap_or_default() {
            Case { text: &text, node: case, at, known, problems }.tests(&mut tests);
        }
    }
    tests
}

struct Case<'c> {
    text: &'c Text,
    node: &'c Node,
    at: Timestamp,
    known: Option<&'c Known<'c>>,
    problems: &'c mut Diagnostics,
}

/// What is asked about: a type with an id.
struct Resource {
    ty: Named,
    id: String,
}

impl Case<'_> {
    /// A test for each combination of what the case lists.
    fn tests(mut self, tests: &mut Vec<PolicyTest>) {
        let reason = self.node.get("reason").and_then(Node::as_text);
        let reason = reason.and_then(|code| ReasonCode::ALL.iter().find(|known| known.as_str() == code)).copied();
        let expect = match self.node.get("expect").and_then(Node::as_text) {
            Some("allow") => Decision::Allow,
            // Anything else than these two has been reported.
            _ => Decision::Deny,
        };
        let (users, actions) = (self.names("user"), self.names("action"));
        let resources = self.resources();
        let tenant = self.node.get("tenant").and_then(|node| Named::value(self.text, node));
        self.check(&users, &actions, &resources, tenant.as_ref(), reason);
        for user in &users {
            for action in &actions {
                for resource in &resources {
                    tests.push(self.test(user, action, resource, tenant.as_ref(), expect, reason));
                }
            }
        }
    }

    fn test(
        &self,
        user: &Named,
        action: &Named,
        resource: &Resource,
        tenant: Option<&Named>,
        expect: Decision,
        reason: Option<ReasonCode>,
    ) -> PolicyTest {
        let policies = self.node.get("policies").map(|_| self.texts("policies"));
        let mut name = format!("{} {} {}", user.name, action.name, resource.ty.name);
        if !resource.id.is_empty() {
            name = format!("{name}:{}", resource.id);
        }
        if let Some(tenant) = tenant {
            name = format!("{name} in {}", tenant.name);
        }
        if let Some(given) = self.node.get("name").and_then(Node::as_text) {
            name = format!("{given}: {name}");
        }
        PolicyTest {
            name,
            rules: self.texts("rule"),
            user: user.name.clone(),
            action: action.name.clone(),
            resource_type: resource.ty.name.clone(),
            resource_id: resource.id.clone(),
            tenant: tenant.map(|tenant| tenant.name.clone()),
            attributes: self.values("attributes"),
            context: self.values("context"),
            at: time(self.node.get("at")).unwrap_or(self.at),
            expect,
            reason,
            policies,
            location: Spot::of(self.text, &self.node.span).location(),
        }
    }

    /// One name or a list of them.
    fn names(&self, key: &str) -> Vec<Named> {
        let node = self.node.get(key);
        let one = node.and_then(|node| Named::value(self.text, node));
        one.map_or_else(|| Named::list(self.text, node), |one| vec![one])
    }

    fn texts(&self, key: &str) -> Vec<String> {
        self.names(key).into_iter().map(|named| named.name).collect()
    }

    fn resources(&self) -> Vec<Resource> {
        let Some(node) = self.node.get("resource") else { return Vec::new() };
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

    fn values(&self, key: &str) -> Vec<(String, Value<'static>)> {
        let entries = self.node.get(key).and_then(Node::as_map).into_iter().flatten();
        entries.filter(|entry| !entry.node.is_null()).map(|entry| (entry.key.clone(), value(&entry.node))).collect()
    }

    /// Reports names that do not exist, unless the case is about that.
    fn check(
        &mut self,
        users: &[Named],
        actions: &[Named],
        resources: &[Resource],
        tenant: Option<&Named>,
        reason: Option<ReasonCode>,
    ) {
        let Some(known) = self.known else { return };
        let vocabulary = known.vocabulary;
        if reason != Some(ReasonCode::UserUnknown) {
            let mut all: Vec<_> = known.users.iter().copied().collect();
            all.sort_unstable();
            for user in users {
                self.one_of("user", "unknown-user", user, &all);
            }
        }
        if reason != Some(ReasonCode::ActionUnknown) {
            let all: Vec<_> = vocabulary.actions.iter().map(String::as_str).collect();
            for action in actions {
                self.one_of("action", "unknown-action", action, &all);
            }
        }
        if reason != Some(ReasonCode::ModuleUnknown) {
            let types = vocabulary.resource_types.iter().map(|ty| ty.name.as_str());
            let all: Vec<_> = types.chain(vocabulary.modules.iter().map(|module| module.id.as_str())).collect();
            for resource in resources {
                self.one_of("resource type or module", "unknown-type", &resource.ty, &all);
            }
        }
        if let (Some(tenant), Some(tenants)) = (tenant, &vocabulary.tenants)
            && reason != Some(ReasonCode::TenantUnknown)
        {
            let all: Vec<_> = tenants.iter().map(String::as_str).collect();
            self.one_of("tenant", "unknown-tenant", tenant, &all);
        }
    }

    fn one_of(&mut self, noun: &str, code: &'static str, name: &Named, all: &[&str]) {
        if !all.contains(&name.name.as_str()) {
            let problem = name.at.error(code, format!("no {noun} `{}`", name.name));
            self.problems.push(problem.with_help(hint(&name.name, all.iter().copied())));
        }
    }
}

/// Type and id of the short form. The `::` of a Cedar namespace is no border between them.
fn split_resource(text: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(':')).map(|at| from + at) {
        if text.get(at..).is_some_and(|rest| rest.starts_with("::")) {
            from = at + 2;
        } else {
            return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        }
    }
    (text, "")
}

fn time(node: Option<&Node>) -> Option<Timestamp> {
    node.and_then(Node::as_text).and_then(Timestamp::parse)
}

/// A value as a request would give it in JSON.
fn value(node: &Node) -> Value<'static> {
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

#[cfg(test)]
mod tests {
    use super::split_resource;

    #[test]
    fn the_short_form_is_split_at_the_first_single_colon() {
        assert_eq!(split_resource("order"), ("order", ""));
        assert_eq!(split_resource("order:o-1"), ("order", "o-1"));
        assert_eq!(split_resource("order:a:b"), ("order", "a:b"));
        assert_eq!(split_resource("App::Photo:x"), ("App::Photo", "x"));
        assert_eq!(split_resource("order:"), ("order", ""));
    }
}
