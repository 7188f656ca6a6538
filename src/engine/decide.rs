//! The decision itself.

use super::{
    ForbidErrors, ModuleIndex, PolicyIndex, PolicyKind, Program, Subject,
    asker::Recall,
    bind::{Refusal, Setting, bind},
    compile::Condition,
    evaluate::Evaluator,
    exact::{Exact, Fault},
    index::Entry,
    question::Question,
};
use crate::model::{Decision, ReasonCode, Request};
use smallvec::SmallVec;

/// Policies, in policy order.
pub(super) type PolicyList = SmallVec<[PolicyIndex; 4]>;

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
    /// Permits that an erroring `forbid` kept from allowing (`policies.forbid_errors: deny`).
    pub overruled: SmallVec<[PolicyIndex; 4]>,
    pub(super) asked: Asked<'a>,
    /// Why the question could not be put to the policies, where the code alone does not say it.
    pub(super) fault: Option<String>,
}

/// What a reason says about the question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) user: &'a str,
    pub(super) action: &'a str,
    pub(super) resource_type: &'a str,
}

/// A policy that could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluationError {
    /// Which policy.
    pub policy: PolicyIndex,
    /// Cedar's message.
    pub message: String,
}

/// Denies without asking the policies, for a reason that is not theirs. Whatever the program knows of the question goes into the
/// record as ever.
#[must_use]
pub fn refuse<'a>(program: &'a Program, subject: Subject<'a>, request: &Request<'a>, code: ReasonCode) -> Outcome<'a> {
    settle(program, subject, request, code, None)
}

/// Answers without asking the policies, as the code says; `why` tells more than the code does.
#[must_use]
pub fn settle<'a>(
    program: &'a Program,
    subject: Subject<'a>,
    request: &Request<'a>,
    code: ReasonCode,
    why: Option<String>,
) -> Outcome<'a> {
    let asked = Asked { user: user_of(subject), action: request.action, resource_type: request.resource.ty };
    let mut setting = Setting::default();
    // Binding finds out tenant, roles and module; what it says to the question does not matter here.
    drop(bind(program, subject, request, &mut setting, None));
    Outcome {
        decision: if code.allows() { Decision::Allow } else { Decision::Deny },
        code,
        determining: PolicyList::new(),
        overruled: PolicyList::new(),
        unmet: PolicyList::new(),
        errors: Vec::new(),
        module: setting.module,
        tenant: setting.tenant,
        roles: setting.roles,
        asked,
        fault: why,
    }
}

fn user_of(subject: Subject<'_>) -> &str {
    match subject {
        Subject::User(user) => user.id(),
        Subject::Unknown { id } | Subject::Entity { id, .. } => id,
    }
}

/// Decides. Total: it always answers, with evaluation errors inside.
#[must_use]
pub fn decide<'a>(program: &'a Program, subject: Subject<'a>, request: &Request<'a>) -> Outcome<'a> {
    decide_recalling(program, subject, request, None)
}

/// As [`decide`], with what is remembered of the question before. It changes no outcome.
pub(super) fn decide_recalling<'a>(
    program: &'a Program,
    subject: Subject<'a>,
    request: &Request<'a>,
    recall: Option<&mut Recall>,
) -> Outcome<'a> {
    let asked = Asked { user: user_of(subject), action: request.action, resource_type: request.resource.ty };
    let mut setting = Setting::default();
    let judged = bind(program, subject, request, &mut setting, recall).and_then(|bound| {
        let principal = &bound.principal_keys;
        let candidates = program.index().candidates(principal, bound.question.action_index, &bound.resource_keys);
        Judge::new(program, &bound.question).judge(&candidates).map_err(Refusal::from)
    });
    let (verdict, (decision, code), fault) = match judged {
        Ok(verdict) => {
            let conclusion = verdict.conclude(program);
            (verdict, conclusion, None)
        }
        Err(refusal) => (Verdict::default(), (Decision::Deny, refusal.code), refusal.fault),
    };
    let (determining, overruled) = match code {
        ReasonCode::Granted => (verdict.permits, PolicyList::new()),
        ReasonCode::PolicyError => (PolicyList::new(), verdict.permits),
        _ => (verdict.forbids, PolicyList::new()),
    };
    Outcome {
        decision,
        code,
        determining,
        overruled,
        unmet: verdict.unmet,
        errors: verdict.errors,
        module: setting.module,
        tenant: setting.tenant,
        roles: setting.roles,
        asked,
        fault,
    }
}

