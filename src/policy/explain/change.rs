//! The search for the smallest change that would have allowed a request.

use super::words::leads_to;
use crate::{
    document::hint,
    engine::{BoundUser, Outcome, PolicyFacts, PolicyIndex, Subject, Vocabulary, decide, permits_for, shortfalls},
    model::{Assignment, AssignmentKind, Membership, ReasonCode, Request, Status, User, Value},
    policy::{Snapshot, access::Overview},
};
use serde::Serialize;
use std::sync::Arc;

/// Changes that are told at the most.
const MOST: usize = 5;
/// Steps of one change at the most.
const LONGEST: usize = 3;
/// Decisions that one search makes at the most.
const PATIENCE: usize = 400;

/// A change that would have allowed the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// In plain words.
    pub text: String,
    /// What has to change; nearly always one thing.
    pub steps: Vec<Step>,
    /// The policy that would then allow it.
    pub policy: Option<String>,
    /// Where that stands in the files.
    pub source: Option<String>,
}

/// One thing that has to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    /// The user's status.
    Status {
        /// What it should be.
        status: &'static str,
        /// Where the user is declared, where that is a file.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// The time from which on the user is denied everything.
    Expiry {
        /// When it was.
        until: String,
        /// Where the user is declared, where that is a file.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
    },
    /// An assignment that has run out.
    Assignment {
        /// The role, grant or gate.
        name: String,
        /// When it ran out.
        until: String,
    },
    /// A session to open: the user has to log in.
    Session,
    /// The tenant of the request.
    Tenant {
        /// The one to name.
        tenant: String,
    },
    /// A role to have.
    Role {
        /// Which one.
        role: String,
        /// In which tenant.
        tenant: Option<String>,
    },
    /// A level to have on a module.
    Level {
        /// The module.
        module: String,
        /// The level.
        level: String,
        /// In which tenant.
        tenant: Option<String>,
    },
    /// A gate to open.
    Gate {
        /// Which one.
        gate: String,
        /// In which tenant.
        tenant: Option<String>,
    },
    /// A condition to meet.
    Condition {
        /// The names of the conditions.
        conditions: Vec<String>,
        /// What they want.
        wants: Vec<Want>,
    },
    /// A name to write otherwise.
    Name {
        /// What there is.
        hint: String,
    },
    /// A policy to become subject to, in a set of plain Cedar.
    Policy {
        /// Its id.
        policy: String,
    },
}

/// What a condition wants of a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Want {
    /// Which value: `resource.account_manager`.
    pub attribute: String,
    /// What it is; absent where there is none.
    pub found: Option<String>,
    /// What it should do: ``be `sam` ``.
    pub should: String,
}

/// What is tried: a user, and the tenant named in the request.
#[derive(Debug, Clone)]
struct Trial {
    user: User,
    tenant: Option<String>,
    /// Whether the user has no open session.
    logged_out: bool,
    steps: Vec<Step>,
}

/// What became of a trial.
struct Tried {
    code: ReasonCode,
    allowed: bool,
    tenant: Option<String>,
    determining: Vec<PolicyIndex>,
    unmet: Vec<(PolicyIndex, Vec<Want>)>,
}

pub(super) struct Search<'x> {
    overview: &'x Overview<'x>,
    vocabulary: &'x Vocabulary,
    request: &'x Request<'x>,
    found: Vec<Change>,
    left: usize,
}

impl<'x> Search<'x> {
    pub(super) fn new(overview: &'x Overview<'x>, vocabulary: &'x Vocabulary, request: &'x Request<'x>) -> Self {
        Self { overview, vocabulary, request, found: Vec::new(), left: PATIENCE }
    }

