//! Running policy tests: pure, over a snapshot and its declared users.

mod routes;

use super::{Coverage, DecisionTest, Expectation, MenuTest, PolicyTest, coverage::Collector};
use crate::{
    engine::{self, BoundUser, Dialect, Explanation, Subject},
    model::{Request, Resource, Value},
    policy::{Overview, Snapshot, catalog::CUSTOM},
};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
};

/// The outcome of a set's tests, in their order.
#[derive(Debug, Clone)]
pub struct TestReport {
    /// One result a test.
    pub results: Vec<TestResult>,
    /// What the tests have touched.
    pub coverage: Coverage,
}

/// What came out of one test.
#[derive(Debug, Clone)]
pub struct TestResult {
    /// The test.
    pub test: PolicyTest,
    /// What was expected, in words.
    pub expected: String,
    /// What came out, in words.
    pub got: String,
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
        let Self { test, expected, got, .. } = self;
        write!(f, "{}: {}: expected {expected}, got {got}", test.location, test.name)
    }
}

/// Runs every test of the set.
#[must_use]
pub fn run_tests(snapshot: &Snapshot) -> TestReport {
    run_tests_where(snapshot, |_| true)
}

/// Runs the tests of the set that are wanted.
#[must_use]
pub fn run_tests_where(snapshot: &Snapshot, wanted: impl Fn(&PolicyTest) -> bool) -> TestReport {
    // A set may declare many users of whom few are asked for.
    let asked: HashSet<&str> = snapshot.tests.iter().map(|test| test.user.as_str()).collect();
    let users = snapshot.users.iter().chain(&snapshot.test_users).filter(|user| asked.contains(user.id.as_str()));
    let users = users.map(|user| (user.id.as_str(), BoundUser::new(&snapshot.program, user))).collect();
    let mut runner = Runner { snapshot, overview: Overview::new(snapshot), users, touched: Collector::default() };
    let results = snapshot.tests.iter().filter(|test| wanted(test)).map(|test| runner.run(test)).collect();
    TestReport { results, coverage: runner.touched.finish(snapshot) }
}

struct Runner<'r> {
    snapshot: &'r Snapshot,
    overview: Overview<'r>,
    users: HashMap<&'r str, BoundUser>,
    touched: Collector,
}

/// Expected, got, and whether they fit.
type Verdict = (String, String, bool);

