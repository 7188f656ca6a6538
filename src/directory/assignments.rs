//! Calls that give and take: roles, levels on modules, gates, values such as channels, each in one tenant.

use super::{
    Account, Directory,
    account::{Given, GivenKind},
    call::{Call, Refusal},
    custom::Custom,
    fields::pointer,
    scene::Scene,
    users::object,
};
use crate::{
    model::{AssignmentKind, Timestamp},
    policy::{self, Concern, Configuration, How, MOST_WHY, Operation, Problem},
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The members of what is given.
const MEMBERS: [&str; 7] = ["preset", "roles", "grants", "gates", "attributes", "until", "why"];

/// How what is given meets what was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It takes the place of everything that the user has in the tenant.
    Replace,
    /// It is added; what the user has already gets the new end and reason.
    Give,
    /// It is taken away.
    Take,
}

impl Directory {
    /// Gives to a user in a tenant, or takes away.
    ///
    /// # Errors
    /// Fails with every problem of what is given, where the user has changed since the caller has seen it, or where the actor may not.
    pub fn assign(&self, call: &Call<'_>, id: &str, manner: Manner, what: &Value) -> Result<Arc<Account>, Refusal> {
        let action = match manner {
            Manner::Replace => "set_assignments",
            Manner::Give => "give",
            Manner::Take => "take",
        };
        let assigned = self.alter(call, action, Operation::Assign, id, |scene, account| {
            let tenant = scene.tenant_of_change()?;
            let given = read(scene, tenant, what)?;
            if manner == Manner::Take {
                has_all(account, tenant, &given, what)?;
            }
            apply(scene, account, tenant, manner, given)?;
            Ok(None)
        });
        assigned.map_err(|refusal| refusal.placed(|denied| place_of(denied, what)))
    }
}

/// Where something stands in what a call gives, as a JSON pointer; empty where it is not named there.
pub(super) fn place_of(denied: &Concern, what: &Value) -> String {
    let list = |at: &str, member: &str, name: &str| {
        let items = what.pointer(at)?.as_array()?;
        let is_it = |item: &Value| {
            let named = item.get(member).unwrap_or(item);
            named.as_str().map_or_else(|| *named == name, |text| text == name)
        };
        Some(pointer(at, &items.iter().position(is_it)?.to_string()))
    };
    let (owner, rest) = denied.name.split_once('/').unwrap_or((&denied.name, ""));
    let found = match denied.kind {
        "role" => list("/roles", "role", &denied.name),
        "gate" => list("/gates", "gate", &denied.name),
        "grant" => {
            let module = denied.name.rsplit_once('/').map_or("", |(module, _)| module);
            let at = pointer("/grants", module);
            what.pointer(&at).is_some().then_some(at)
        }
        "value" => list(&pointer("/attributes", owner), "value", rest),
        _ => None,
    };
    let preset = || what.get("preset").filter(|preset| !preset.is_null()).map(|_| "/preset".to_owned());
    found.or_else(preset).unwrap_or_default()
}

