//! Calls about roles that are put together here: list, look, put, delete.
//!
//! A change of a role is a change of everybody who has it, and is judged as such: for each holder, as it is and as it would be, and for
//! somebody who has nothing else, so that a role that nobody has yet holds no more than its maker does.

use super::{
    Directory,
    account::GivenKind,
    assignments::place_of,
    book::Step,
    call::{Actor, Call, Refusal},
    fields::{ID, pointer},
    invitation::{Invitation, Outcome},
    role::{CustomRole, Roles},
    scene::{Scene, memberships},
    service::{About, Plan},
    users::{difference, object},
};
use crate::{
    engine::Tenancy,
    model::{Assignment, AssignmentKind, Membership, Status, User},
    policy::{self, Configuration, Operation, Problem},
};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// The members of a role.
const MEMBERS: [&str; 5] = ["id", "name", "description", "grants", "gates"];
/// Longest text that people are shown.
const TEXT: usize = 500;

/// A role that was put together here, and who has it.
#[derive(Debug, Clone)]
pub struct ListedRole {
    /// The role.
    pub role: Arc<CustomRole>,
    /// How many users have it, in any tenant.
    pub holders: usize,
    /// Whether the policy set declares a role of the same name, which then counts in its place.
    pub shadowed: bool,
}

/// What came of putting a role.
#[derive(Debug, Clone)]
pub struct PutRole {
    /// The role as it is now.
    pub role: Arc<CustomRole>,
    /// Whether there was none before.
    pub created: bool,
}

impl Directory {
    /// Roles that were put together here, in order of their ids.
    #[must_use]
    pub fn custom_roles(&self) -> Vec<Arc<CustomRole>> {
        self.0.roster.lock().roles().values().cloned().collect()
    }

    /// A role that was put together here.
    ///
    /// # Errors
    /// Fails where there is none, or the actor may not list users.
    pub fn read_role(&self, call: &Call<'_>, id: &str) -> Result<ListedRole, Refusal> {
        let about = About { action: "read_role", resource_type: "role", id, user: "" };
        self.ask(call, about, |scene| {
            let policies = scene.permit(Operation::List, None, None)?;
            let role = Arc::clone(scene.custom_role(id)?);
            let shadowed = scene.snapshot.catalog.role(id).is_some();
            Ok(Plan::look(policies, ListedRole { role, holders: scene.book.holders(id).count(), shadowed }))
        })
    }

    /// Puts a role together, or changes one: what its holders have changes with it.
    ///
    /// # Errors
    /// Fails with every problem of what is given, where the policy set declares a role of this name, where the role has changed since the
    /// caller has seen it, or where the actor may not give or take what would change for some holder.
    pub fn put_role(&self, call: &Call<'_>, id: &str, body: &Value) -> Result<PutRole, Refusal> {
        let about = About { action: "put_role", resource_type: "role", id, user: "" };
        self.change(call, about, |scene| {
            if scene.snapshot.catalog.role(id).is_some() {
                let message =
                    format!("the policy set declares a role `{id}`: choose another name, or change it in git");
                return Err(Refusal::conflict("role_declared", message));
            }
            let old = scene.book.roles().get(id);
            match (old, scene.call.if_match) {
                (Some(old), _) => scene.expect(old.version)?,
                (None, Some(seen)) => return Err(Refusal::Changed { now: None, seen }),
                (None, None) => {}
            }
            let new = Arc::new(read(scene, id, old.map(|old| &**old), body)?);
            let policies = scene.permit_role(old.map(|old| &**old), Some(&new));
            let policies = policies.map_err(|refusal| refusal.placed(|denied| place_of(denied, body)))?;
            if let Some(same) = old.filter(|old| shown(old) == shown(&new)) {
                return Ok(Plan::look(policies, PutRole { role: Arc::clone(same), created: false }));
            }
            let (before, after) = match old {
                Some(old) => {
                    let (was, is) = difference(&shown(old), &shown(&new));
                    (Some(was), is)
                }
                None => (None, shown(&new)),
            };
            let value = PutRole { role: Arc::clone(&new), created: old.is_none() };
            let holders = scene.book.holders(id).count();
            let context = (holders > 0).then(|| json!({ "holders": holders }));
            Ok(Plan {
                steps: vec![Step::Role(new)],
                before,
                after: Some(after),
                context,
                ..Plan::look(policies, value)
            })
        })
    }

