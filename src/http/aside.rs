//! Work that would hold up decisions, done beside the threads that decide.
//!
//! Explanations, reports and searches look at many policies or users. A few of them run at a time; a few more wait; what
//! comes on top is refused, so that questions of this kind can never take the cores from decisions.

use super::{ApiError, ErrorCode};
use crate::telemetry::trace::{current, within};
use std::sync::Arc;
use tokio::{sync::Semaphore, task::spawn_blocking};

/// How much is done at a time: so many threads that may block it takes at the most.
pub(super) const AT_ONCE: usize = 2;
/// How much may be done or wait.
const AT_MOST: usize = 64;

/// Where such work is done. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Aside {
    running: Arc<Semaphore>,
    places: Arc<Semaphore>,
    overloaded: &'static str,
}

impl Default for Aside {
    fn default() -> Self {
        Self::new(AT_MOST, "too many reports and searches at once")
    }
}

impl Aside {
    /// A place for work of its own kind, of which so much may be done or wait; what is said of more than that.
    pub(super) fn new(at_most: usize, overloaded: &'static str) -> Self {
        Self { running: Arc::new(Semaphore::new(AT_ONCE)), places: Arc::new(Semaphore::new(at_most)), overloaded }
    }

    /// Does the work on a thread that may take its time. Log lines in between name the trace of the request.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let overloaded = || ApiError::new(ErrorCode::Overloaded, self.overloaded);
        let _place = self.places.try_acquire().map_err(|_| overloaded())?;
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| overloaded())?;
        let trace = current();
        let done = spawn_blocking(move || {
            // Held until the work is done, also where nobody waits for it any more.
            let _turn = turn;
            within(trace, work)
        });
        done.await.unwrap_or_else(|_| Err(ApiError::new(ErrorCode::Internal, "internal error")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::task::{Context, Poll, Waker};

    #[tokio::test]
    async fn work_beside_a_request_is_for_its_trace() {
        let trace = crate::model::TraceId::parse("0af7651916cd43dd8448eb211c80319c");
        let aside = Aside::default();
        let mut asked = Box::pin(aside.run(|| Ok(current())));
        // As the frame does with each poll.
        let done = std::future::poll_fn(|context| within(trace, || asked.as_mut().poll(context))).await;
        assert_eq!(done, Ok(trace));
        assert_eq!(aside.run(|| Ok(current())).await, Ok(crate::model::TraceId::NONE));
    }

    #[tokio::test]
    async fn what_comes_on_top_is_refused_and_a_panic_is_an_error() {
        let aside = Aside::default();
        assert_eq!(aside.run(|| Ok(7)).await, Ok(7));
        let panicked: Result<(), _> = aside.run(|| panic!("on purpose")).await;
        assert_eq!(panicked.map_err(|error| error.code), Err(ErrorCode::Internal));

        let busy: Vec<_> = (0..AT_ONCE).map(|_| Arc::clone(&aside.running).try_acquire_owned()).collect();
        let mut waiting: Vec<_> = (0..AT_MOST).map(|_| Box::pin(aside.run(|| Ok(())))).collect();
        let mut context = Context::from_waker(Waker::noop());
        for one in &mut waiting {
            assert_eq!(one.as_mut().poll(&mut context), Poll::Pending);
        }
        let refused = aside.run(|| Ok(())).await;
        assert_eq!(refused.map_err(|error| error.code), Err(ErrorCode::Overloaded));
        drop(busy);
        for one in waiting {
            assert_eq!(one.await, Ok(()));
        }
    }
}