/// What a call gives, read against the policy set.
pub(super) fn read(scene: &Scene<'_>, tenant: Option<&str>, what: &Value) -> Result<Vec<Given>, Refusal> {
    let members = object(what)?;
    let mut problems = Vec::new();
    let mut report = |pointer: String, message: String, help: Option<String>| {
        problems.push(Problem { pointer, message, help });
    };
    for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let help = crate::document::hint(name, MEMBERS);
        report(pointer("", name), format!("there is no member `{name}` here"), help);
    }
    let until = members.get("until").filter(|until| !until.is_null()).and_then(|until| {
        let time = until.as_str().and_then(Timestamp::parse);
        if time.is_none() {
            report("/until".to_owned(), "must be a point in time such as 2027-01-31T00:00:00Z".to_owned(), None);
        }
        time
    });
    let why = members.get("why").filter(|why| !why.is_null());
    if why.is_some_and(|why| !why.is_string()) {
        report("/why".to_owned(), "must be a text".to_owned(), None);
    }
    let why = why.and_then(Value::as_str);
    if why.is_some_and(|why| why.chars().count() > MOST_WHY) {
        report("/why".to_owned(), format!("is longer than {MOST_WHY} characters"), None);
    }
    let (mut configuration, values) = apart(members, tenant);
    let attributes = members.get("attributes").and_then(Value::as_object);
    for name in attributes.into_iter().flat_map(Map::keys) {
        let known = || {
            scene.vocabulary().into_iter().flat_map(|known| known.user_attributes.iter().map(|(name, _)| name.as_str()))
        };
        if known().all(|known| known != name) {
            let help = crate::document::hint(name, known());
            report(pointer("/attributes", name), format!("no user attribute `{name}`"), help);
        }
    }
    let custom = Custom::take(scene.lens()?, &mut configuration);
    let read = Configuration::read(scene.snapshot, &configuration.into());
    let mut given = Vec::new();
    for role in &custom.roles {
        match role.read(scene) {
            Ok(role) => given.push(Given {
                until: role.until.or(until),
                why: role.why.clone().or_else(|| why.map(str::to_owned)),
                ..role
            }),
            Err(found) => problems.extend(found),
        }
    }
    match read {
        Ok(read) => {
            let assignments = read.user.memberships.into_iter().flat_map(|membership| membership.assignments);
            given.extend(assignments.map(|assignment| Given {
                kind: match assignment.kind {
                    AssignmentKind::Role => GivenKind::Role,
                    AssignmentKind::Grant => GivenKind::Grant,
                    AssignmentKind::Gate => GivenKind::Gate,
                },
                name: assignment.name,
                value: None,
                until: assignment.until.or(until),
                why: assignment.why.or_else(|| why.map(str::to_owned)),
                by: scene.giver(),
                at: scene.now(),
            }));
        }
        Err(found) => problems.extend(found.into_iter().map(|problem| custom.place(problem))),
    }
    for value in values {
        match value.read(scene) {
            Ok(value) => given.push(Given {
                until: value.until.or(until),
                why: value.why.clone().or_else(|| why.map(str::to_owned)),
                ..value
            }),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(given) } else { Err(Refusal::Invalid(problems)) }
}

/// One value of an attribute, as a call gives it.
struct OneValue<'v> {
    at: String,
    attribute: &'v str,
    given: &'v Value,
}

/// Takes what policies read as a configuration apart from the values of attributes, which are given one by one here.
fn apart<'v>(members: &'v Map<String, Value>, tenant: Option<&str>) -> (Map<String, Value>, Vec<OneValue<'v>>) {
    let mut values = Vec::new();
    let mut configuration: Map<String, Value> = ["preset", "roles", "grants", "gates"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), members.get(name)?.clone())))
        .collect();
    configuration.extend(tenant.map(|tenant| ("tenant".to_owned(), tenant.into())));
    match members.get("attributes") {
        Some(Value::Object(attributes)) => {
            for (attribute, list) in attributes {
                let at = pointer("/attributes", attribute);
                match list {
                    Value::Array(items) => values.extend(items.iter().enumerate().map(|(index, given)| OneValue {
                        at: format!("{at}/{index}"),
                        attribute,
                        given,
                    })),
                    given => values.push(OneValue { at, attribute, given }),
                }
            }
        }
        Some(other) if !other.is_null() => {
            configuration.insert("attributes".to_owned(), other.clone());
        }
        _ => {}
    }
    (configuration, values)
}

impl OneValue<'_> {
    fn read(&self, scene: &Scene<'_>) -> Result<Given, Vec<Problem>> {
        let problem = |at: &str, message: String, help| Err(vec![Problem { pointer: at.to_owned(), message, help }]);
        let known = scene.vocabulary().map(|vocabulary| &vocabulary.user_attributes);
        let Some((_, ty)) = known.into_iter().flatten().find(|(name, _)| name == self.attribute) else {
            // An unknown attribute is told once, with its name.
            return Err(Vec::new());
        };
        let named = self.given.as_object().and_then(|members| members.get("value"));
        let How { until, why } = match named {
            Some(_) => How::read(&self.at, "value", self.given)?,
            None => How::default(),
        };
        let value = named.unwrap_or(self.given);
        match policy::attribute_item(value, ty) {
            Err(wanted) => return problem(&self.at, format!("must be {wanted}"), None),
            Ok(crate::model::Value::Entity { ty, id }) => {
                let listed = scene.snapshot.catalog.values.iter().find(|values| values.name == ty);
                if let Some(listed) = listed.filter(|listed| !listed.values.iter().any(|known| *known == id)) {
                    let help = crate::document::hint(&id, listed.values.iter().map(String::as_str));
                    return problem(&self.at, format!("no {ty} `{id}`"), help);
                }
            }
            Ok(_) => {}
        }
        Ok(Given {
            kind: GivenKind::Value,
            name: self.attribute.to_owned(),
            value: Some(value.clone()),
            until,
            why,
            by: scene.giver(),
            at: scene.now(),
        })
    }
}

