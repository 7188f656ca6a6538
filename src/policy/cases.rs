//! Policy tests: questions with the answers that the set's authors expect, kept beside the policies.

mod coverage;
mod read;
mod run;

pub use coverage::{Count, Coverage};
pub(super) use read::{Ground, Tests, read, value as plain_value};
pub use run::{TestReport, TestResult, run_tests, run_tests_where};

use crate::{
    engine::Location,
    model::{Decision, ReasonCode, Timestamp, Value},
};
use serde_json::{Map, Value as Json};
use std::{net::IpAddr, sync::Arc};

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
    /// What becomes of an HTTP request.
    Route(RouteTest),
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
    /// The resource's attributes, which all tests of a case share.
    pub attributes: Arc<[(String, Value<'static>)]>,
    /// The request's context, shared likewise.
    pub context: Arc<[(String, Value<'static>)]>,
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

/// An HTTP request with the question that it is expected to be, and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteTest {
    /// The method.
    pub method: String,
    /// `http` or `https`, where the request says it.
    pub scheme: Option<String>,
    /// The host, where the request says it.
    pub host: Option<String>,
    /// Path and query.
    pub target: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The address of the client, where it is said.
    pub client: Option<IpAddr>,
    /// The claims of the token that says who asks.
    pub claims: Map<String, Json>,
    /// Whether somebody asks; [`PolicyTest::user`] is empty where nobody does.
    pub has_user: bool,
    /// The expected decision.
    pub expect: Decision,
    /// The expected reason, where it matters.
    pub reason: Option<ReasonCode>,
    /// The name of the expected route, where it matters.
    pub route: Option<String>,
    /// The expected action, where it matters.
    pub action: Option<String>,
    /// The expected resource, such as `order:o-1`, where it matters.
    pub resource: Option<String>,
    /// The expected tenant, where it matters.
    pub tenant: Option<String>,
}