impl Runner<'_> {
    fn run(&mut self, test: &PolicyTest) -> TestResult {
        let (expected, got, passed) = match &test.expectation {
            Expectation::Decision(question) => self.decision(test, question),
            Expectation::Menu(wanted) => self.menu(test, wanted),
            Expectation::Preset(preset) => self.preset(test, preset),
            Expectation::Route(wanted) => self.route(test, wanted),
        };
        TestResult { test: test.clone(), expected, got, passed }
    }

    fn decision(&mut self, test: &PolicyTest, question: &DecisionTest) -> Verdict {
        let (attributes, context) = (borrowed(&question.attributes), borrowed(&question.context));
        let request = Request {
            action: &question.action,
            resource: Resource { ty: &question.resource_type, id: &question.resource_id, attributes: &attributes },
            tenant: test.tenant.as_deref(),
            context: &context,
            subject_attributes: &[],
            time: test.at,
        };
        let snapshot = self.snapshot;
        self.explained(test, &request, |explanation| judge(snapshot, question, explanation))
    }

    /// Asks as the user of a test, and takes note of what that has touched.
    fn explained<T>(
        &mut self,
        test: &PolicyTest,
        request: &Request<'_>,
        judge: impl FnOnce(&Explanation<'_>) -> T,
    ) -> T {
        let program = &self.snapshot.program;
        let logged_out;
        let subject = match (program.dialect(), self.users.get(test.user.as_str())) {
            (Dialect::PlainCedar { principal_type }, _) => Subject::Entity { ty: principal_type, id: &test.user },
            (Dialect::Declared(_), Some(user)) => {
                logged_out = (!test.logged_in)
                    .then(|| BoundUser::new(program, &Arc::new(user.user().clone())).with_session(None));
                Subject::User(logged_out.as_ref().unwrap_or(user))
            }
            (Dialect::Declared(_), None) => Subject::Unknown { id: &test.user },
        };
        let explanation = engine::explain(program, subject, request);
        self.touched.note(program, &explanation, request.action);
        judge(&explanation)
    }

    fn menu(&self, test: &PolicyTest, wanted: &MenuTest) -> Verdict {
        let expected = || {
            let visible = wanted.visible.iter().map(|items| format!("exactly {} visible", list(items)));
            let missing = wanted.missing.iter().map(|(item, missing)| format!("{item} hidden for {}", list(missing)));
            visible.chain(missing).collect::<Vec<_>>().join("; ")
        };
        // Users that do not exist are reported when the tests are read.
        let Some(user) = self.users.get(test.user.as_str()) else {
            return (expected(), "no such user".to_owned(), false);
        };
        let menu = match self.overview.menu(user, test.tenant.as_deref(), test.at) {
            Ok(menu) => menu.items,
            Err(unknown) => return (expected(), unknown.to_string(), false),
        };
        let visible: Vec<String> = menu.iter().filter(|item| item.visible).map(|item| item.id.to_owned()).collect();
        let sorted = |items: &[String]| {
            let mut items = items.to_vec();
            items.sort();
            items
        };
        let mut got = Vec::new();
        if wanted.visible.as_ref().is_some_and(|wanted| sorted(wanted) != sorted(&visible)) {
            got.push(format!("{} visible", list(&visible)));
        }
        for (id, wanted) in &wanted.missing {
            let missing = menu.iter().find(|item| item.id == *id).map(|item| item.missing.as_slice());
            if missing.map(sorted) != Some(sorted(wanted)) {
                got.push(format!("{id} {}", missing.map_or_else(|| "not there".to_owned(), hidden)));
            }
        }
        let passed = got.is_empty();
        (expected(), if passed { "that".to_owned() } else { got.join("; ") }, passed)
    }

    fn preset(&self, test: &PolicyTest, wanted: &str) -> Verdict {
        let Some(user) = self.users.get(test.user.as_str()) else {
            return (wanted.to_owned(), "no such user".to_owned(), false);
        };
        let given = user.user().assignments(test.tenant.as_deref(), test.at);
        let preset = self.snapshot.catalog.preset_of(given).map_or(CUSTOM, |preset| preset.id.as_str());
        (wanted.to_owned(), preset.to_owned(), preset == wanted)
    }
}

fn judge(snapshot: &Snapshot, question: &DecisionTest, explanation: &Explanation<'_>) -> Verdict {
    let (program, outcome) = (&snapshot.program, &explanation.outcome);
    let ids = outcome.determining.iter().filter_map(|&index| program.policy(index));
    let policies: Vec<String> = ids.map(|facts| facts.id.to_string()).collect();
    let passed = outcome.decision == question.expect
        && question.reason.is_none_or(|reason| reason == outcome.code)
        && question.policies.as_ref().is_none_or(|expected| *expected == policies);
    let mut expected = question.expect.to_string();
    if let Some(reason) = question.reason {
        expected = format!("{expected} ({reason})");
    }
    let mut got = format!("{} ({}: {})", outcome.decision, outcome.code, outcome.message(program));
    if let Some(wanted) = &question.policies {
        expected = format!("{expected} by {}", list(wanted));
        got = format!("{got} by {}", list(&policies));
    }
    (expected, got, passed)
}

fn hidden(missing: &[String]) -> String {
    if missing.is_empty() { "visible".to_owned() } else { format!("hidden for {}", list(missing)) }
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn borrowed<'v>(values: &'v [(String, Value<'static>)]) -> Vec<(Cow<'v, str>, Value<'v>)> {
    values.iter().map(|(name, value)| (Cow::Borrowed(name.as_str()), value.clone())).collect()
}
