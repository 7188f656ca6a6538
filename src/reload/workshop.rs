//! A thread of its own for what takes long: reading, compiling, freeing.
//!
//! It has a lower priority than the threads that decide, so that a reload on a busy machine takes longer rather than making
//! decisions wait. All work of one loop is done by one thread, so that memory which one load gives back is there for the next.

use crate::lifecycle::give_way;
use std::{
    any::Any,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Hands work to the thread. The thread ends with the last handle.
#[derive(Debug, Clone)]
pub(super) struct Workshop {
    jobs: mpsc::Sender<Job>,
}

/// The work did not come to its end.
#[derive(Debug, thiserror::Error)]
#[error("it has failed inside: {0}")]
pub(super) struct Broken(String);

impl Workshop {
    /// Starts the thread.
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let (jobs, taken) = mpsc::channel::<Job>();
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            give_way();
            for job in taken {
                job();
            }
        })?;
        Ok(Self { jobs })
    }

    /// Does some work there. A panic becomes an error, and the thread goes on.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Broken> {
        let (done, result) = oneshot::channel();
        let job = move || {
            // What was half done is dropped with the work; whoever shares state with it looks after that.
            let result = catch_unwind(AssertUnwindSafe(work)).map_err(|panic| Broken(text_of(&*panic)));
            // Nobody waits any more where the process stops.
            drop(done.send(result));
        };
        let gone = || Broken("its thread is gone".to_owned());
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
}