    /// Deletes a role that nobody has.
    ///
    /// # Errors
    /// Fails where there is no such role, somebody has it or is invited with it, or the actor may not take what it holds.
    pub fn delete_role(&self, call: &Call<'_>, id: &str) -> Result<(), Refusal> {
        let about = About { action: "delete_role", resource_type: "role", id, user: "" };
        self.change(call, about, |scene| {
            let role = scene.custom_role(id)?;
            scene.expect(role.version)?;
            let policies = scene.permit_role(Some(role), None)?;
            let holders = scene.book.holders(id).count();
            let invited = scene.invited_with(id).count();
            if holders + invited > 0 {
                let message = match invited {
                    0 => format!("`{id}` is held by {holders} users: take it from them first"),
                    _ => format!(
                        "`{id}` is held by {holders} users, and {invited} are invited with it: take it from them first"
                    ),
                };
                return Err(Refusal::conflict("role_in_use", message));
            }
            let before = Some(shown(role));
            Ok(Plan { steps: vec![Step::NoRole(id.to_owned())], before, ..Plan::look(policies, ()) })
        })
    }
}

impl<'s> Scene<'s> {
    fn custom_role(&self, id: &str) -> Result<&'s Arc<CustomRole>, Refusal> {
        self.book.roles().get(id).ok_or_else(|| Refusal::NotFound { what: "role", id: id.to_owned() })
    }

    /// The tenant in which a role is put together, changed or deleted.
    fn tenant_of_role(&self) -> Result<Option<&'s str>, Refusal> {
        match (self.call.actor, self.vocabulary()?.tenancy) {
            // An operator is bound by no tenant.
            (Actor::Operator(_), Tenancy::Required) => self.tenant(),
            _ => self.tenant_of_change(),
        }
    }

    /// Refuses to change a role of another tenant, or one of none: it is given in every tenant.
    fn is_own_role(&self, role: &CustomRole, tenant: Option<&str>) -> Result<(), Refusal> {
        if self.is_operator() || self.vocabulary()?.tenancy == Tenancy::None || role.tenant.as_deref() == tenant {
            return Ok(());
        }
        let whose = match &role.tenant {
            Some(of) => format!("was put together in `{of}`: those who administer that tenant change it"),
            None => "is of no tenant: operators change it".to_owned(),
        };
        Err(Refusal::forbidden("other_tenant", format!("the role `{}` {whose}", role.id)))
    }

    /// Lets a role be changed from what it holds to what it would hold, or says why not.
    fn permit_role(&self, old: Option<&CustomRole>, new: Option<&CustomRole>) -> Result<Vec<String>, Refusal> {
        let tenant = self.tenant_of_role()?;
        if let Some(old) = old {
            self.is_own_role(old, tenant)?;
        }
        let [was, is] = [old, new].map(|role| self.holder_of_nothing_else(tenant, role));
        let mut policies = self.permit_users(Operation::Assign, Some(&was), Some(&is))?;
        let id = old.or(new).map_or("", |role| &role.id);
        let mut changed: Roles = self.book.roles().clone();
        match new {
            Some(new) => drop(changed.insert(id.to_owned(), Arc::new(new.clone()))),
            None => drop(changed.remove(id)),
        }
        let lens = self.lens()?;
        let holders = self.book.holders(id).filter(|account| !self.subjects.is_declared(&account.id));
        for account in holders {
            let (was, is) = (account.to_user(lens), account.to_user(lens.with(&changed)));
            if was == is {
                continue;
            }
            let promised = memberships(&self.promised(&account.id), lens.with(&changed));
            for policy in self.permit_users_beside(Operation::Assign, Some(&was), Some(&is), &promised)? {
                if !policies.contains(&policy) {
                    policies.push(policy);
                }
            }
            self.assume(is);
        }
        for invitation in self.invited_with(id).filter(|invitation| invitation.is_open(self.now())) {
            let Ok(account) = self.account(&invitation.user) else { continue };
            let Ok(joined) = self.joined(account, invitation.tenant.as_deref(), invitation.given.clone()) else {
                continue;
            };
            let (was, is) = (joined.to_user(lens), joined.to_user(lens.with(&changed)));
            if was != is {
                let mut promised = self.promised(&account.id);
                promised.retain(|other| other.id != invitation.id);
                let promised = memberships(&promised, lens.with(&changed));
                self.permit_users_beside(Operation::Assign, Some(&was), Some(&is), &promised)?;
            }
        }
        Ok(policies)
    }

    /// Invitations that give a role to somebody who was there before: one that has expired can be sent again.
    fn invited_with(&self, role: &str) -> impl Iterator<Item = &'s Arc<Invitation>> {
        let gives = move |given: &super::Given| given.kind == GivenKind::Role && given.name == role;
        let invitations = self.book.invitations().filter(|invitation| invitation.outcome == Outcome::Open);
        invitations.filter(move |invitation| invitation.given.iter().any(gives))
    }

    /// Somebody of the actor's family who has nothing but what a role holds. Not active, so that nobody counts on it.
    fn holder_of_nothing_else(&self, tenant: Option<&str>, role: Option<&CustomRole>) -> User {
        let family = match self.call.actor {
            Actor::User(id) => self.subjects.find(id).and_then(|bound| bound.user().family.clone()),
            Actor::Operator(_) | Actor::Application(_) => None,
        };
        let parts = role.into_iter().flat_map(CustomRole::parts);
        let assignments = parts.map(|(kind, name)| Assignment { kind, name, until: None, why: None }).collect();
        User {
            id: String::new(),
            name: None,
            email: None,
            status: Status::Invited,
            until: None,
            family,
            attributes: Vec::new(),
            memberships: vec![Membership { tenant: tenant.map(str::to_owned), assignments, values: Vec::new() }],
        }
    }
}

