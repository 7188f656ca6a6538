//! Effective access: what a user may do in every module, and under which conditions.
//!
//! Everything comes from the engine: it tells which policies touch an action and whether they apply whatever the resource.
//! Here that is put into the words of the set: levels, areas, conditions, presets. The report is what the command line and
//! HTTP print alike.

mod given;
mod limits;
mod summary;

pub(crate) use given::value_json;
pub use given::{Gate as GateState, Given, GivenRole};

use super::{Cell, Role, Snapshot, catalog};
use crate::{
    engine::{BoundUser, Location, Part, Parts, PolicyFacts, PolicyIndex, Reach, Subject, Touching, decide},
    model::{ReasonCode, Request, Resource, Timestamp},
};
use limits::Limits;
use rustc_hash::FxHashMap;
use serde::{Serialize, Serializer};
use std::fmt;

/// Answers questions about one snapshot. To be made once for many questions.
#[derive(Debug)]
pub struct Overview<'s> {
    pub(super) snapshot: &'s Snapshot,
    parts: Parts,
    /// Which cell of which role became a policy.
    cells: FxHashMap<&'s str, (&'s Role, &'s Cell)>,
    roles: FxHashMap<&'s str, &'s Role>,
}

/// A question that names what does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No such user.
    #[error("there is no user `{0}`")]
    User(String),
    /// No such tenant.
    #[error("there is no tenant `{0}`")]
    Tenant(String),
    /// The set declares no menu.
    #[error("the policy set `{0}` has no menu")]
    Menu(String),
    /// The set is plain Cedar, which knows neither modules nor users.
    #[error("the policy set `{0}` is plain Cedar and has no modules")]
    Modules(String),
}

/// What a user may do in one tenant.
#[derive(Debug, Serialize)]
pub struct UserAccess<'s> {
    /// The user's id; absent for a configuration without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'s str>,
    /// The name to show.
    pub name: Option<&'s str>,
    /// `active`, `invited` or `suspended`.
    pub status: &'static str,
    /// From when on the user is denied everything.
    pub until: Option<String>,
    /// The tenant that was asked about, or the user's only one.
    pub tenant: Option<&'s str>,
    /// Why nothing at all is allowed, where that is so.
    pub refused: Option<Refused>,
    /// The preset that gates and grants equal, or `custom`; absent where the set has no presets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<&'s str>,
    /// The roles in that tenant, those that have run out included.
    pub roles: Vec<GivenRole<'s>>,
    /// Direct grants.
    pub grants: Vec<Given<'s>>,
    /// Every gate of the set.
    pub gates: Vec<GateState<'s>>,
    /// The user's attributes.
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// Every module, in the order of the files.
    pub modules: Vec<ModuleAccess<'s>>,
    /// The conditions that `modules` names.
    pub conditions: Vec<ConditionText<'s>>,
    /// The revision that was asked.
    pub revision: &'s str,
}

/// Why nothing is allowed.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// The reason that a decision gives.
    #[serde(serialize_with = "as_text")]
    pub code: ReasonCode,
    /// The same in plain words.
    pub message: String,
}

/// What is allowed in one module.
#[derive(Debug, Serialize)]
pub struct ModuleAccess<'s> {
    /// Its id.
    pub id: &'s str,
    /// The name to show.
    pub name: Option<&'s str>,
    /// What is allowed, in a few words: `full when own-clients`; empty for nothing.
    pub summary: String,
    /// The level that says exactly this.
    pub level: Option<&'s str>,
    /// `full`, `read-only` or `none`, where the set says which actions only look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extent: Option<&'static str>,
    /// Gates of which one must be open, where all are closed: then nothing is allowed.
    pub closed_gates: Vec<&'s str>,
    /// What is allowed.
    pub actions: Vec<ActionAccess<'s>>,
    /// Whether something would be allowed with every gate open.
    #[serde(skip)]
    pub(super) held: bool,
}

/// An action that is allowed, always or sometimes.
#[derive(Debug, Serialize)]
pub struct ActionAccess<'s> {
    /// The action.
    pub action: &'s str,
    /// Whether it is allowed on everything in the module, or depends on the resource or the context.
    #[serde(rename = "access", serialize_with = "always_or_depends")]
    pub always: bool,
    /// The policies that allow it. One is enough.
    pub ways: Vec<Way<'s>>,
    /// Policies that may forbid it nevertheless, on some resources or under a condition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<&'s str>,
}

