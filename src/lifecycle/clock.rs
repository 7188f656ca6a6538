//! The one clock.

use crate::model::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the time of day. The only place that reads the system's clock, so that whatever depends on the time says so.
#[derive(Debug, Clone, Copy, Default)]
pub struct Clock;

impl Clock {
    /// The system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self
    }

    /// Now. A clock that was set to a time before 1970 reads as 1970.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(self) -> Timestamp {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }
}
