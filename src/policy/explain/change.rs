//! The search for the smallest change that would have allowed a request.

use super::step::{Change, Step, Want};
use crate::{
    document::hint,
    engine::{
        BoundUser, Outcome, PolicyFacts, PolicyIndex, Subject, Vocabulary, decide, groups_permitted, permits_for,
        shortfalls,
    },
    model::{Assignment, AssignmentKind, Membership, ReasonCode, Request, Status, User, Value},
    policy::{Snapshot, access::Overview},
};
use rustc_hash::FxHashSet;
use std::{cell::OnceCell, sync::Arc};

/// Changes that are told at the most.
const MOST: usize = 5;
/// Steps of one change at the most.
const LONGEST: usize = 3;
/// Decisions that one search makes at the most.
const PATIENCE: usize = 400;

/// What is tried: a user, and the tenant named in the request.
#[derive(Debug, Clone)]
struct Trial {
    user: User,
    tenant: Option<String>,
    /// Whether the user has no open session.
    logged_out: bool,
    steps: Vec<Step>,
}

/// A step to try. The user who has taken it is made when its turn comes: there may be more steps than are ever tried, and a user with
/// a thousand roles is not copied for each of them.
struct Next {
    step: Step,
    take: Box<dyn FnOnce(&mut Trial)>,
}

/// What became of a trial.
struct Tried {
    code: ReasonCode,
    allowed: bool,
    tenant: Option<String>,
    determining: Vec<PolicyIndex>,
    unmet: Vec<PolicyIndex>,
}

pub(super) struct Search<'x> {
    overview: &'x Overview<'x>,
    vocabulary: &'x Vocabulary,
    request: &'x Request<'x>,
    /// Who asks. Whoever is tried in place of it is tied to a tenant as it is.
    asker: &'x BoundUser,
    /// The roles and the gates that the scopes of permits name for what was asked.
    roles_named: OnceCell<Vec<String>>,
    gates_named: OnceCell<Vec<String>>,
    found: Vec<Change>,
    left: usize,
}

impl<'x> Search<'x> {
    pub(super) fn new(
        overview: &'x Overview<'x>,
        vocabulary: &'x Vocabulary,
        request: &'x Request<'x>,
        asker: &'x BoundUser,
    ) -> Self {
        let (roles_named, gates_named) = (OnceCell::new(), OnceCell::new());
        Self { overview, vocabulary, request, asker, roles_named, gates_named, found: Vec::new(), left: PATIENCE }
    }

    /// The smallest changes after which the request is allowed.
    pub(super) fn changes(mut self, outcome: &Outcome<'_>) -> Vec<Change> {
        if let Some(change) = self.misnamed(outcome) {
            return vec![change];
        }
        let trial = Trial {
            user: self.asker.user().clone(),
            tenant: self.request.tenant.map(str::to_owned),
            logged_out: !self.asker.has_session(self.request.time),
            steps: Vec::new(),
        };
        let tried = self.attempt(&trial);
        if !tried.allowed {
            self.explore(&trial, &tried);
        }
        self.found.sort_by_key(|change| change.steps.len());
        let shortest = self.found.first().map_or(0, |change| change.steps.len());
        self.found.retain(|change| change.steps.len() <= shortest);
        self.found.truncate(MOST);
        self.found
    }

    /// A type or an action that does not exist.
    fn misnamed(&self, outcome: &Outcome<'_>) -> Option<Change> {
        let hint = match outcome.code {
            ReasonCode::ModuleUnknown => {
                let types = self.vocabulary.resource_types.iter().map(|ty| ty.name.as_str());
                let modules = self.vocabulary.modules.iter().map(|module| module.id.as_str());
                hint(self.request.resource.ty, types.chain(modules))
            }
            ReasonCode::ActionUnknown => hint(self.request.action, self.vocabulary.actions.iter().map(String::as_str)),
            _ => None,
        }?;
        let text = hint.clone();
        Some(Change { text, steps: vec![Step::Name { hint }], policy: None, source: None })
    }

