//! Running policy tests: pure, over a snapshot and its declared users.

use super::PolicyTest;
use crate::{
    engine::{self, BoundUser, Dialect, Subject},
    model::{Decision, ReasonCode, Request, Resource, Value},
    policy::Snapshot,
};
use std::{borrow::Cow, collections::HashMap, fmt};

/// The outcome of a set's tests, in their order.
#[derive(Debug, Clone)]
pub struct TestReport {
    /// One result a test.
    pub results: Vec<TestResult>,
}

/// What came out of one test.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// The test.
    pub test: PolicyTest,
    /// What was decided.
    pub decision: Decision,
    /// Why.
    pub code: ReasonCode,
    /// Why, in words.
    pub message: String,
    /// The determining policies.
    pub policies: Vec<String>,
    /// Whether all of it is as expected.
    pub passed: bool,
}

impl TestReport {
    /// Whether every test passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.results.iter().all(|result| result.passed)
    }

    /// The tests that failed.
    pub fn failures(&self) -> impl Iterator<Item = &TestResult> {
        self.results.iter().filter(|result| !result.passed)
    }
}

/// What was expected and what came out instead.
impl fmt::Display for TestResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let test = &self.test;
        write!(f, "{}: {}: expected {}", test.location, test.name, test.expect)?;
        if let Some(reason) = test.reason {
            write!(f, " ({reason})")?;
        }
        if let Some(policies) = &test.policies {
            write!(f, " by {}", policies.join(", "))?;
        }
        write!(f, ", got {} ({}: {})", self.decision, self.code, self.message)?;
        if test.policies.is_some() { write!(f, " by {}", self.policies.join(", ")) } else { Ok(()) }
    }
}

/// Asks every question of the set's tests.
#[must_use]
pub fn run_tests(snapshot: &Snapshot) -> TestReport {
    let program = &snapshot.program;
    let users: HashMap<&str, BoundUser> =
        snapshot.users.iter().map(|user| (user.id.as_str(), BoundUser::new(program, user))).collect();
    let results = snapshot.tests.iter().map(|test| run(snapshot, &users, test)).collect();
    TestReport { results }
}

fn run(snapshot: &Snapshot, users: &HashMap<&str, BoundUser>, test: &PolicyTest) -> TestResult {
    let program = &snapshot.program;
    let subject = match (program.dialect(), users.get(test.user.as_str())) {
        (Dialect::PlainCedar { principal_type }, _) => Subject::Entity { ty: principal_type, id: &test.user },
        (Dialect::Declared(_), Some(user)) => Subject::User(user),
        (Dialect::Declared(_), None) => Subject::Unknown { id: &test.user },
    };
    let (attributes, context) = (borrowed(&test.attributes), borrowed(&test.context));
    let request = Request {
        action: &test.action,
        resource: Resource { ty: &test.resource_type, id: &test.resource_id, attributes: &attributes },
        tenant: test.tenant.as_deref(),
        context: &context,
        subject_attributes: &[],
        time: test.at,
    };
    let outcome = engine::decide(program, subject, &request);
    let ids = outcome.determining.iter().filter_map(|&index| program.policy(index));
    let policies: Vec<String> = ids.map(|facts| facts.id.to_string()).collect();
    let passed = outcome.decision == test.expect
        && test.reason.is_none_or(|reason| reason == outcome.code)
        && test.policies.as_ref().is_none_or(|expected| *expected == policies);
    TestResult {
        test: test.clone(),
        decision: outcome.decision,
        code: outcome.code,
        message: outcome.message(program).to_string(),
        policies,
        passed,
    }
}

fn borrowed<'v>(values: &'v [(String, Value<'static>)]) -> Vec<(Cow<'v, str>, Value<'v>)> {
    values.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), value.clone())).collect()
}
