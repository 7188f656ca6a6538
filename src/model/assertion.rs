//! What somebody other than the directory says about a user.

use super::Value;
use std::borrow::Cow;

/// What a trusted caller or a verified token says about a user, in the names of the policy set.
///
/// It adds to what the directory knows and takes nothing away: who is suspended there stays so, and so do gates and grants.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assertion {
    /// The user's id.
    pub user: String,
    /// The tenant in which the user acts, and in which alone the roles count.
    pub tenant: Option<String>,
    /// Roles. Those that the policy set does not have count for nothing.
    pub roles: Vec<String>,
    /// Attributes. One that the directory has a value for keeps that.
    pub attributes: Vec<(Cow<'static, str>, Value<'static>)>,
    /// Whether a user whom neither directory nor policy set know is nobody all the same.
    pub known_users_only: bool,
}
