//! Tasks that have a name and are waited for.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::Notify, task::JoinHandle};

/// All tasks of the process: each has a name, and the stop waits for all of them and names those that linger.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    running: Mutex<Running>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    names: BTreeMap<u64, Cow<'static, str>>,
}

/// A place on the list of what runs, with a name that may change. Cheap to clone; the last clone that goes takes it off.
#[derive(Debug, Clone)]
pub struct Task {
    place: Arc<Place>,
}

#[derive(Debug)]
struct Place {
    inner: Arc<Inner>,
    number: u64,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a task on the current runtime.
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.enter(name).spawn(work)
    }

    /// Lists work that runs elsewhere, or that changes its name: it is waited for until the task is dropped.
    #[must_use]
    pub fn enter(&self, name: impl Into<Cow<'static, str>>) -> Task {
        let mut running = self.inner.lock();
        let number = running.next;
        running.next += 1;
        running.names.insert(number, name.into());
        Task { place: Arc::new(Place { inner: Arc::clone(&self.inner), number }) }
    }

    /// The names of the tasks that run, oldest first.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.inner.lock().names.values().map(ToString::to_string).collect()
    }

    /// Resolves when none is left.
    pub async fn finished(&self) {
        loop {
            let ended = self.inner.ended.notified();
            tokio::pin!(ended);
            // Listening begins before the look, so that an end in between is not missed.
            ended.as_mut().enable();
            if self.inner.lock().names.is_empty() {
                return;
            }
            ended.await;
        }
    }
}

impl Task {
    /// Runs work under this name on the current runtime.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn spawn<F>(self, work: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        tokio::spawn(async move {
            let _running = self;
            work.await
        })
    }

    /// Says anew what it is that runs.
    pub fn rename(&self, name: impl Into<Cow<'static, str>>) {
        self.place.inner.lock().names.insert(self.place.number, name.into());
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Running> {
        // The list is whole after every statement, so a panic elsewhere while it was held does no harm.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.lock().names.remove(&self.number);
        self.inner.ended.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn names_what_still_runs_and_waits_for_its_end() {
        let tasks = Tasks::new();
        tasks.finished().await;

        let (finish, finished) = oneshot::channel::<()>();
        let slow = tasks.spawn("slow", finished);
        tasks.spawn("quick", async {}).await.unwrap();
        assert_eq!(tasks.running(), ["slow"]);

        finish.send(()).unwrap();
        tasks.finished().await;
        assert!(tasks.running().is_empty());
        slow.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_runs_elsewhere_is_waited_for_by_the_name_that_it_has_now() {
        let tasks = Tasks::new();
        let connection = tasks.enter("connection");
        let request = connection.clone();
        request.rename("connection: an export");
        drop(connection);
        assert_eq!(tasks.running(), ["connection: an export"]);
        drop(request);
        tasks.finished().await;
    }

    #[tokio::test]
    async fn a_task_that_panics_is_taken_off_the_list() {
        let tasks = Tasks::new();
        let failed = tasks.spawn("fails", async { panic!("on purpose") });
        tasks.finished().await;
        assert!(failed.await.unwrap_err().is_panic());
    }
}
