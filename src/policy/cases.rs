//! Policy tests: questions with the answers that the set's authors expect, kept beside the policies.

mod coverage;
mod read;
mod run;

pub use coverage::{Count, Coverage};
pub(super) use read::{Ground, Tests, read};
pub use run::{TestReport, TestResult, run_tests, run_tests_where};

use crate::{
    engine::Location,
    model::{Decision, ReasonCode, Timestamp, Value},
};

/// One expectation about one user. A case of a file that lists several users, actions or resources is a test for each
/// combination, and so is a table for each action in each of its cells.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyTest {
    /// What it is called; the question itself where the file gives no name.
    pub name: String,
    /// The facts that it holds, by their ids.
    pub rules: Vec<String>,
    /// Who asks.
    pub user: String,
    /// The tenant that the request names.
    pub tenant: Option<String>,
    /// When it is asked.
    pub at: Timestamp,
    /// Whether the user is logged in. It matters where the set demands sessions.
    pub logged_in: bool,
    /// What is expected.
    pub expectation: Expectation,
    /// Where it stands.
    pub location: Location,
}

/// What a test expects.
#[derive(Debug, Clone, PartialEq)]
pub enum Expectation {
    /// The answer to a question.
    Decision(DecisionTest),
    /// What the user sees of the menu.
    Menu(MenuTest),
    /// The name of the user's configuration: a preset, or `custom`.
    Preset(String),
}

/// A question with its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionTest {
    /// The action.
    pub action: String,
    /// The resource's type, or a module.
    pub resource_type: String,
    /// The resource's id; may be empty.
    pub resource_id: String,
    /// The resource's attributes.
    pub attributes: Vec<(String, Value<'static>)>,
    /// The request's context.
    pub context: Vec<(String, Value<'static>)>,
    /// The expected decision.
    pub expect: Decision,
    /// The expected reason, where it matters.
    pub reason: Option<ReasonCode>,
    /// The expected determining policies, where they matter.
    pub policies: Option<Vec<String>>,
}

/// What a menu is expected to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MenuTest {
    /// Exactly the visible items, where it matters.
    pub visible: Option<Vec<String>>,
    /// What is missing for each of these items, and nothing else.
    pub missing: Vec<(String, Vec<String>)>,
}