    /// Tries what could help where a trial was denied, and goes on from there while it is not enough.
    fn explore(&mut self, trial: &Trial, tried: &Tried) {
        let done = self.found.iter().map(|change| change.steps.len()).min().unwrap_or(LONGEST);
        if tried.code == ReasonCode::ConditionNotMet && trial.steps.len() < done {
            self.conditions(trial, tried);
        }
        if trial.steps.len() >= done || self.left == 0 {
            return;
        }
        // The nearest first: what one more step allows is told before what needs two.
        let next = self.next(trial, tried);
        let mut open = self.attempt_all(trial, next);
        if self.found.is_empty() {
            let last = self.last(trial, tried);
            open.extend(self.attempt_all(trial, last));
        }
        if self.found.is_empty() {
            for (trial, tried) in open {
                if self.left == 0 {
                    return;
                }
                self.explore(&trial, &tried);
            }
        }
    }

    /// Keeps what is allowed, and gives back what is not.
    fn attempt_all(&mut self, from: &Trial, steps: Vec<Next>) -> Vec<(Trial, Tried)> {
        let mut open = Vec::new();
        for next in steps {
            if self.left == 0 {
                break;
            }
            let trial = from.after(next);
            let tried = self.attempt(&trial);
            if tried.allowed { self.keep(&trial, &tried) } else { open.push((trial, tried)) }
        }
        open
    }

    fn attempt(&mut self, trial: &Trial) -> Tried {
        self.left = self.left.saturating_sub(1);
        let (user, request) = (self.bind(trial), self.ask(trial));
        let outcome = decide(&self.overview.snapshot.program, Subject::User(&user), &request);
        Tried {
            code: outcome.code,
            allowed: outcome.decision.is_allow(),
            tenant: outcome.tenant.map(str::to_owned),
            determining: outcome.determining.to_vec(),
            unmet: outcome.unmet.to_vec(),
        }
    }

    fn bind(&self, trial: &Trial) -> BoundUser {
        let user = self.asker.replaced_by(&self.overview.snapshot.program, &Arc::new(trial.user.clone()));
        if trial.logged_out { user.with_session(None) } else { user }
    }

    fn ask<'r>(&'r self, trial: &'r Trial) -> Request<'r> {
        Request { tenant: trial.tenant.as_deref(), ..*self.request }
    }

    fn keep(&mut self, trial: &Trial, tried: &Tried) {
        if trial.steps.is_empty() {
            return;
        }
        let facts = tried.determining.first().and_then(|&policy| self.facts(policy));
        let change = Change::new(&trial.user.id, trial.steps.clone(), facts);
        if !self.found.iter().any(|known| known.steps == change.steps) {
            self.found.push(change);
        }
    }

    /// Grants whose condition does not hold: it is the condition that is missing. No more than can be told: they come first of those
    /// with as many steps.
    fn conditions(&mut self, trial: &Trial, tried: &Tried) {
        let (user, request) = (self.bind(trial), self.ask(trial));
        let unmet = tried.unmet.iter().filter_map(|&policy| Some((policy, self.facts(policy)?))).take(MOST);
        let changes = unmet.map(|(policy, facts)| {
            let conditions = self.overview.conditions_of(facts).into_iter().map(str::to_owned).collect();
            let wants = wants(self.overview.snapshot, Subject::User(&user), &request, policy);
            let steps = trial.steps.iter().cloned().chain([Step::Condition { conditions, wants }]);
            Change::new(&trial.user.id, steps.collect(), Some(facts))
        });
        let changes: Vec<_> = changes.collect();
        self.found.extend(changes);
    }

