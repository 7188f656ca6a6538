//! What a user was given, as a report shows it.

use crate::{
    model::{self, Assignment, AssignmentKind, Timestamp, User, Value},
    policy::{CUSTOM, Catalog},
};
use serde::Serialize;

/// A role that a user has.
#[derive(Debug, Serialize)]
pub struct GivenRole<'s> {
    /// The role's name to show.
    pub name: Option<&'s str>,
    /// What was given.
    #[serde(flatten)]
    pub given: Given<'s>,
}

/// Something that a user was given.
#[derive(Debug, Clone, Serialize)]
pub struct Given<'s> {
    /// The id: of a role, a gate, or a grant such as `pricing/editor`.
    pub id: &'s str,
    /// From when on it no longer counts.
    pub until: Option<String>,
    /// Why it was given.
    pub why: Option<&'s str>,
    /// Whether it has run out.
    pub expired: bool,
}

/// A gate, and how it stands for a user.
#[derive(Debug, Serialize)]
pub struct Gate<'s> {
    /// Its id.
    pub id: &'s str,
    /// The name to show.
    pub name: Option<&'s str>,
    /// Whether it is open.
    pub open: bool,
    /// Until when it is.
    pub until: Option<String>,
    /// Why it was opened.
    pub why: Option<&'s str>,
}

/// Everything that a user was given in one tenant.
pub(super) struct All<'s> {
    roles: Vec<Given<'s>>,
    pub(super) grants: Vec<Given<'s>>,
    gates: Vec<Given<'s>>,
    /// What has not run out.
    counting: Vec<&'s Assignment>,
}

impl<'s> Given<'s> {
    /// Everything that a user was given in a tenant, with what has run out at a time.
    pub(super) fn all(user: &'s User, tenant: Option<&'s str>, time: Timestamp) -> All<'s> {
        let membership = user.memberships.iter().find(|membership| membership.tenant.as_deref() == tenant);
        let of = |kind: AssignmentKind| {
            let assignments = membership.into_iter().flat_map(|membership| &membership.assignments);
            assignments.filter(|given| given.kind == kind).map(|given| Self::new(given, time)).collect()
        };
        All {
            roles: of(AssignmentKind::Role),
            grants: of(AssignmentKind::Grant),
            gates: of(AssignmentKind::Gate),
            counting: user.assignments(tenant, time).collect(),
        }
    }

    fn new(given: &'s Assignment, time: Timestamp) -> Self {
        Self {
            id: &given.name,
            until: given.until.map(|until| until.to_string()),
            why: given.why.as_deref(),
            expired: given.until.is_some_and(|until| time >= until),
        }
    }
}

impl<'s> All<'s> {
    /// The roles with their names.
    pub(super) fn roles(&self, catalog: &'s Catalog) -> Vec<GivenRole<'s>> {
        let named = |given: &Given<'s>| {
            let role = catalog.roles.iter().find(|role| role.id == given.id);
            GivenRole { name: role.and_then(|role| role.label.name.as_deref()), given: given.clone() }
        };
        self.roles.iter().map(named).collect()
    }

    /// Every gate of the set.
    pub(super) fn gates(&self, catalog: &'s Catalog) -> Vec<Gate<'s>> {
        let gate = |gate: &'s crate::policy::Gate| {
            let open = self.gates.iter().find(|given| given.id == gate.id && !given.expired);
            Gate {
                id: &gate.id,
                name: gate.label.name.as_deref(),
                open: open.is_some(),
                until: open.and_then(|given| given.until.clone()),
                why: open.and_then(|given| given.why),
            }
        };
        catalog.gates.iter().map(gate).collect()
    }

    /// The preset that this equals, `custom` where it equals none; `None` where the set has no presets.
    pub(super) fn preset(&self, catalog: &'s Catalog) -> Option<&'s str> {
        let named = catalog.preset_of(self.counting.iter().copied()).map(|preset| preset.id.as_str());
        (!catalog.presets.is_empty()).then(|| named.unwrap_or(CUSTOM))
    }
}

/// A user's attributes as requests give them: entities by their ids.
pub(super) fn attributes(given: &model::Attributes<'_>) -> serde_json::Map<String, serde_json::Value> {
    given.iter().map(|(name, value)| (name.to_string(), value_json(value))).collect()
}

/// A value as requests give it.
pub(crate) fn value_json(value: &model::Value<'_>) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Long(value) => (*value).into(),
        Value::String(text) => text.as_ref().into(),
        Value::Entity { id, .. } => id.as_ref().into(),
        Value::Set(items) => items.iter().map(value_json).collect(),
        Value::Record(fields) => serde_json::Value::Object(
            fields.iter().map(|(name, value)| (name.to_string(), value_json(value))).collect(),
        ),
        Value::Extension { arguments, .. } => arguments.first().map_or(serde_json::Value::Null, value_json),
        Value::Unrepresentable(_) => serde_json::Value::Null,
    }
}