    /// The smallest changes after which the request is allowed.
    pub(super) fn changes(mut self, subject: Subject<'_>, outcome: &Outcome<'_>) -> Vec<Change> {
        let Subject::User(user) = subject else { return Vec::new() };
        if let Some(change) = self.misnamed(outcome) {
            return vec![change];
        }
        let trial = Trial {
            user: user.user().clone(),
            tenant: self.request.tenant.map(str::to_owned),
            logged_out: !user.has_session(self.request.time),
            steps: Vec::new(),
        };
        self.explore(&trial);
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

    /// Tries what could help, and goes on from there while it is not enough.
    fn explore(&mut self, trial: &Trial) {
        let tried = self.attempt(trial);
        if tried.allowed {
            return self.keep(trial, &tried);
        }
        let done = self.found.iter().map(|change| change.steps.len()).min().unwrap_or(LONGEST);
        if tried.code == ReasonCode::ConditionNotMet && trial.steps.len() < done {
            self.conditions(trial, &tried);
        }
        if trial.steps.len() >= done || self.left == 0 {
            return;
        }
        let next = self.next(trial, &tried);
        // The nearest first: what one more step allows is told before what needs two.
        let mut open = Vec::new();
        for trial in next {
            if self.left == 0 {
                return;
            }
            let tried = self.attempt(&trial);
            if tried.allowed { self.keep(&trial, &tried) } else { open.push(trial) }
        }
        if self.found.is_empty() {
            for trial in open {
                self.explore(&trial);
            }
        }
    }

    fn attempt(&mut self, trial: &Trial) -> Tried {
        self.left = self.left.saturating_sub(1);
        let program = &self.overview.snapshot.program;
        let user = BoundUser::new(program, &Arc::new(trial.user.clone()));
        let user = if trial.logged_out { user.with_session(None) } else { user };
        let request = Request { tenant: trial.tenant.as_deref(), ..*self.request };
        let outcome = decide(program, Subject::User(&user), &request);
        let wants =
            |&policy: &PolicyIndex| (policy, wants(self.overview.snapshot, Subject::User(&user), &request, policy));
        Tried {
            code: outcome.code,
            allowed: outcome.decision.is_allow(),
            tenant: outcome.tenant.map(str::to_owned),
            determining: outcome.determining.to_vec(),
            unmet: outcome.unmet.iter().map(wants).collect(),
        }
    }

    fn keep(&mut self, trial: &Trial, tried: &Tried) {
        let facts = tried.determining.first().and_then(|&policy| self.facts(policy));
        let change = Change::new(&trial.user.id, trial.steps.clone(), facts);
        if !self.found.iter().any(|known| known.steps == change.steps) {
            self.found.push(change);
        }
    }

    /// Grants whose condition does not hold: it is the condition that is missing.
    fn conditions(&mut self, trial: &Trial, tried: &Tried) {
        for (policy, wants) in &tried.unmet {
            let Some(facts) = self.facts(*policy) else { continue };
            let conditions = self.overview.conditions_of(facts).into_iter().map(str::to_owned).collect();
            let steps = trial.steps.iter().cloned().chain([Step::Condition { conditions, wants: wants.clone() }]);
            self.found.push(Change::new(&trial.user.id, steps.collect(), Some(facts)));
        }
    }

    fn facts(&self, policy: PolicyIndex) -> Option<&'x PolicyFacts> {
        self.overview.snapshot.program.policy(policy)
    }

