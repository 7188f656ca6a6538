//! Policy tests: questions with the answers that the set's authors expect, kept beside the policies.

mod read;
mod run;

pub(super) use read::{Known, read};
pub use run::{TestReport, TestResult, run_tests};

use crate::{
    engine::Location,
    model::{Decision, ReasonCode, Timestamp, Value},
};

/// One question with the expected answer. A case of a file that lists several users, actions or resources is a test for each
/// combination.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyTest {
    /// What it is called; the question itself where the file gives no name.
    pub name: String,
    /// The facts that it holds, by their ids.
    pub rules: Vec<String>,
    /// Who asks.
    pub user: String,
    /// The action.
    pub action: String,
    /// The resource's type, or a module.
    pub resource_type: String,
    /// The resource's id; may be empty.
    pub resource_id: String,
    /// The tenant that the request names.
    pub tenant: Option<String>,
    /// The resource's attributes.
    pub attributes: Vec<(String, Value<'static>)>,
    /// The request's context.
    pub context: Vec<(String, Value<'static>)>,
    /// When it is asked.
    pub at: Timestamp,
    /// The expected decision.
    pub expect: Decision,
    /// The expected reason, where it matters.
    pub reason: Option<ReasonCode>,
    /// The expected determining policies, where they matter.
    pub policies: Option<Vec<String>>,
    /// Where the case stands.
    pub location: Location,
}