/// A role as a call gives it, read against the policy set.
fn read(scene: &Scene<'_>, id: &str, old: Option<&CustomRole>, body: &Value) -> Result<CustomRole, Refusal> {
    let members = object(body)?;
    let vocabulary = scene.vocabulary()?;
    let mut problems = Vec::new();
    let mut report = |pointer: String, message: String, help| problems.push(Problem { pointer, message, help });
    if !policy::is_visible(id) || id.chars().count() > ID {
        report(String::new(), format!("a role is named by visible text of at most {ID} characters"), None);
    }
    for name in members.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let help = crate::document::hint(name, MEMBERS);
        report(pointer("", name), format!("a role has no member `{name}`"), help);
    }
    if members.get("id").is_some_and(|given| given.as_str() != Some(id)) {
        report("/id".to_owned(), "is not the id of the address".to_owned(), None);
    }
    let mut text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if !text.trim().is_empty() && text.chars().count() <= TEXT => {
            Some(text.trim().to_owned())
        }
        Some(_) => {
            report(pointer("", name), format!("must be a text of 1 to {TEXT} characters"), None);
            None
        }
    };
    let (name, description) = (text("name"), text("description"));
    let mut configuration: Map<String, Value> = ["grants", "gates"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), members.get(name)?.clone())))
        .collect();
    if vocabulary.tenancy == Tenancy::Required {
        // The same is read in any tenant.
        let some = vocabulary.tenants.iter().flatten().next().map_or("any", String::as_str);
        configuration.insert("tenant".to_owned(), some.into());
    }
    let (mut grants, mut gates) = (BTreeMap::new(), Vec::new());
    match Configuration::read(scene.snapshot, &configuration.into()) {
        Ok(read) => {
            for given in read.user.memberships.into_iter().flat_map(|membership| membership.assignments) {
                match (given.kind, given.name.rsplit_once('/')) {
                    (AssignmentKind::Grant, Some((module, level))) => {
                        grants.insert(module.to_owned(), level.to_owned());
                    }
                    _ => gates.push(given.name),
                }
            }
            gates.sort();
            if grants.is_empty() && gates.is_empty() {
                problems.push(Problem {
                    pointer: String::new(),
                    message: "a role holds at least one grant or gate".to_owned(),
                    help: Some("name levels under `grants`, such as `{\"pricing\": \"editor\"}`".to_owned()),
                });
            }
        }
        Err(found) => problems.extend(found),
    }
    if !problems.is_empty() {
        return Err(Refusal::Invalid(problems));
    }
    Ok(CustomRole {
        id: id.to_owned(),
        name,
        description,
        grants,
        // An operator may leave a role that is of no tenant to one.
        tenant: match old.and_then(|old| old.tenant.as_deref()) {
            Some(tenant) => Some(tenant.to_owned()),
            None => scene.tenant_of_role()?.map(str::to_owned),
        },
        gates,
        by: old.map_or_else(|| scene.giver(), |old| old.by.clone()),
        created: old.map_or(scene.now(), |old| old.created),
        updated: scene.now(),
        version: old.map_or(1, |old| old.version + 1),
    })
}

/// A role as records show it.
fn shown(role: &CustomRole) -> Value {
    let mut shown = json!({
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "grants": role.grants,
        "gates": role.gates,
    });
    if let (Some(shown), Some(tenant)) = (shown.as_object_mut(), &role.tenant) {
        shown.insert("tenant".to_owned(), tenant.as_str().into());
    }
    shown
}