    /// What to try after a deny with this reason.
    fn next(&self, trial: &Trial, tried: &Tried) -> Vec<Trial> {
        match tried.code {
            ReasonCode::UserInvited | ReasonCode::UserSuspended => {
                let step = Step::Status { status: Status::Active.as_str(), source: self.place(&trial.user) };
                vec![trial.with(step, |trial| trial.user.status = Status::Active)]
            }
            ReasonCode::UserExpired => self.renewals(trial, tried),
            ReasonCode::SessionMissing => vec![trial.with(Step::Session, |trial| trial.logged_out = false)],
            ReasonCode::TenantMissing | ReasonCode::TenantUnknown => Self::tenants(trial, tried),
            ReasonCode::TenantMismatch => {
                let owner = self.request.resource.attributes.iter().find(|(name, _)| name == "tenant");
                let owner =
                    owner.and_then(|(_, value)| if let Value::String(owner) = value { Some(owner) } else { None });
                owner.map(|owner| trial.asking_in(owner)).into_iter().collect()
            }
            ReasonCode::GateClosed => self.gates(trial, tried),
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

    /// Where the user is declared.
    fn place(&self, user: &User) -> Option<String> {
        self.overview.snapshot.user_place(&user.id).map(ToString::to_string)
    }

    /// The user, or an assignment in the tenant, made to last.
    fn renewals(&self, trial: &Trial, tried: &Tried) -> Vec<Trial> {
        if let Some(until) = trial.user.until.filter(|until| self.request.time >= *until) {
            let step = Step::Expiry { until: until.to_string(), source: self.place(&trial.user) };
            return vec![trial.with(step, |trial| trial.user.until = None)];
        }
        let Some(membership) = trial.user.memberships.iter().find(|one| one.tenant == tried.tenant) else {
            return Vec::new();
        };
        let expired = membership.assignments.iter().enumerate().filter_map(|(place, given)| {
            let until = given.until.filter(|until| self.request.time >= *until)?;
            let step = Step::Assignment { name: given.name.clone(), until: until.to_string() };
            Some(trial.with(step, |trial| {
                let memberships = trial.user.memberships.iter_mut().filter(|one| one.tenant == tried.tenant);
                memberships.filter_map(|one| one.assignments.get_mut(place)).for_each(|given| given.until = None);
            }))
        });
        expired.collect()
    }

    /// The user's own tenants.
    fn tenants(trial: &Trial, tried: &Tried) -> Vec<Trial> {
        let asked_before = trial.steps.iter().any(|step| matches!(step, Step::Tenant { .. }));
        let tenants = trial.user.memberships.iter().filter_map(|membership| membership.tenant.as_deref());
        let others = tenants.filter(|tenant| tried.tenant.as_deref() != Some(tenant) && !asked_before);
        others.map(|tenant| trial.asking_in(tenant)).collect()
    }

    fn gates(&self, trial: &Trial, tried: &Tried) -> Vec<Trial> {
        let module = self.module();
        let gates = module.into_iter().flat_map(|module| &module.gates);
        let open = |gate: &String| {
            let step = Step::Gate { gate: gate.clone(), tenant: tried.tenant.clone() };
            trial.with(step, |trial| trial.give(tried.tenant.as_ref(), AssignmentKind::Gate, gate))
        };
        gates.map(open).collect()
    }

    /// The module that the request is about.
    fn module(&self) -> Option<&'x crate::policy::Module> {
        let (ty, modules) = (self.request.resource.ty, &self.overview.snapshot.catalog.modules);
        let of_type = modules.iter().find(|module| module.resource_types.iter().any(|known| known == ty));
        of_type.or_else(|| modules.iter().find(|module| module.id == ty))
    }

    /// Levels and roles that touch what was asked for. Where people are given levels, these come first.
    fn grants(&self, trial: &Trial, tried: &Tried) -> Vec<Trial> {
        let snapshot = self.overview.snapshot;
        let permits = permits_for(&snapshot.program, self.request);
        let ids: Vec<&str> =
            permits.into_iter().filter_map(|policy| self.facts(policy)).map(|facts| &*facts.id).collect();
        let mut roles: Vec<&crate::policy::Role> = Vec::new();
        for (role, _) in ids.iter().filter_map(|id| self.overview.cell(id)) {
            let held = self.holds(trial, tried, &role.id);
            if !held && !roles.iter().any(|known| known.id == role.id) {
                roles.push(role);
            }
        }
        // The one that brings the least beside what is wanted.
        roles.sort_by_key(|role| role.cells.iter().map(|cell| cell.actions.len()).sum::<usize>());
        let roles = roles.into_iter().map(|role| {
            let step = Step::Role { role: role.id.clone(), tenant: tried.tenant.clone() };
            trial.with(step, |trial| trial.give(tried.tenant.as_ref(), AssignmentKind::Role, &role.id))
        });
        let levels = ids.iter().filter_map(|id| id.strip_prefix("grant/")?.rsplit_once('/')).map(|(module, level)| {
            let (module, level) = (module.to_owned(), level.to_owned());
            let name = format!("{module}/{level}");
            let step = Step::Level { module, level, tenant: tried.tenant.clone() };
            trial.with(step, |trial| trial.give(tried.tenant.as_ref(), AssignmentKind::Grant, &name))
        });
        if self.gives_levels(trial) { levels.chain(roles).collect() } else { roles.collect() }
    }

    /// Whether levels are given to users directly: this one has some, or there are no roles to give.
    fn gives_levels(&self, trial: &Trial) -> bool {
        let given = trial.user.memberships.iter().flat_map(|membership| &membership.assignments);
        self.overview.snapshot.catalog.roles.is_empty()
            || given.into_iter().any(|given| given.kind == AssignmentKind::Grant)
    }

    fn holds(&self, trial: &Trial, tried: &Tried, role: &str) -> bool {
        let memberships = trial.user.memberships.iter().filter(|one| one.tenant == tried.tenant);
        let roles = memberships.flat_map(|one| &one.assignments).filter(|given| given.kind == AssignmentKind::Role);
        roles.into_iter().any(|given| {
            given.until.is_none_or(|until| self.request.time < until) && leads_to(self.overview, &given.name, role)
        })
    }
}

impl Trial {
    /// This, with one more step.
    fn with(&self, step: Step, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        next.steps.push(step);
        change(&mut next);
        next
    }

