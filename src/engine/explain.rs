//! How a decision came about.

use super::{
    Outcome, PolicyIndex, Program, Subject,
    bind::{Setting, bind},
    decide::{Finding, Judge, decide},
    index::Entry,
};
use crate::model::Request;

/// A decision together with every policy that was considered for it.
#[derive(Debug)]
pub struct Explanation<'a> {
    /// The decision, exactly as [`decide`] gives it.
    pub outcome: Outcome<'a>,
    /// The policies whose scope fits, in policy order. Empty where the policies were not asked.
    pub considered: Vec<Considered>,
}

/// A policy whose scope fits the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Which policy.
    pub policy: PolicyIndex,
    /// Whether it is a `forbid`.
    pub forbids: bool,
    /// What its condition came to.
    pub result: ConditionResult,
}

/// What a condition came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionResult {
    /// The policy applies.
    Satisfied,
    /// It does not.
    Unmet,
    /// It could not be evaluated; Cedar's message.
    Errored(String),
}

/// Explains a decision.
#[must_use]
pub fn explain<'a>(program: &'a Program, subject: Subject<'a>, request: &Request<'a>) -> Explanation<'a> {
    Explanation { outcome: decide(program, subject, request), considered: considered(program, subject, request) }
}

fn considered<'a>(program: &'a Program, subject: Subject<'a>, request: &Request<'a>) -> Vec<Considered> {
    let Ok(bound) = bind(program, subject, request, &mut Setting::default(), None) else { return Vec::new() };
    let keys = (&bound.principal_keys, &bound.resource_keys);
    let candidates = program.index().candidates(keys.0, bound.question.action_index, keys.1);
    let mut judge = Judge::new(program, &bound.question);
    let consider = |entry: Entry| {
        let result = match judge.find(entry).unwrap_or_else(|fault| Finding::Errored(fault.0)) {
            Finding::Satisfied => ConditionResult::Satisfied,
            Finding::Unmet => ConditionResult::Unmet,
            Finding::Errored(message) => ConditionResult::Errored(message),
        };
        Considered { policy: entry.policy, forbids: entry.rule.forbids, result }
    };
    candidates.into_iter().map(consider).collect()
}