/// Refuses to take what a user does not have.
fn has_all(account: &Account, tenant: Option<&str>, taken: &[Given], what: &Value) -> Result<(), Refusal> {
    let had = account.place(tenant).map_or(&[][..], |place| place.given.as_slice());
    let missing = taken.iter().filter(|taken| !had.iter().any(|known| known.is_same_thing(taken)));
    let problems: Vec<Problem> = missing
        .map(|taken| {
            let kind = taken.kind.as_str();
            let name = match &taken.value {
                Some(value) => {
                    format!("{}/{}", taken.name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                }
                None => taken.name.clone(),
            };
            let message = format!("the user does not have the {kind} `{name}`");
            let pointer = place_of(&Concern { kind, name, tenant: tenant.map(str::to_owned) }, what);
            Problem { pointer, message, help: None }
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(Refusal::Invalid(problems)) }
}

/// Changes what an account has in a tenant.
pub(super) fn apply(
    scene: &Scene<'_>,
    account: &mut Account,
    tenant: Option<&str>,
    manner: Manner,
    given: Vec<Given>,
) -> Result<(), Refusal> {
    let old = account.place(tenant).map(|place| place.given.clone()).unwrap_or_default();
    let place = match manner {
        Manner::Replace => merged(&old, given, &[]),
        Manner::Give => {
            // A level on a module takes the place of another on the same one.
            let replaced = |known: &Given| {
                given.iter().any(|new| known.is_same_thing(new) || (is_grant_on_same_module(known, new)))
            };
            let kept: Vec<Given> = old.iter().filter(|known| !replaced(known)).cloned().collect();
            merged(&old, given, &kept)
        }
        Manner::Take => old.into_iter().filter(|known| !given.iter().any(|taken| known.is_same_thing(taken))).collect(),
    };
    families(scene, account, &place)?;
    account.set_place(tenant, place);
    Ok(())
}

fn is_grant_on_same_module(one: &Given, other: &Given) -> bool {
    let module = |given: &Given| {
        (given.kind == GivenKind::Grant).then(|| given.name.rsplit_once('/').map(|(module, _)| module.to_owned()))
    };
    module(one).is_some_and(|one| Some(one) == module(other))
}

/// What is given anew beside what stays. What was given in just this way before keeps its giver and its time.
fn merged(old: &[Given], new: Vec<Given>, kept: &[Given]) -> Vec<Given> {
    let is_unchanged = |known: &&Given, given: &Given| {
        known.is_same_thing(given) && known.until == given.until && known.why == given.why
    };
    let new =
        new.into_iter().map(|given| old.iter().find(|known| is_unchanged(known, &given)).cloned().unwrap_or(given));
    let mut place: Vec<Given> = kept.iter().cloned().chain(new).collect();
    place.sort_by(|one, other| {
        let value = |given: &Given| given.value.as_ref().map(ToString::to_string);
        (one.kind, &one.name, value(one)).cmp(&(other.kind, &other.name, value(other)))
    });
    place.dedup_by(|one, other| one.is_same_thing(other));
    place
}

/// A user belongs to one family: to that of its roles, where it was created without one.
fn families(scene: &Scene<'_>, account: &mut Account, place: &[Given]) -> Result<(), Refusal> {
    for given in place.iter().filter(|given| given.kind == GivenKind::Role) {
        let role = scene.snapshot.catalog.roles.iter().find(|role| role.id == given.name);
        let Some(family) = role.and_then(|role| role.family.as_ref()) else { continue };
        match &account.family {
            None => account.family = Some(family.clone()),
            Some(own) if own == family => {}
            Some(own) => {
                let message =
                    format!("`{}` is a role of the family `{family}`, the user belongs to `{own}`", given.name);
                return Err(Refusal::problem("/roles", message));
            }
        }
    }
    Ok(())
}