    fn facts(&self, policy: PolicyIndex) -> Option<&'x PolicyFacts> {
        self.overview.snapshot.program.policy(policy)
    }

    /// What to try after a deny with this reason.
    fn next(&self, trial: &Trial, tried: &Tried) -> Vec<Next> {
        match tried.code {
            ReasonCode::UserInvited | ReasonCode::UserSuspended => {
                let step = Step::Status { status: Status::Active.as_str(), source: self.place(&trial.user) };
                vec![Next::new(step, |trial| trial.user.status = Status::Active)]
            }
            ReasonCode::UserExpired => self.renewals(trial, tried),
            ReasonCode::SessionMissing => vec![Next::new(Step::Session, |trial| trial.logged_out = false)],
            ReasonCode::TenantMissing | ReasonCode::TenantUnknown => Self::tenants(trial, tried),
            ReasonCode::TenantMismatch => {
                let owner = self.request.resource.attributes.iter().find(|(name, _)| name == "tenant");
                let owner =
                    owner.and_then(|(_, value)| if let Value::String(owner) = value { Some(owner) } else { None });
                owner.map(|owner| Next::asking_in(owner)).into_iter().collect()
            }
            ReasonCode::GateClosed => self.gates(tried),
            ReasonCode::NotGranted | ReasonCode::ConditionNotMet => {
                let mut next = self.renewals(trial, tried);
                if self.request.tenant.is_some() && tried.code == ReasonCode::NotGranted {
                    next.extend(Self::tenants(trial, tried));
                }
                next.extend(self.grants(trial, tried));
                next
            }
            _ => Vec::new(),
        }
    }

    /// What to try where nothing of that is enough: levels, in a set where people are given roles.
    fn last(&self, trial: &Trial, tried: &Tried) -> Vec<Next> {
        match tried.code {
            ReasonCode::NotGranted | ReasonCode::ConditionNotMet if !self.gives_levels(trial) => self.levels(tried),
            _ => Vec::new(),
        }
    }

    /// Where the user is declared.
    fn place(&self, user: &User) -> Option<String> {
        self.overview.snapshot.user_place(&user.id).map(ToString::to_string)
    }

    /// The user, or an assignment in the tenant, made to last.
    fn renewals(&self, trial: &Trial, tried: &Tried) -> Vec<Next> {
        if let Some(until) = trial.user.until.filter(|until| self.request.time >= *until) {
            let step = Step::Expiry { until: until.to_string(), source: self.place(&trial.user) };
            return vec![Next::new(step, |trial| trial.user.until = None)];
        }
        let Some(membership) = trial.user.memberships.iter().find(|one| one.tenant == tried.tenant) else {
            return Vec::new();
        };
        let expired = membership.assignments.iter().enumerate().filter_map(|(place, given)| {
            let until = given.until.filter(|until| self.request.time >= *until)?;
            let step = Step::Assignment { name: given.name.clone(), until: until.to_string() };
            let tenant = tried.tenant.clone();
            Some(Next::new(step, move |trial| {
                let memberships = trial.user.memberships.iter_mut().filter(|one| one.tenant == tenant);
                memberships.filter_map(|one| one.assignments.get_mut(place)).for_each(|given| given.until = None);
            }))
        });
        expired.take(self.left).collect()
    }

    /// The user's own tenants.
    fn tenants(trial: &Trial, tried: &Tried) -> Vec<Next> {
        let asked_before = trial.steps.iter().any(|step| matches!(step, Step::Tenant { .. }));
        let tenants = trial.user.memberships.iter().filter_map(|membership| membership.tenant.as_deref());
        let others = tenants.filter(|tenant| tried.tenant.as_deref() != Some(tenant) && !asked_before);
        others.map(Next::asking_in).collect()
    }

    fn gates(&self, tried: &Tried) -> Vec<Next> {
        let module = self.module();
        let gates = module.into_iter().flat_map(|module| &module.gates);
        gates.map(|gate| Self::open(tried, gate)).collect()
    }

    fn open(tried: &Tried, gate: &str) -> Next {
        let step = Step::Gate { gate: gate.to_owned(), tenant: tried.tenant.clone() };
        Next::giving(step, tried, AssignmentKind::Gate, gate.to_owned())
    }

    /// The module that the request is about.
    fn module(&self) -> Option<&'x crate::policy::Module> {
        let (ty, modules) = (self.request.resource.ty, &self.overview.snapshot.catalog.modules);
        let of_type = modules.iter().find(|module| module.resource_types.iter().any(|known| known == ty));
        of_type.or_else(|| modules.iter().find(|module| module.id == ty))
    }

    /// What touches that which was asked for: roles, gates that policies written by hand name, and levels where people are given some.
    fn grants(&self, trial: &Trial, tried: &Tried) -> Vec<Next> {
        let mut next = if self.gives_levels(trial) { self.levels(tried) } else { Vec::new() };
        next.extend(self.roles(trial, tried));
        next.extend(self.named(AssignmentKind::Gate).iter().take(self.left).map(|gate| Self::open(tried, gate)));
        next
    }

    /// Roles that would help and that the user could be given: somebody has roles of one family alone.
    fn roles(&self, trial: &Trial, tried: &Tried) -> Vec<Next> {
        let (named, held) = (self.named(AssignmentKind::Role), self.held(trial, tried));
        let own = self.family(&trial.user);
        let could_have = |role: &crate::policy::Role| match (own, role.family.as_deref()) {
            (Some(own), Some(family)) => own == family,
            _ => true,
        };
        let roles = self.overview.snapshot.catalog.roles.iter().filter(|role| could_have(role));
        // The names are sorted.
        let is_named = |role: &crate::policy::Role| named.binary_search(&role.id).is_ok();
        let touching = roles.filter(|role| is_named(role) && !held.contains(role.id.as_str()));
        let mut roles: Vec<_> = touching.collect();
        // The one that brings the least beside what is wanted.
        roles.sort_by_key(|role| role.cells.iter().map(|cell| cell.actions.len()).sum::<usize>());
        let give = |role: &crate::policy::Role| {
            let step = Step::Role { role: role.id.clone(), tenant: tried.tenant.clone() };
            Next::giving(step, tried, AssignmentKind::Role, role.id.clone())
        };
        roles.into_iter().take(self.left).map(give).collect()
    }

    /// The family that the user belongs to: its own, or else that of the roles that it has anywhere.
    fn family<'u>(&'u self, user: &'u User) -> Option<&'u str> {
        let given = user.memberships.iter().flat_map(|membership| &membership.assignments);
        let mut roles = given.filter(|given| given.kind == AssignmentKind::Role);
        let of_role = |given: &Assignment| self.overview.snapshot.catalog.role(&given.name)?.family.as_deref();
        user.family.as_deref().or_else(|| roles.find_map(of_role))
    }

    /// The roles or gates that the scopes of permits name for what was asked, sorted.
    fn named(&self, kind: AssignmentKind) -> &[String] {
        let known = if kind == AssignmentKind::Gate { &self.gates_named } else { &self.roles_named };
        known.get_or_init(|| groups_permitted(&self.overview.snapshot.program, self.request, kind.entity_type()))
    }

    fn levels(&self, tried: &Tried) -> Vec<Next> {
        let permits = permits_for(&self.overview.snapshot.program, self.request);
        let ids = permits.into_iter().filter_map(|policy| self.facts(policy)).map(|facts| &*facts.id);
        let levels = ids.filter_map(|id| id.strip_prefix("grant/")?.rsplit_once('/'));
        let give = |(module, level): (&str, &str)| {
            let (module, level) = (module.to_owned(), level.to_owned());
            let name = format!("{module}/{level}");
            let step = Step::Level { module, level, tenant: tried.tenant.clone() };
            Next::giving(step, tried, AssignmentKind::Grant, name)
        };
        levels.take(self.left).map(give).collect()
    }

    /// Whether levels are given to users directly: this one has some, or there are no roles to give.
    fn gives_levels(&self, trial: &Trial) -> bool {
        let given = trial.user.memberships.iter().flat_map(|membership| &membership.assignments);
        self.overview.snapshot.catalog.roles.is_empty()
            || given.into_iter().any(|given| given.kind == AssignmentKind::Grant)
    }

    /// The roles that a user has in the tenant, with all that they include.
    fn held<'t>(&'t self, trial: &'t Trial, tried: &Tried) -> FxHashSet<&'t str> {
        let memberships = trial.user.memberships.iter().filter(|one| one.tenant == tried.tenant);
        let roles = memberships.flat_map(|one| &one.assignments).filter(|given| given.kind == AssignmentKind::Role);
        let lasting = roles.filter(|given| given.until.is_none_or(|until| self.request.time < until));
        let mut open: Vec<&str> = lasting.map(|given| given.name.as_str()).collect();
        let mut held = FxHashSet::default();
        while let Some(name) = open.pop() {
            if held.insert(name) {
                let role = self.overview.role(name);
                open.extend(role.into_iter().flat_map(|role| &role.includes).map(String::as_str));
            }
        }
        held
    }
}