/// A policy that allows an action, with its limits.
#[derive(Debug, Serialize)]
pub struct Way<'s> {
    /// The policy's id.
    pub policy: &'s str,
    /// Only in these areas; none means everywhere.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub areas: Vec<&'s str>,
    /// Only on these types of resource; none means on all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<&'s str>,
    /// Only on these resources, each as `type:id`; none means on all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Only where all of these hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<&'s str>,
    /// Where it stands in the files.
    pub source: Option<Place<'s>>,
}

/// A place in the files, written `roles.yaml:17:7`.
#[derive(Debug, Clone, Copy)]
pub struct Place<'s>(&'s Location);

/// A condition in words.
#[derive(Debug, Serialize)]
pub struct ConditionText<'s> {
    /// Its name, or the id of the hand-written policy that it belongs to.
    pub name: &'s str,
    /// What it asks for.
    pub description: Option<&'s str>,
}

impl<'s> Overview<'s> {
    /// Prepares for questions.
    #[must_use]
    pub fn new(snapshot: &'s Snapshot) -> Self {
        let roles = snapshot.catalog.roles.iter();
        let by_id = roles.clone().map(|role| (role.id.as_str(), role)).collect();
        let cells = roles.flat_map(|role| role.cells.iter().map(move |cell| (cell.policy.as_str(), (role, cell))));
        Self { snapshot, parts: Parts::of(&snapshot.program), cells: cells.collect(), roles: by_id }
    }

