//! Why a decision is what it is: for an allow the grant that it rests on, for a deny the nearest one that is missing.
//!
//! What is missing is found by trying: the user or the tenant is changed in one respect, and the engine decides again. So
//! whatever is proposed here has been seen to lead to an allow, conditions apart: of these it is told which values do not fit, and
//! nobody tries what would become of others.

mod change;
mod step;
mod words;

pub use step::{Change, Step};

use super::{Snapshot, access::Overview};
use crate::{
    engine::{self, ConditionResult, Considered, Dialect, Location, PolicyIndex, Subject},
    model::{Decision, ReasonCode, Request},
};
use change::Search;
use serde::Serialize;

/// An explanation, as the command line and HTTP give it.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// Whether it was allowed.
    #[serde(skip)]
    pub decision: Decision,
    /// The code of the reason.
    #[serde(skip)]
    pub code: ReasonCode,
    /// The reason in words.
    #[serde(skip)]
    pub message: String,
    /// The policies that determined the decision.
    #[serde(skip)]
    pub policies: Vec<String>,
    /// What came of it, in plain words, a sentence each.
    pub summary: Vec<String>,
    /// For a deny: changes of which each one would have allowed it, or conditions that do not hold, the smallest first.
    pub nearest: Vec<Change>,
    /// The tenant in which it was decided.
    pub tenant: Option<String>,
    /// The roles that the user has there.
    pub roles: Vec<String>,
    /// The module that the question is about.
    pub module: Option<String>,
    /// Every policy whose scope fits.
    pub considered: Vec<ConsideredPolicy>,
}

/// A policy that was considered.
#[derive(Debug, Serialize)]
pub struct ConsideredPolicy {
    /// Its id.
    pub id: String,
    /// `permit` or `forbid`.
    pub effect: &'static str,
    /// `satisfied`, `unmet` or `errored`.
    pub result: &'static str,
    /// What it does, in words.
    pub summary: String,
    /// Where it stands in the files.
    pub source: Option<String>,
    /// Why it could not be evaluated.
    pub error: Option<String>,
}

/// Explains a decision.
#[must_use]
pub fn explain(snapshot: &Snapshot, subject: Subject<'_>, request: &Request<'_>) -> Explanation {
    let program = &snapshot.program;
    let engine::Explanation { outcome, considered } = engine::explain(program, subject, request);
    let overview = Overview::new(snapshot);
    let nearest = match (outcome.decision, program.dialect()) {
        (Decision::Allow, _) => Vec::new(),
        (Decision::Deny, Dialect::Declared(vocabulary)) => match subject {
            Subject::User(user) => Search::new(&overview, vocabulary, request, user).changes(&outcome),
            Subject::Unknown { .. } | Subject::Entity { .. } => Vec::new(),
        },
        (Decision::Deny, Dialect::PlainCedar { .. }) => change::of_plain(snapshot, subject, request, &outcome),
    };
    let module = Some(program.module_id(outcome.module)).filter(|module| !module.is_empty());
    let id = |&index: &PolicyIndex| program.policy(index).map(|facts| facts.id.to_string());
    Explanation {
        decision: outcome.decision,
        code: outcome.code,
        message: outcome.message(program).to_string(),
        policies: outcome.determining.iter().filter_map(id).collect(),
        summary: words::summary(&overview, subject, &outcome, &nearest),
        nearest,
        tenant: outcome.tenant.map(str::to_owned),
        roles: outcome.roles.to_vec(),
        module: module.map(str::to_owned),
        considered: considered.iter().filter_map(|one| ConsideredPolicy::new(snapshot, one)).collect(),
    }
}

impl ConsideredPolicy {
    fn new(snapshot: &Snapshot, considered: &Considered) -> Option<Self> {
        let facts = snapshot.program.policy(considered.policy)?;
        let (result, error) = match &considered.result {
            ConditionResult::Satisfied => ("satisfied", None),
            ConditionResult::Unmet => ("unmet", None),
            ConditionResult::Errored(message) => ("errored", Some(message.clone())),
        };
        Some(Self {
            id: facts.id.to_string(),
            effect: if considered.forbids { "forbid" } else { "permit" },
            result,
            summary: facts.summary.to_string(),
            source: facts.location.as_ref().map(Location::to_string),
            error,
        })
    }
}

impl Explanation {
    /// The explanation for people: what came of it first, then the policies.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![format!("{}: {} ({})", self.decision, self.message, self.code)];
        lines.extend(self.summary.iter().map(|sentence| format!("  {sentence}")));
        let roles = self.roles.join(", ");
        let facts = [
            ("tenant", self.tenant.as_deref().unwrap_or_default()),
            ("roles", &roles),
            ("module", self.module.as_deref().unwrap_or_default()),
        ];
        let told: Vec<_> = facts.iter().filter(|(_, value)| !value.is_empty()).collect();
        if !told.is_empty() {
            lines.push(String::new());
            lines.extend(told.iter().map(|(name, value)| format!("  {name:<9} {value}")));
        }
        lines.push(String::new());
        if self.considered.is_empty() {
            lines.push("no policy was considered".to_owned());
        } else {
            lines.push("policies considered:".to_owned());
        }
        for policy in &self.considered {
            let result = match policy.result {
                "satisfied" => "applies",
                "unmet" => "does not apply",
                _ => "fails",
            };
            lines.push(format!("  {} {result:<14} {}", policy.effect, policy.id));
            lines.push(format!("         {}", policy.summary));
            lines.extend(policy.source.iter().map(|place| format!("         at {place}")));
            lines.extend(policy.error.iter().map(|message| format!("         {message}")));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}