impl Next {
    fn new(step: Step, take: impl FnOnce(&mut Trial) + 'static) -> Self {
        Self { step, take: Box::new(take) }
    }

    fn asking_in(tenant: &str) -> Self {
        let tenant = tenant.to_owned();
        Self::new(Step::Tenant { tenant: tenant.clone() }, |trial| trial.tenant = Some(tenant))
    }

    /// Something that is given in the tenant in which it was tried before.
    fn giving(step: Step, tried: &Tried, kind: AssignmentKind, name: String) -> Self {
        let tenant = tried.tenant.clone();
        Self::new(step, move |trial| trial.give(tenant.as_ref(), kind, &name))
    }
}

impl Trial {
    /// This, with one more step.
    fn after(&self, Next { step, take }: Next) -> Self {
        let mut next = self.clone();
        next.steps.push(step);
        take(&mut next);
        next
    }

    fn give(&mut self, tenant: Option<&String>, kind: AssignmentKind, name: &str) {
        let given = Assignment { kind, name: name.to_owned(), until: None, why: None };
        match self.user.memberships.iter_mut().find(|one| one.tenant.as_ref() == tenant) {
            Some(membership) => membership.assignments.push(given),
            None => self.user.memberships.push(Membership {
                tenant: tenant.cloned(),
                assignments: vec![given],
                values: Vec::new(),
            }),
        }
    }
}

