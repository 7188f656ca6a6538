//! The self-check: a decision against plain Cedar's on the whole policy set.

use super::{
    ForbidErrors, Outcome, PolicyIndex, Program, Subject,
    bind::{Setting, bind},
    decide::decide,
    exact::Exact,
};
use crate::model::{Decision, ReasonCode, Request};
use cedar_policy_core::authorizer::{AuthorizationError, Decision as CedarDecision};
use std::fmt;

/// Where the engine and plain Cedar do not agree. There should never be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Decision, determining policies and errors of the engine.
    pub engine: Summary,
    /// The same of plain Cedar.
    pub cedar: Summary,
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The decision by Cedar's rules, before `policies.forbid_errors`.
    pub decision: Decision,
    /// Ids of the determining policies, sorted.
    pub determining: Vec<String>,
    /// Errors as `id: text`, in policy order.
    pub errors: Vec<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine says {:?}, plain Cedar says {:?}", self.engine, self.cedar)
    }
}

/// Decides once more, and by plain Cedar on the whole policy set, and compares.
///
/// Costs time in proportion to the size of the policy set: for a sample of requests, off the decision path.
///
/// # Errors
/// Returns the difference, where there is one.
pub fn verify<'a>(program: &'a Program, subject: Subject<'a>, request: &Request<'a>) -> Result<(), Box<Difference>> {
    let Ok(bound) = bind(program, subject, request, &mut Setting::default(), None) else { return Ok(()) };
    let Ok(exact) = Exact::new(program, &bound.question) else { return Ok(()) };
    let response = exact.authorize(program.reference());
    let mut determining: Vec<_> = response.diagnostics.reason.iter().map(ToString::to_string).collect();
    determining.sort_unstable();
    let cedar = Summary {
        decision: match response.decision {
            CedarDecision::Allow => Decision::Allow,
            CedarDecision::Deny => Decision::Deny,
        },
        determining,
        errors: response
            .diagnostics
            .errors
            .iter()
            .map(|AuthorizationError::PolicyEvaluationError { id, error }| format!("{id}: {error}"))
            .collect(),
    };
    let engine = summary(program, &decide(program, subject, request));
    if engine == cedar { Ok(()) } else { Err(Box::new(Difference { engine, cedar })) }
}

fn summary(program: &Program, outcome: &Outcome<'_>) -> Summary {
    let id = |&index: &PolicyIndex| program.cedar_id(index);
    let by_forbid_error = program.forbid_errors() == ForbidErrors::Deny && outcome.code == ReasonCode::PolicyError;
    // What an erroring `forbid` turned into a deny, Cedar allows where a permit is satisfied.
    let permits = if by_forbid_error { outcome.overruled.as_slice() } else { &[] };
    let decision = if permits.is_empty() { outcome.decision } else { Decision::Allow };
    let mut determining: Vec<_> = outcome.determining.iter().chain(permits).map(id).collect();
    determining.sort_unstable();
    let errors = outcome.errors.iter().map(|error| format!("{}: {}", id(&error.policy), error.message)).collect();
    Summary { decision, determining, errors }
}