    fn asking_in(&self, tenant: &str) -> Self {
        self.with(Step::Tenant { tenant: tenant.to_owned() }, |trial| trial.tenant = Some(tenant.to_owned()))
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

impl Change {
    fn new(user: &str, steps: Vec<Step>, facts: Option<&PolicyFacts>) -> Self {
        let source = facts.and_then(|facts| facts.location.as_ref()).map(ToString::to_string);
        let parts: Vec<_> = steps.iter().map(|step| step.words(user)).collect();
        let by = facts.map(|facts| match &source {
            Some(place) => format!(": {} ({place})", facts.summary),
            None => format!(": {}", facts.summary),
        });
        let text = format!("would be allowed if {}{}", parts.join(" and "), by.unwrap_or_default());
        Self { text, steps, policy: facts.map(|facts| facts.id.to_string()), source }
    }
}

impl Step {
    fn words(&self, user: &str) -> String {
        let within =
            |tenant: &Option<String>| tenant.as_ref().map(|tenant| format!(" in `{tenant}`")).unwrap_or_default();
        let at = |place: &Option<String>| place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
        match self {
            Self::Status { status, source } => format!("`{user}` were {status}{}", at(source)),
            Self::Expiry { until, source } => {
                format!("the access of `{user}` had not run out at {until}{}", at(source))
            }
            Self::Assignment { name, until } => format!("`{name}` had not run out at {until}"),
            Self::Session => format!("`{user}` were logged in"),
            Self::Tenant { tenant } => format!("it were asked in the tenant `{tenant}`"),
            Self::Role { role, tenant } => format!("`{user}` had the role `{role}`{}", within(tenant)),
            Self::Level { module, level, tenant } => {
                format!("`{user}` had the level `{level}` on `{module}`{}", within(tenant))
            }
            Self::Gate { gate, tenant } => format!("the gate `{gate}` were open for `{user}`{}", within(tenant)),
            Self::Condition { conditions, wants } => {
                let wants: Vec<_> = wants.iter().map(Want::words).collect();
                let details = if wants.is_empty() { String::new() } else { format!(" ({})", wants.join("; ")) };
                format!("the condition `{}` held{details}", conditions.join("` and `"))
            }
            Self::Name { hint } => hint.clone(),
            Self::Policy { policy } => format!("the policy `{policy}` were about `{user}`"),
        }
    }
}

impl Want {
    fn words(&self) -> String {
        match &self.found {
            Some(found) => format!("`{}` is `{found}`, it should {}", self.attribute, self.should),
            None => format!("`{}` should {}", self.attribute, self.should),
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
