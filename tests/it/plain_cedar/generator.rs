//! Makes random policy sets for what the corpus lacks: templates and links, many permits and forbids, action groups, `is`,
//! `is in`, tags, entities that do not exist.

use super::Ask;
use cedar_policy::{Entities, EntityUid, PolicyId, PolicySet, SlotId, Template};
use serde_json::json;
use std::{collections::HashMap, fmt::Write as _};

const USERS: usize = 6;
const GROUPS: usize = 5;
const DOCUMENTS: usize = 6;
const FOLDERS: usize = 4;
const ACTIONS: [&str; 6] = ["read", "write", "share", "reading", "writing", "everything"];

/// Random policy sets from one seed.
pub(super) struct Generator {
    random: fastrand::Rng,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed) }
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random.usize(..limit)
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    /// Sometimes beyond those that exist.
    fn user(&mut self) -> String {
        format!("User::\"u{}\"", self.below(USERS + 2))
    }

    fn group(&mut self) -> String {
        let ty = self.pick(&["Group", "Team::Group"]);
        format!("{ty}::\"g{}\"", self.below(GROUPS + 1))
    }

    fn document(&mut self) -> String {
        format!("Doc::\"d{}\"", self.below(DOCUMENTS + 2))
    }

    fn folder(&mut self) -> String {
        format!("Folder::\"f{}\"", self.below(FOLDERS + 1))
    }

    fn action(&mut self) -> String {
        let action = self.pick(&[&ACTIONS[..], &["unknown"]].concat());
        format!("Action::\"{action}\"")
    }

    /// Users in groups in groups, documents in folders in folders, actions in action groups, with attributes and tags.
    pub(super) fn entities(&mut self) -> Entities {
        let mut entities = Vec::new();
        for index in 0..USERS {
            let mut parents: Vec<_> = (0..self.below(4)).map(|_| self.group()).collect();
            parents.sort();
            parents.dedup();
            let mut attributes = json!({ "level": self.below(5), "name": format!("u{index}") });
            if self.random.bool() {
                attributes["boss"] = json!({ "__entity": uid(&self.user()) });
            }
            entities.push(entity(&format!("User::\"u{index}\""), &parents, &attributes, &self.tags()));
        }
        for index in 0..GROUPS {
            for ty in ["Group", "Team::Group"] {
                let mut parents = Vec::new();
                if index + 1 < GROUPS && self.random.bool() {
                    parents.push(format!("{ty}::\"g{}\"", index + 1));
                }
                entities.push(entity(&format!("{ty}::\"g{index}\""), &parents, &json!({ "size": index }), &json!({})));
            }
        }
        for index in 0..DOCUMENTS {
            let parents = [self.folder()];
            let labels: Vec<_> = (0..self.below(4)).map(|_| self.pick(&["a", "b", "c"])).collect();
            let mut attributes = json!({ "labels": labels, "public": self.random.bool() });
            if self.random.bool() {
                attributes["owner"] = json!({ "__entity": uid(&self.user()) });
            }
            if self.random.bool() {
                attributes["source"] = json!({ "__extn": { "fn": "ip", "arg": "10.0.0.1" } });
            }
            entities.push(entity(&format!("Doc::\"d{index}\""), &parents, &attributes, &self.tags()));
        }
        for index in 0..FOLDERS {
            let parents: Vec<_> =
                (index + 1 < FOLDERS).then(|| format!("Folder::\"f{}\"", index + 1)).into_iter().collect();
            entities.push(entity(&format!("Folder::\"f{index}\""), &parents, &json!({}), &json!({})));
        }
        let groups = [
            ("read", "reading"),
            ("write", "writing"),
            ("share", "writing"),
            ("reading", "everything"),
            ("writing", "everything"),
        ];
        for (action, group) in groups {
            let parents = [format!("Action::\"{group}\"")];
            entities.push(entity(&format!("Action::\"{action}\""), &parents, &json!({}), &json!({})));
        }
        entities.push(entity("Action::\"everything\"", &[], &json!({}), &json!({})));
        Entities::from_json_value(entities.into(), None).expect("valid entities")
    }

    fn tags(&mut self) -> serde_json::Value {
        let mut tags = json!({});
        for tag in ["team", "cost"] {
            if self.random.bool() {
                tags[tag] = self.pick(&["red", "blue"]).into();
            }
        }
        tags
    }

    /// Static policies, templates and links of them.
    pub(super) fn policies(&mut self, count: usize) -> PolicySet {
        let mut set = PolicySet::new();
        for index in 0..count {
            let id = PolicyId::new(format!("p{index}"));
            if self.below(4) == 0 {
                self.linked(&mut set, index);
            } else {
                let text = self.policy(None, None);
                let policy =
                    cedar_policy::Policy::parse(Some(id), &text).unwrap_or_else(|error| panic!("{text}: {error}"));
                set.add(policy).unwrap();
            }
        }
        set
    }

    fn linked(&mut self, set: &mut PolicySet, index: usize) {
        let shapes = [("principal == ?principal", None), ("principal in ?principal", Some("resource in ?resource"))];
        let shapes = [shapes[0], shapes[1], ("principal is User in ?principal", Some("resource == ?resource"))];
        let (principal, resource) = shapes[self.below(shapes.len())];
        let text = self.policy(Some(principal), resource);
        let id = PolicyId::new(format!("t{index}"));
        set.add_template(Template::parse(Some(id.clone()), &text).unwrap()).unwrap();
        for link in 0..=self.below(3) {
            let who = if self.random.bool() { self.user() } else { self.group() };
            let mut values = HashMap::from([(SlotId::principal(), who.parse().unwrap())]);
            if resource.is_some() {
                let what = if self.random.bool() { self.document() } else { self.folder() };
                values.insert(SlotId::resource(), what.parse().unwrap());
            }
            set.link(id.clone(), PolicyId::new(format!("l{index}-{link}")), values).unwrap();
        }
    }

    fn policy(&mut self, principal: Option<&str>, resource: Option<&str>) -> String {
        let effect = self.pick(&["permit", "permit", "forbid"]);
        let principal = principal.map_or_else(|| self.principal_scope(), str::to_owned);
        let action = self.action_scope();
        let resource = resource.map_or_else(|| self.resource_scope(), str::to_owned);
        let mut text = format!("{effect}({principal}, {action}, {resource})");
        for _ in 0..self.below(3) {
            let clause = self.pick(&["when", "when", "unless"]);
            let condition = self.boolean(3);
            write!(text, " {clause} {{ {condition} }}").unwrap();
        }
        text + ";"
    }

    fn principal_scope(&mut self) -> String {
        match self.below(6) {
            0 => "principal".into(),
            1 => format!("principal == {}", self.user()),
            2 => format!("principal in {}", self.group()),
            3 => format!("principal is {}", self.pick(&["User", "Team::Group", "Robot"])),
            4 => format!("principal is User in {}", self.group()),
            _ => format!("principal in {}", self.user()),
        }
    }

    fn action_scope(&mut self) -> String {
        match self.below(5) {
            0 => "action".into(),
            1 => format!("action == {}", self.action()),
            2 => format!("action in {}", self.action()),
            3 => "action in []".into(),
            _ => format!("action in [{}, {}]", self.action(), self.action()),
        }
    }

    fn resource_scope(&mut self) -> String {
        match self.below(6) {
            0 => "resource".into(),
            1 => format!("resource == {}", self.document()),
            2 => format!("resource in {}", self.folder()),
            3 => format!("resource is {}", self.pick(&["Doc", "Folder"])),
            4 => format!("resource is Doc in {}", self.folder()),
            _ => format!("resource in {}", self.document()),
        }
    }

    /// A condition; now and then one that does not type-check, so that it errors.
    fn boolean(&mut self, depth: usize) -> String {
        if depth > 0 && self.below(2) == 0 {
            let (left, right) = (self.boolean(depth - 1), self.boolean(depth - 1));
            return match self.below(4) {
                0 => format!("({left} && {right})"),
                1 => format!("({left} || {right})"),
                2 => format!("!({left})"),
                _ => format!("(if {left} then {right} else {})", self.boolean(depth - 1)),
            };
        }
        match self.below(22) {
            0 => "resource has owner && resource.owner == principal".into(),
            1 => "resource.owner == principal".into(),
            2 => "principal has boss && principal.boss has level && principal.boss.level > 2".into(),
            3 => format!("principal in {}", self.group()),
            4 => format!("resource in [{}, {}]", self.folder(), self.document()),
            5 => format!("principal.level < {}", self.below(6)),
            6 => format!("resource.labels.contains(\"{}\")", self.pick(&["a", "b", "z"])),
            7 => "resource.labels.containsAny([\"a\", \"b\"])".into(),
            8 => "resource.labels.containsAll([\"c\"])".into(),
            9 => "principal.name like \"u*\"".into(),
            10 => "resource.public".into(),
            11 => "context has mfa && context.mfa".into(),
            12 => "context.ip.isInRange(ip(\"10.0.0.0/8\"))".into(),
            13 => format!(
                "principal.hasTag(\"team\") && principal.getTag(\"team\") == \"{}\"",
                self.pick(&["red", "blue"])
            ),
            14 => "resource.getTag(\"cost\") == \"red\"".into(),
            15 => "resource is Doc && principal is User".into(),
            16 => format!("action in {}", self.action()),
            17 => format!("principal.level + {} > 9223372036854775807", self.below(2)),
            18 => "resource.labels.isEmpty()".into(),
            19 => "[principal, resource].contains(principal)".into(),
            20 => "resource.labels == [\"a\", \"b\"]".into(),
            _ => "principal has boss.boss.name".into(),
        }
    }

    /// A request; some of its entities do not exist.
    pub(super) fn ask(&mut self) -> Ask {
        let principal = if self.below(8) == 0 { "Robot::\"r\"".to_owned() } else { self.user() };
        let resource = if self.below(6) == 0 { self.folder() } else { self.document() };
        let mut context = json!({});
        if self.random.bool() {
            context["mfa"] = self.random.bool().into();
        }
        if self.random.bool() {
            context["ip"] = json!({ "__extn": { "fn": "ip", "arg": "10.1.2.3" } });
        }
        let parse = |text: &str| -> EntityUid { text.parse().unwrap() };
        Ask { principal: parse(&principal), action: parse(&self.action()), resource: parse(&resource), context }
    }
}

fn uid(text: &str) -> serde_json::Value {
    let uid: EntityUid = text.parse().unwrap();
    json!({ "type": uid.type_name().to_string(), "id": uid.id().unescaped() })
}

fn entity(id: &str, parents: &[String], attributes: &serde_json::Value, tags: &serde_json::Value) -> serde_json::Value {
    let parents: Vec<_> = parents.iter().map(|parent| uid(parent)).collect();
    json!({ "uid": uid(id), "parents": parents, "attrs": attributes, "tags": tags })
}