    /// The role of an id.
    pub(super) fn role(&self, id: &str) -> Option<&'s Role> {
        self.roles.get(id).copied()
    }

    /// What a user may do in a tenant, at a time.
    ///
    /// # Errors
    /// Fails where the set has no modules or does not know the tenant.
    pub fn access(
        &self,
        user: &'s BoundUser,
        tenant: Option<&'s str>,
        time: Timestamp,
    ) -> Result<UserAccess<'s>, Unknown> {
        let snapshot = self.snapshot;
        let (tenant, refused) = self.standing(user, tenant, time)?;
        let given = given::Given::all(user.user(), tenant, time);
        let modules = if refused.is_some() { self.nothing() } else { self.modules(user, tenant, time) };
        let profile = user.user();
        Ok(UserAccess {
            user: Some(user.id()).filter(|id| !id.is_empty()),
            name: profile.name.as_deref(),
            status: profile.status.as_str(),
            until: profile.until.map(|until| until.to_string()),
            tenant,
            preset: given.preset(&snapshot.catalog),
            gates: given.gates(&snapshot.catalog),
            roles: given.roles(&snapshot.catalog),
            grants: given.grants,
            attributes: given::attributes(user.attributes_in(tenant, time)),
            conditions: self.conditions(&modules),
            modules,
            refused,
            revision: snapshot.revision.short(),
        })
    }

    /// The tenant in which the user acts, and why it may do nothing there: what a decision says to any question.
    pub(super) fn standing(
        &self,
        user: &'s BoundUser,
        tenant: Option<&'s str>,
        time: Timestamp,
    ) -> Result<(Option<&'s str>, Option<Refused>), Unknown> {
        let snapshot = self.snapshot;
        snapshot.check_tenant(tenant)?;
        let Some(module) = snapshot.catalog.modules.first() else {
            return Err(Unknown::Modules(snapshot.name.clone()));
        };
        let resource = Resource { ty: &module.id, id: "", attributes: &[] };
        let action = module.actions.first().map_or("", String::as_str);
        let request = Request { action, resource, tenant, context: &[], subject_attributes: &[], time };
        let outcome = decide(&snapshot.program, Subject::User(user), &request);
        let refused = match outcome.code {
            ReasonCode::TenantUnknown => return Err(Unknown::Tenant(tenant.unwrap_or_default().to_owned())),
            ReasonCode::UserInvited
            | ReasonCode::UserSuspended
            | ReasonCode::UserExpired
            | ReasonCode::SessionMissing
            | ReasonCode::TenantMissing
            // Of no resource here: what is asserted of the user is of another tenant.
            | ReasonCode::TenantMismatch => {
                let message = outcome.message(&snapshot.program).to_string();
                Some(Refused { code: outcome.code, message })
            }
            _ => None,
        };
        // The outcome borrows from the request for as long as that lives; the name itself is the caller's or the user's.
        let resolved = outcome.tenant.and_then(|resolved| {
            let own = user.user().memberships.iter().filter_map(|membership| membership.tenant.as_deref());
            own.chain(tenant).find(|known| *known == resolved)
        });
        Ok((resolved, refused))
    }

    /// What is allowed in every module.
    pub(super) fn modules(
        &self,
        user: &'s BoundUser,
        tenant: Option<&'s str>,
        time: Timestamp,
    ) -> Vec<ModuleAccess<'s>> {
        self.reached(Reach::of(&self.snapshot.program, user, tenant, time))
    }

    /// What anybody who was given the same may come to do in every module.
    pub(super) fn modules_of_anybody_like(
        &self,
        user: &'s BoundUser,
        tenant: Option<&'s str>,
        time: Timestamp,
    ) -> Vec<ModuleAccess<'s>> {
        self.reached(Reach::of_anybody_like(&self.snapshot.program, user, tenant, time))
    }

    fn reached(&self, reach: Option<Reach<'_>>) -> Vec<ModuleAccess<'s>> {
        let Some(reach) = reach else { return Vec::new() };
        let modules = self.snapshot.catalog.modules.iter().enumerate();
        modules.map(|(index, module)| self.module(&reach, module, self.parts.module(index))).collect()
    }

    pub(super) fn nothing(&self) -> Vec<ModuleAccess<'s>> {
        self.snapshot.catalog.modules.iter().map(ModuleAccess::nothing).collect()
    }

    fn module(&self, reach: &Reach<'_>, module: &'s catalog::Module, parts: &[Part]) -> ModuleAccess<'s> {
        let program = &self.snapshot.program;
        let mut access = ModuleAccess::nothing(module);
        for action in &module.actions {
            let touching: Vec<_> = parts.iter().map(|part| reach.on(part, action)).collect();
            if touching.iter().all(|touching| touching.permits.is_empty()) {
                continue;
            }
            let ways = self.ways(module, parts, &touching);
            if ways.is_empty() {
                continue;
            }
            access.held = true;
            if touching.iter().all(|touching| touching.gate_is_closed(program)) {
                access.closed_gates = module.gates.iter().map(String::as_str).collect();
                continue;
            }
            access.actions.push(self.action(module, action, ways, parts, &touching));
        }
        let catalog = &self.snapshot.catalog;
        access.extent = catalog.access(access.actions.iter().map(|action| action.action)).map(catalog::Access::as_str);
        summary::summarize(&mut access, module, &catalog.levels);
        access
    }

    fn action(
        &self,
        module: &catalog::Module,
        action: &'s str,
        mut ways: Vec<Way<'s>>,
        parts: &[Part],
        touching: &[Touching],
    ) -> ActionAccess<'s> {
        // Beside a way without limits the others do not matter.
        if let Some(free) = ways.iter().position(Way::is_free) {
            ways = vec![ways.swap_remove(free)];
        }
        let unless = self.unless(module, &ways, parts, touching);
        let always = unless.is_empty() && ways.iter().any(Way::is_free);
        ActionAccess { action, always, ways, unless }
    }

    /// The policies that may forbid what the ways seem to allow: those with an open condition, and those that are certain on a
    /// part of the module which the limits of a way do not leave out.
    fn unless(
        &self,
        module: &catalog::Module,
        ways: &[Way<'_>],
        parts: &[Part],
        touching: &[Touching],
    ) -> Vec<&'s str> {
        let mut unless = Vec::new();
        for (part, touching) in parts.iter().zip(touching) {
            if !ways.iter().any(|way| way.includes(module, part)) {
                continue;
            }
            let open = touching.forbids.iter().filter(|forbid| !forbid.certain).map(|forbid| forbid.policy);
            let forbids = open.chain(touching.certain_forbids(&self.snapshot.program));
            for facts in forbids.filter_map(|policy| self.facts(policy)) {
                if !unless.contains(&&*facts.id) {
                    unless.push(&*facts.id);
                }
            }
        }
        unless
    }

    /// The permits of an action, each with the parts of the module where it counts.
    fn ways(&self, module: &'s catalog::Module, parts: &[Part], touching: &[Touching]) -> Vec<Way<'s>> {
        let mut found: Vec<(PolicyIndex, bool, Vec<&Part>)> = Vec::new();
        for (part, touching) in parts.iter().zip(touching) {
            if touching.is_forbidden(&self.snapshot.program) {
                continue;
            }
            for permit in &touching.permits {
                match found
                    .iter_mut()
                    .find(|(policy, certain, _)| (*policy, *certain) == (permit.policy, permit.certain))
                {
                    Some((_, _, covered)) => covered.push(part),
                    None => found.push((permit.policy, permit.certain, vec![part])),
                }
            }
        }
        let ways = found.into_iter().filter_map(|(policy, certain, covered)| {
            let facts = self.facts(policy)?;
            let conditions = if certain { Vec::new() } else { self.conditions_of(facts) };
            let Limits { areas, types, resources } = Limits::of(module, parts, &covered);
            let source = facts.location.as_ref().map(Place);
            let mut way = Way { policy: &facts.id, areas, types, resources, conditions, source };
            // Areas and types cannot say it all: what is told with them must not be more than is granted.
            let says_more = certain
                && parts.iter().zip(touching).any(|(part, touching)| {
                    part.resource.is_none()
                        && way.includes(module, part)
                        && !touching.permits.iter().any(|touched| touched.policy == policy && touched.certain)
                });
            if says_more {
                way.conditions = self.conditions_of(facts);
            }
            Some(way)
        });
        ways.collect()
    }

    fn facts(&self, policy: PolicyIndex) -> Option<&'s PolicyFacts> {
        self.snapshot.program.policy(policy)
    }

    /// The conditions of a cell, by name. A policy written by hand has one of its own, which has the policy's name.
    pub(super) fn conditions_of(&self, facts: &'s PolicyFacts) -> Vec<&'s str> {
        match self.cells.get(&*facts.id) {
            Some((_, cell)) if !cell.when.is_empty() => cell.when.iter().map(String::as_str).collect(),
            _ => vec![&facts.id],
        }
    }

    /// The role and the cell that became a policy.
    pub(super) fn cell(&self, policy: &str) -> Option<(&'s Role, &'s Cell)> {
        self.cells.get(policy).copied()
    }

    fn conditions(&self, modules: &[ModuleAccess<'s>]) -> Vec<ConditionText<'s>> {
        let actions = modules.iter().flat_map(|module| &module.actions);
        let named = actions.flat_map(|action| action.ways.iter().flat_map(|way| &way.conditions).chain(&action.unless));
        let mut seen = rustc_hash::FxHashSet::default();
        let named = named.copied().filter(|name| seen.insert(*name));
        named.map(|name| ConditionText { name, description: self.describe(name) }).collect()
    }

    /// What a condition asks for, in words.
    pub(super) fn describe(&self, name: &str) -> Option<&'s str> {
        // A condition with arguments is shown with them: `up-to(limit: 100)`.
        let plain = name.split_once('(').map_or(name, |(plain, _)| plain);
        let declared = self.snapshot.catalog.conditions.iter().find(|condition| condition.name == plain);
        match declared {
            Some(condition) => condition.description.as_deref(),
            None => {
                self.snapshot.program.policies().iter().find(|facts| *facts.id == *name).map(|facts| &*facts.summary)
            }
        }
    }
}

impl<'s> ModuleAccess<'s> {
    fn nothing(module: &'s catalog::Module) -> Self {
        Self {
            id: &module.id,
            name: module.label.name.as_deref(),
            summary: String::new(),
            level: None,
            extent: None,
            closed_gates: Vec::new(),
            actions: Vec::new(),
            held: false,
        }
    }
}

impl Way<'_> {
    /// Whether it has the limits of another one.
    fn has_limits_of(&self, other: &Self) -> bool {
        self.areas == other.areas
            && self.types == other.types
            && self.resources == other.resources
            && self.conditions == other.conditions
    }

    /// Whether a part of the module is within these limits. Of a single resource it is not asked in which area it is.
    fn includes(&self, module: &catalog::Module, part: &Part) -> bool {
        if !self.resources.is_empty() {
            return limits::name(part).is_some_and(|name| self.resources.contains(&name));
        }
        let of_type = self.types.is_empty() || part.ty.as_deref().is_none_or(|ty| self.types.contains(&ty));
        let area = part.area.and_then(|area| module.areas.get(area));
        let in_area = self.areas.is_empty() || area.is_some_and(|area| self.areas.contains(&area.as_str()));
        of_type && (in_area || part.resource.is_some())
    }

    /// Whether it counts whatever the resource and the context are.
    fn is_free(&self) -> bool {
        self.areas.is_empty() && self.types.is_empty() && self.resources.is_empty() && self.conditions.is_empty()
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Place<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn as_text<S: Serializer>(code: &ReasonCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn always_or_depends<S: Serializer>(always: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(if *always { "always" } else { "depends" })
}