fn wants(snapshot: &Snapshot, subject: Subject<'_>, request: &Request<'_>, policy: PolicyIndex) -> Vec<Want> {
    let found = shortfalls(&snapshot.program, subject, request, policy);
    found.into_iter().map(|one| Want { attribute: one.what, found: one.found, should: one.wanted }).collect()
}

/// What could be said in a set of plain Cedar, where nobody knows how a user comes to what: conditions that do not hold, or
/// else permits that are about others.
pub(super) fn of_plain(
    snapshot: &Snapshot,
    subject: Subject<'_>,
    request: &Request<'_>,
    outcome: &Outcome<'_>,
) -> Vec<Change> {
    let (Subject::Entity { id: user, .. } | Subject::Unknown { id: user }) = subject else { return Vec::new() };
    let facts = |policy: PolicyIndex| snapshot.program.policy(policy);
    match outcome.code {
        ReasonCode::ConditionNotMet => {
            let unmet = outcome.unmet.iter().filter_map(|&policy| {
                let facts = facts(policy)?;
                let wants = wants(snapshot, subject, request, policy);
                let conditions = vec![facts.id.to_string()];
                Some(Change::new(user, vec![Step::Condition { conditions, wants }], Some(facts)))
            });
            unmet.take(MOST).collect()
        }
        ReasonCode::NotGranted => {
            let others = permits_for(&snapshot.program, request).into_iter().filter_map(facts);
            let change = |facts: &PolicyFacts| {
                Change::new(user, vec![Step::Policy { policy: facts.id.to_string() }], Some(facts))
            };
            others.take(MOST).map(change).collect()
        }
        _ => Vec::new(),
    }
}
