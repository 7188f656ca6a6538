//! One deadline for several phases.

use std::{future::Future, time::Duration};
use tokio::time::Instant;

/// A point in time that all phases of a stop share: what one phase uses up, the next ones lack.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
}

/// The deadline passed before the phase was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline has passed")]
pub struct Expired;

impl Deadline {
    /// A deadline this far from now.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self { at: Instant::now() + duration }
    }

    /// What is left, zero when it has passed.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Waits for `work`, but not beyond the deadline.
    pub async fn within<T>(self, work: impl Future<Output = T>) -> Result<T, Expired> {
        tokio::time::timeout_at(self.at, work).await.map_err(|_| Expired)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn a_phase_ends_with_its_work_or_with_the_deadline() {
        let deadline = Deadline::after(Duration::from_millis(20));
        assert_eq!(deadline.within(ready(1)).await, Ok(1));
        assert_eq!(deadline.within(pending::<()>()).await, Err(Expired));
        assert_eq!(deadline.remaining(), Duration::ZERO);
        assert_eq!(deadline.within(pending::<()>()).await, Err(Expired), "a later phase gets no time of its own");
    }
}
