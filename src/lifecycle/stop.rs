//! The word that tells a part to stop.

use tokio::sync::watch;

/// Says stop, once and for all. Dropping it says so too, so that no part outlives its owner.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

/// Hears stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

impl Stopper {
    /// A stopper, with as many listeners as are asked of it.
    #[must_use]
    pub fn new() -> Self {
        Self(watch::Sender::new(false))
    }

    /// One more listener. It also hears a stop that was said before.
    #[must_use]
    pub fn listener(&self) -> Stop {
        Stop(self.0.subscribe())
    }

    /// Says stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Default for Stopper {
    fn default() -> Self {
        Self::new()
    }
}

impl Stop {
    /// Whether stop was said.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Resolves when stop is said. Owned, so that it fits where a `'static` future is wanted.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut said = self.0.clone();
        async move {
            // An error means that the stopper is gone: that is a stop as well.
            drop(said.wait_for(|stopped| *stopped).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_hears_a_stop_that_was_said_before_and_the_end_of_the_stopper() {
        let stopper = Stopper::new();
        let early = stopper.listener();
        assert!(!early.is_stopped());
        stopper.stop();
        early.stopped().await;
        stopper.listener().stopped().await;
        assert!(early.is_stopped());

        let orphan = Stopper::new().listener();
        orphan.stopped().await;
        assert!(orphan.is_stopped());
    }
}