impl From<Fault> for Refusal {
    fn from(Fault(text): Fault) -> Self {
        Self { code: ReasonCode::PolicyError, fault: Some(text) }
    }
}

/// What became of the candidates.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    permits: PolicyList,
    forbids: PolicyList,
    unmet: PolicyList,
    errors: Vec<EvaluationError>,
    forbid_errored: bool,
}

impl Verdict {
    /// Cedar's decision, then what this product adds: an error in a `forbid` denies unless the operator says otherwise.
    fn conclude(&self, program: &Program) -> (Decision, ReasonCode) {
        let is_gate = |&index| program.policy(index).is_some_and(|facts| facts.kind == PolicyKind::Gate);
        if !self.forbids.is_empty() {
            let gates_only = self.forbids.iter().all(is_gate);
            return (Decision::Deny, if gates_only { ReasonCode::GateClosed } else { ReasonCode::Forbidden });
        }
        if self.forbid_errored && program.forbid_errors() == ForbidErrors::Deny {
            return (Decision::Deny, ReasonCode::PolicyError);
        }
        if !self.permits.is_empty() {
            return (Decision::Allow, ReasonCode::Granted);
        }
        let code = if !self.errors.is_empty() {
            ReasonCode::PolicyError
        } else if self.unmet.is_empty() {
            ReasonCode::NotGranted
        } else {
            ReasonCode::ConditionNotMet
        };
        (Decision::Deny, code)
    }
}

/// What became of one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    Satisfied,
    Unmet,
    Errored(String),
}

/// Evaluates candidates for one question.
#[derive(Debug)]
pub(super) struct Judge<'j> {
    program: &'j Program,
    question: &'j Question<'j>,
    // Cedar's form of the question, made when it is first needed.
    exact: Option<Exact>,
}

impl<'j> Judge<'j> {
    pub(super) fn new(program: &'j Program, question: &'j Question<'j>) -> Self {
        Self { program, question, exact: None }
    }

    fn judge(&mut self, candidates: &[Entry]) -> Result<Verdict, Fault> {
        let mut verdict = Verdict::default();
        for &entry in candidates {
            let Entry { policy, rule } = entry;
            match (self.find(entry)?, rule.forbids) {
                (Finding::Satisfied, false) => verdict.permits.push(policy),
                (Finding::Satisfied, true) => verdict.forbids.push(policy),
                (Finding::Unmet, false) => verdict.unmet.push(policy),
                (Finding::Unmet, true) => {}
                (Finding::Errored(message), forbids) => {
                    verdict.forbid_errored |= forbids;
                    verdict.errors.push(EvaluationError { policy, message });
                }
            }
        }
        Ok(verdict)
    }

    /// Evaluates a policy whose scope fits.
    pub(super) fn find(&mut self, entry: Entry) -> Result<Finding, Fault> {
        let quick = match self.program.condition(entry.rule.condition) {
            Some(Condition::Holds) => return Ok(Finding::Satisfied),
            Some(Condition::Quick(node)) => {
                Evaluator { question: self.question, store: self.program.store() }.holds(node).ok()
            }
            Some(Condition::Cedar) | None => None,
        };
        let result = match (quick, self.program.cedar(entry.policy)) {
            (Some(holds), _) => Ok(holds),
            (None, Some(policy)) => self.exact()?.evaluate(policy),
            (None, None) => Err("the policy is not there".to_owned()),
        };
        Ok(match result {
            Ok(true) => Finding::Satisfied,
            Ok(false) => Finding::Unmet,
            Err(message) => Finding::Errored(message),
        })
    }

    fn exact(&mut self) -> Result<&Exact, Fault> {
        match &mut self.exact {
            Some(exact) => Ok(exact),
            none => Ok(none.insert(Exact::new(self.program, self.question)?)),
        }
    }
}
