//! A thread of its own for what takes long: reading, compiling, freeing.
//!
//! It has a lower priority than the threads that decide, so that a reload on a busy machine takes longer rather than making
//! decisions wait. All work of one loop is done by one thread, so that memory which one load gives back is there for the next.
//!
//! A file system may not answer, and such a call cannot be called off. Whoever does not want to wait for ever does not; the work
//! stays on the thread, and whatever is asked of it meanwhile is turned down after the same time.

use crate::lifecycle::give_way;
use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, oneshot},
    time::timeout,
};

/// How long a file system may take to answer. A set of the largest size from a slow disk takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(30);

type Job = Box<dyn FnOnce() + Send>;

/// Hands work to the thread. The thread ends with the last handle.
#[derive(Debug, Clone)]
pub(super) struct Workshop {
    jobs: mpsc::Sender<Job>,
    // Held by the work under way, also where nobody waits for it any more.
    idle: Arc<Semaphore>,
    patience: Duration,
}

/// The work did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// A panic.
    #[error("it has failed inside: {0}")]
    Failed(String),
    /// It is not done, and may never be.
    #[error("the file system has not answered for {0:?}")]
    Hung(Duration),
}

impl Workshop {
    /// Starts the thread.
    pub(super) fn start(name: &str) -> io::Result<Self> {
        Self::with_patience(name, PATIENCE)
    }

    /// The same with another patience.
    pub(super) fn with_patience(name: &str, patience: Duration) -> io::Result<Self> {
        let (jobs, taken) = mpsc::channel::<Job>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            give_way();
            for job in taken {
                job();
            }
        })?;
        Ok(Self { jobs, idle: Arc::new(Semaphore::new(1)), patience })
    }

    /// Whether the thread has nothing to do.
    pub(super) fn is_idle(&self) -> bool {
        self.idle.available_permits() > 0
    }

    /// Does some work there that asks a file system, and waits for it within reason.
    pub(super) async fn ask<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
        timeout(self.patience, self.run(work)).await.unwrap_or(Err(Broken::Hung(self.patience)))
    }

    /// Does some work there. A panic becomes an error, and the thread goes on.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
        let gone = || Broken::Failed("its thread is gone".to_owned());
        // Nothing queues up behind work that hangs.
        let turn = Arc::clone(&self.idle).acquire_owned().await.map_err(|_| gone())?;
        let (done, result) = oneshot::channel();
        let job = move || {
            // What was half done is dropped with the work; whoever shares state with it looks after that.
            let result = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Broken::Failed(text_of(&*panic)));
            drop(turn);
            // Nobody waits any more where the process stops.
            drop(done.send(result));
        };
        self.jobs.send(Box::new(job)).map_err(|_| gone())?;
        result.await.unwrap_or_else(|_| Err(gone()))
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_thread_goes_on() {
        let workshop = Workshop::start("test").unwrap();
        let broken = workshop.run(|| panic!("on purpose")).await.map(|(): ()| ()).unwrap_err();
        assert_eq!(broken.to_string(), "it has failed inside: on purpose");
        assert_eq!(workshop.run(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_hangs_is_not_waited_for_and_nothing_queues_up_behind_it() {
        let workshop = Workshop::with_patience("test", Duration::from_millis(20)).unwrap();
        let (answer, answered) = mpsc::channel::<()>();
        let hung = workshop.ask(move || answered.recv().ok()).await;
        assert!(matches!(hung, Err(Broken::Hung(_))), "{hung:?}");
        let (done, was_done) = mpsc::channel();
        let next = workshop.ask(move || done.send(())).await;
        assert!(matches!(next, Err(Broken::Hung(_))), "{next:?}");
        assert!(!workshop.is_idle());
        answer.send(()).unwrap();
        assert_eq!(workshop.run(|| 7).await.unwrap(), 7);
        assert!(was_done.try_recv().is_err(), "what was turned down is not done later");
        assert!(workshop.is_idle());
    }
}
