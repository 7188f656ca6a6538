//! Sessions, as applications report them: who was there, from when to when, from where.

use super::account::time;
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A session of a user with an application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Names it; sorts by the time of the login.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// The tenant, where the application named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The login.
    #[serde(with = "time")]
    pub start: Timestamp,
    /// The last sign of life.
    #[serde(with = "time")]
    pub seen: Timestamp,
    /// The end, where it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "time::optional")]
    pub end: Option<Timestamp>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// The address that the user came from, as the application reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The user agent, as the application reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// The application reported it.
    Logout,
    /// There was no sign of life for too long.
    Idle,
    /// The user was suspended.
    Suspended,
    /// The user was deleted.
    Deleted,
    /// The user was taken out of the tenant.
    Removed,
    /// An administrator ended it.
    Administrator,
}

impl Ended {
    /// The word of the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Idle => "idle",
            Self::Suspended => "suspended",
            Self::Deleted => "deleted",
            Self::Removed => "removed",
            Self::Administrator => "administrator",
        }
    }
}

impl Session {
    /// From when on it counts no longer where there is no sign of life.
    #[must_use]
    pub fn idle_end(&self, idle: Option<Duration>) -> Timestamp {
        let Some(idle) = idle else { return Timestamp::from_micros(i64::MAX) };
        let idle = i64::try_from(idle.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(self.seen.as_micros().saturating_add(idle))
    }

    /// How long it lasted, or has lasted so far, in seconds.
    #[must_use]
    pub fn seconds(&self, now: Timestamp) -> f64 {
        let micros = self.end.unwrap_or(now).as_micros().saturating_sub(self.start.as_micros()).max(0);
        std::time::Duration::from_micros(micros.unsigned_abs()).as_secs_f64()
    }

    /// Ends it.
    #[must_use]
    pub(super) fn ended(&self, how: Ended, at: Timestamp) -> Self {
        Self { end: Some(at), ended: Some(how), ..self.clone() }
    }
}
