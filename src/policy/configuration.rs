//! A user's configuration that is not saved: what it would be like to have these roles, grants and gates.
//!
//! It is read from JSON, and every name in it is looked up; every problem is told with the place in the JSON.

use super::{
    Catalog, Snapshot,
    names::{NO_LEVEL, is_visible},
    resolve::json_value,
};
use crate::{
    document::hint,
    engine::{Dialect, Tenancy, Vocabulary},
    model::{Assignment, AssignmentKind, Membership, Status, Timestamp, User},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// The members of a configuration.
const MEMBERS: [&str; 10] =
    ["user", "name", "status", "until", "tenant", "preset", "roles", "grants", "gates", "attributes"];

/// The members of something that is given, beside its name. Who gave it and when is noted by the directory: it may be said again.
const HOW: [&str; 4] = ["until", "why", "by", "at"];

/// Characters of a reason at the most: it stands in records, which are bounded, beside all else that is given.
pub const MOST_WHY: usize = 500;

/// Problems that are told of a configuration at the most. Whoever sends more of them has another kind of mistake, and a hint takes a
/// look at every name of the set.
pub const MOST_PROBLEMS: usize = 20;

/// Until when and why something is given.
#[derive(Debug, Default)]
pub struct How {
    /// From when on it no longer counts.
    pub until: Option<Timestamp>,
    /// The reason.
    pub why: Option<String>,
}

impl How {
    /// Reads it from an item such as `{"role": "manager", "until": "2027-01-31T00:00:00Z", "why": "..."}`, where `key` names the thing.
    /// One that is its bare name is given for good.
    ///
    /// # Errors
    /// Fails with every problem: a member that means nothing here is one, since an end may be behind it.
    pub fn read(at: &str, key: &str, item: &Value) -> Result<Self, Vec<Problem>> {
        let Value::Object(members) = item else { return Ok(Self::default()) };
        let mut problems = Vec::new();
        let known = || std::iter::once(key).chain(HOW);
        for name in members.keys().filter(|name| known().all(|known| known != *name)).take(MOST_PROBLEMS) {
            let help = hint(name, known());
            problems.push(Problem::new(&pointer(at, name), format!("there is no member `{name}` here"), help));
        }
        let mut text = |name: &str| {
            let value = members.get(name).filter(|value| !value.is_null())?;
            if !value.is_string() {
                problems.push(Problem::new(&pointer(at, name), format!("must be a text, found {}", kind(value)), None));
            }
            value.as_str()
        };
        let (until, why) = (text("until"), text("why").map(str::to_owned));
        if why.as_ref().is_some_and(|why| why.chars().count() > MOST_WHY) {
            problems.push(Problem::new(&pointer(at, "why"), format!("is longer than {MOST_WHY} characters"), None));
        }
        let time = until.and_then(Timestamp::parse);
        if let Some(text) = until.filter(|_| time.is_none()) {
            let help = "write it like 2027-01-31T00:00:00Z, with date, time and zone".to_owned();
            problems.push(Problem::new(&pointer(at, "until"), format!("`{text}` is not a point in time"), Some(help)));
        }
        if problems.is_empty() { Ok(Self { until: time, why }) } else { Err(problems) }
    }
}

/// A user as it would be, and the tenant in which it is asked about.
#[derive(Debug)]
pub struct Configuration {
    /// The user.
    pub user: User,
    /// The tenant.
    pub tenant: Option<String>,
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// Where it is, as a JSON pointer: `/roles/0`.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Configuration {
    /// Reads a configuration and looks its names up in a policy set.
    ///
    /// # Errors
    /// Fails with everything that is wrong with it.
    pub fn read(snapshot: &Snapshot, json: &Value) -> Result<Self, Vec<Problem>> {
        let Dialect::Declared(vocabulary) = snapshot.program.dialect() else {
            return Err(vec![Problem::new("", "a policy set of plain Cedar has no configurations of users", None)]);
        };
        let Value::Object(members) = json else {
            return Err(vec![Problem::new("", "must be an object", None)]);
        };
        let mut reader = Reader { catalog: &snapshot.catalog, vocabulary, problems: Vec::new() };
        let configuration = reader.whole(members);
        if reader.problems.is_empty() { Ok(configuration) } else { Err(reader.problems) }
    }
}

impl Problem {
    fn new(pointer: &str, message: impl Into<String>, help: Option<String>) -> Self {
        Self { pointer: pointer.to_owned(), message: message.into(), help }
    }
}

struct Reader<'r> {
    catalog: &'r Catalog,
    vocabulary: &'r Vocabulary,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn whole(&mut self, members: &Map<String, Value>) -> Configuration {
        for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())).take(MOST_PROBLEMS) {
            self.report(&pointer("", name), format!("a configuration has no member `{name}`"), hint(name, MEMBERS));
        }
        // A member that is null is absent.
        let get = |name: &str| members.get(name).filter(|value| !value.is_null());
        let tenant = get("tenant").and_then(|value| self.tenant(value));
        let mut assignments = self.preset(get("preset"));
        self.grants(get("grants"), &mut assignments);
        self.assigned(AssignmentKind::Gate, "gates", "gate", get("gates"), &mut assignments);
        self.assigned(AssignmentKind::Role, "roles", "role", get("roles"), &mut assignments);
        self.one_family(get("roles"));
        if tenant.is_none() && self.vocabulary.tenancy == Tenancy::Required && get("tenant").is_none() {
            self.report("", "roles count in a tenant only: the member `tenant` is missing", None);
        }
        let text = |reader: &mut Self, name: &str| get(name).and_then(|value| reader.text(&pointer("", name), value));
        let id = text(self, "user");
        if id.as_ref().is_some_and(|id| !is_visible(id)) {
            self.report("/user", "this cannot be the id of a user", None);
        }
        let user = User {
            id: id.unwrap_or_default(),
            name: text(self, "name"),
            email: None,
            status: get("status").map_or(Status::Active, |value| self.status(value)),
            until: get("until").and_then(|value| self.time("/until", value)),
            family: None,
            attributes: self.attributes(get("attributes")),
            memberships: vec![Membership { tenant: tenant.clone(), assignments, values: Vec::new() }],
        };
        Configuration { user, tenant }
    }

    fn report(&mut self, pointer: &str, message: impl Into<String>, help: Option<String>) {
        if !self.is_full() {
            self.problems.push(Problem::new(pointer, message, help));
        }
    }

    /// Whether no more problems are told, so that there is no use in looking for them.
    fn is_full(&self) -> bool {
        self.problems.len() >= MOST_PROBLEMS
    }

    fn text(&mut self, at: &str, value: &Value) -> Option<String> {
        if let Value::String(text) = value {
            return Some(text.clone());
        }
        self.report(at, format!("must be a text, found {}", kind(value)), None);
        None
    }

    fn time(&mut self, at: &str, value: &Value) -> Option<Timestamp> {
        let text = self.text(at, value)?;
        let time = Timestamp::parse(&text);
        if time.is_none() {
            let help = "write it like 2027-01-31T00:00:00Z, with date, time and zone".to_owned();
            self.report(at, format!("`{text}` is not a point in time"), Some(help));
        }
        time
    }

    /// A name that must be among the known ones.
    fn known<'k>(
        &mut self,
        at: &str,
        noun: &str,
        value: &Value,
        known: impl IntoIterator<Item = &'k str, IntoIter: Clone>,
    ) -> Option<String> {
        if self.is_full() {
            return None;
        }
        let text = self.text(at, value)?;
        let known = known.into_iter();
        if known.clone().any(|name| name == text) {
            return Some(text);
        }
        self.report(at, format!("no {noun} `{text}`"), hint(&text, known));
        None
    }

    fn status(&mut self, value: &Value) -> Status {
        const ALL: [Status; 3] = [Status::Active, Status::Invited, Status::Suspended];
        let name = self.known("/status", "status", value, ALL.map(Status::as_str));
        ALL.into_iter().find(|status| name.as_deref() == Some(status.as_str())).unwrap_or(Status::Active)
    }

    fn tenant(&mut self, value: &Value) -> Option<String> {
        let tenant = self.text("/tenant", value)?;
        match (self.vocabulary.tenancy, &self.vocabulary.tenants) {
            (Tenancy::None, _) => {
                self.report("/tenant", "this policy set has no tenants", None);
                None
            }
            (Tenancy::Required, Some(known)) if !known.contains(&tenant) => {
                let help = hint(&tenant, known.iter().map(String::as_str));
                self.report("/tenant", format!("no tenant `{tenant}`"), help);
                None
            }
            (Tenancy::Required, _) => Some(tenant),
        }
    }

    /// The gates and grants of a preset.
    fn preset(&mut self, value: Option<&Value>) -> Vec<Assignment> {
        let catalog = self.catalog;
        let names = catalog.presets.iter().map(|preset| preset.id.as_str());
        let Some(name) = value.and_then(|value| self.known("/preset", "preset", value, names)) else {
            return Vec::new();
        };
        let found = catalog.presets.iter().find(|preset| preset.id == name);
        let levels = found.into_iter().flat_map(|preset| &preset.levels);
        let grants = levels.map(|(module, level)| (AssignmentKind::Grant, format!("{module}/{level}")));
        let gates = found.into_iter().flat_map(|preset| &preset.gates);
        let gates = gates.map(|gate| (AssignmentKind::Gate, gate.clone()));
        grants.chain(gates).map(|(kind, name)| Assignment { kind, name, until: None, why: None }).collect()
    }

    /// Levels on modules. They stand in place of what a preset says about the same module.
    fn grants(&mut self, value: Option<&Value>, assignments: &mut Vec<Assignment>) {
        let Some(grants) = value.and_then(|value| self.object("/grants", value)) else { return };
        let catalog = self.catalog;
        let modules: Vec<&str> = catalog.modules.iter().map(|module| module.id.as_str()).collect();
        for (module, given) in grants {
            if self.is_full() {
                return;
            }
            let at = pointer("/grants", module);
            let known = self.known(&at, "module", &Value::from(module.as_str()), modules.iter().copied());
            let (at, level) = match given.get("level") {
                Some(level) => (pointer(&at, "level"), level),
                None => (at, given),
            };
            let levels = catalog.levels.iter().map(|level| level.name.as_str()).chain([NO_LEVEL]);
            let (Some(module), Some(level)) = (known, self.known(&at, "level", level, levels)) else { continue };
            let prefix = format!("{module}/");
            assignments.retain(|given| given.kind != AssignmentKind::Grant || !given.name.starts_with(&prefix));
            if level == NO_LEVEL {
                self.how(&pointer("/grants", &module), "level", given);
                continue;
            }
            let declared = catalog.modules.iter().find(|known| known.id == module);
            let actions = catalog.levels.iter().find(|known| known.name == level).zip(declared);
            if actions.is_some_and(|(level, module)| module.actions_of(level).is_empty()) {
                self.report(&at, format!("the level `{level}` has no action of the module `{module}`"), None);
            }
            let How { until, why } = self.how(&pointer("/grants", &module), "level", given);
            assignments.push(Assignment { kind: AssignmentKind::Grant, name: prefix + &level, until, why });
        }
    }

    fn how(&mut self, at: &str, key: &str, given: &Value) -> How {
        How::read(at, key, given).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            self.problems.truncate(MOST_PROBLEMS);
            How::default()
        })
    }

    /// A list of roles or gates, each by its id or as an object with `until` and `why`.
    fn assigned(
        &mut self,
        kind: AssignmentKind,
        member: &str,
        key: &str,
        value: Option<&Value>,
        assignments: &mut Vec<Assignment>,
    ) {
        let Some(value) = value else { return };
        let at = pointer("", member);
        let Value::Array(items) = value else {
            return self.report(&at, format!("must be a list, found {}", self::kind(value)), None);
        };
        let catalog = self.catalog;
        let names: Vec<&str> = match kind {
            AssignmentKind::Role => catalog.roles.iter().map(|role| role.id.as_str()).collect(),
            AssignmentKind::Gate | AssignmentKind::Grant => catalog.gates.iter().map(|gate| gate.id.as_str()).collect(),
        };
        let mut seen: Vec<String> = Vec::new();
        for (index, item) in items.iter().enumerate() {
            if self.is_full() {
                return;
            }
            let at = pointer(&at, &index.to_string());
            let (place, name) = named(&at, key, item);
            let Some(name) = self.known(&place, key, name, names.iter().copied()) else { continue };
            let How { until, why } = self.how(&at, key, item);
            if seen.contains(&name) {
                self.report(&place, format!("the {key} `{name}` is given twice"), None);
                continue;
            }
            seen.push(name.clone());
            // It stands in place of what a preset says about it.
            assignments.retain(|given| given.kind != kind || given.name != name);
            assignments.push(Assignment { kind, name, until, why });
        }
    }

    /// A user has roles of one family alone.
    fn one_family(&mut self, roles: Option<&Value>) {
        let catalog = self.catalog;
        let mut first: Option<(&str, &str)> = None;
        for (index, item) in roles.and_then(Value::as_array).into_iter().flatten().enumerate() {
            if self.is_full() {
                return;
            }
            let (at, name) = named(&pointer("/roles", &index.to_string()), "role", item);
            let role = catalog.roles.iter().find(|role| Some(role.id.as_str()) == name.as_str());
            let Some((role, family)) = role.and_then(|role| Some((role, role.family.as_deref()?))) else { continue };
            match first {
                None => first = Some((&role.id, family)),
                Some((_, known)) if known == family => {}
                Some((earlier, known)) => {
                    let message = format!(
                        "`{}` is a role of the family `{family}`, `{earlier}` one of `{known}`; a user belongs to one family",
                        role.id
                    );
                    self.report(&at, message, None);
                }
            }
        }
    }

    fn object<'v>(&mut self, at: &str, value: &'v Value) -> Option<&'v Map<String, Value>> {
        if value.as_object().is_none() {
            self.report(at, format!("must be an object, found {}", kind(value)), None);
        }
        value.as_object()
    }

    fn attributes(&mut self, value: Option<&Value>) -> Vec<(String, crate::model::Value<'static>)> {
        let Some(given) = value.and_then(|value| self.object("/attributes", value)) else { return Vec::new() };
        let vocabulary = self.vocabulary;
        let mut attributes = Vec::new();
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            if self.is_full() {
                break;
            }
            let at = pointer("/attributes", name);
            let Some((_, ty)) = vocabulary.user_attributes.iter().find(|(known, _)| known == name) else {
                let known = vocabulary.user_attributes.iter().map(|(known, _)| known.as_str());
                self.report(&at, format!("no user attribute `{name}`"), hint(name, known));
                continue;
            };
            match json_value(value, ty) {
                Ok(value) => {
                    self.listed(&at, &value);
                    attributes.push((name.clone(), value));
                }
                Err(wanted) => self.report(&at, format!("must be {wanted}, found {}", kind(value)), None),
            }
        }
        attributes
    }

    /// Of a type with listed values there are no others.
    fn listed(&mut self, at: &str, value: &crate::model::Value<'_>) {
        use crate::model::Value as Typed;
        if self.is_full() {
            return;
        }
        match value {
            Typed::Entity { ty, id } => {
                let catalog = self.catalog;
                let listed = catalog.values.iter().find(|values| values.name == *ty).map(|listed| &listed.values);
                if let Some(listed) = listed.filter(|listed| !listed.iter().any(|known| *known == **id)) {
                    self.report(at, format!("no {ty} `{id}`"), hint(id, listed.iter().map(String::as_str)));
                }
            }
            Typed::Set(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.listed(&pointer(at, &index.to_string()), item);
                }
            }
            Typed::Record(fields) => fields.iter().for_each(|(name, field)| self.listed(&pointer(at, name), field)),
            _ => {}
        }
    }
}

/// The name of something that is given, bare or as a member, and where it stands.
fn named<'v>(at: &str, key: &str, item: &'v Value) -> (String, &'v Value) {
    item.get(key).map_or_else(|| (at.to_owned(), item), |name| (pointer(at, key), name))
}

/// A JSON pointer one step further.
fn pointer(to: &str, member: &str) -> String {
    format!("{to}/{}", member.replace('~', "~0").replace('/', "~1"))
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "`true` or `false`",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
