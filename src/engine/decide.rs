//! The decision itself.

use super::{ModuleIndex, PolicyIndex, Program, Subject};
use crate::model::{Decision, ReasonCode, Request};
use smallvec::SmallVec;
use std::fmt;

/// The answer to one question, with all that a record and an answer need. Borrows from program, subject and request.
#[derive(Debug)]
pub struct Outcome<'a> {
    /// The answer.
    pub decision: Decision,
    /// Why.
    pub code: ReasonCode,
    /// The policies that determined the decision, in policy order: Cedar's reasons.
    pub determining: SmallVec<[PolicyIndex; 4]>,
    /// Permits whose scope fits but whose condition does not hold.
    pub unmet: SmallVec<[PolicyIndex; 4]>,
    /// Policies that could not be evaluated, in policy order, with Cedar's text.
    pub errors: Vec<EvaluationError>,
    /// The module that the question is about.
    pub module: Option<ModuleIndex>,
    /// The tenant in which it was decided: the request's, or the only one that the user has.
    pub tenant: Option<&'a str>,
    /// The roles that the user has in that tenant.
    pub roles: &'a [String],
    // What the message is about where the code alone does not say it: the unknown name, the tenant of the resource.
    pub(super) detail: &'a str,
}

/// A policy that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// Which policy.
    pub policy: PolicyIndex,
    /// Cedar's message.
    pub message: String,
}

impl Outcome<'_> {
    /// The reason in plain words.
    pub fn message<'m>(&'m self, program: &'m Program) -> impl fmt::Display + 'm {
        fmt::from_fn(move |f| {
            let first = self.determining.first().and_then(|&index| program.policy(index));
            f.write_str(first.map_or(self.detail, |facts| &facts.summary))
        })
    }
}

/// Decides. Total: it always answers, with evaluation errors inside.
pub fn decide<'a>(_program: &'a Program, _subject: Subject<'a>, _request: &Request<'a>) -> Outcome<'a> {
    Outcome {
        decision: Decision::Deny,
        code: ReasonCode::NotGranted,
        determining: SmallVec::new(),
        unmet: SmallVec::new(),
        errors: Vec::new(),
        module: None,
        tenant: None,
        roles: &[],
        detail: "",
    }
}
