//! The worker: takes letters that are due, sends them one after the other, and tells the queue what became of each.
//!
//! One task and one connection. Nobody waits for it, so a mail server that hangs delays letters and nothing else; while it answers
//! nobody, one letter is tried at a time and the others are left as they are. A clock that jumps ahead makes no letter too old: until it is
//! believed, such letters are left as they are as well.

use super::{
    Due, Post, Queue, QueueError,
    failure::{Failure, Scope},
    retry, smtp,
};
use crate::{
    config::MailRetry,
    lifecycle::{Pace, Stop},
    model::Timestamp,
    telemetry::{Metrics, events},
};
use std::{
    fmt,
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{task, time::sleep};

/// Letters asked for at a time.
const BATCH: usize = 20;

/// The longest rest between two looks at the queue: a clock may be set while the worker sleeps.
const LONGEST_REST: Duration = Duration::from_mins(1);

/// The rest after the queue could not be used, or has a letter that it does not give.
const QUEUE_REST: Duration = Duration::from_secs(1);

/// How long a letter that is being sent may hold up a stop. Cut off in the middle it may be sent twice.
const PATIENCE: Duration = Duration::from_secs(3);

/// Tells the time of day.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Sends what is due.
pub struct Worker {
    queue: Arc<dyn Queue>,
    post: Post,
    retry: MailRetry,
    now: Now,
    metrics: Arc<Metrics>,
    /// Failures in a row that concern all letters, and when the next is tried.
    outage: Option<(u32, Timestamp)>,
    /// Whether the clock can be believed.
    pace: Pace,
    /// Whether it was told that letters rest because it cannot.
    rests: bool,
}

/// What comes next.
enum Next {
    AtOnce,
    Rest(Duration),
    Stop,
}

/// What became of an attempt, as the queue is told.
enum Outcome {
    Sent,
    Failed {
        why: String,
        next: Option<Timestamp>,
    },
    /// It would be given up for its age, and nobody knows the time: it is left as it is.
    Rests,
}

/// How far a letter has got.
enum Handled {
    Told,
    Rests,
    Stopped,
}

impl Worker {
    /// A worker that has not begun. The queue's depth is a metric from now on.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, post: Post, retry: MailRetry, now: Now, metrics: Arc<Metrics>) -> Self {
        // The metric must not keep a queue open that its owner has closed.
        let depth = Arc::downgrade(&queue);
        metrics.watch_mail(move || depth.upgrade().map_or(0, |queue| queue.depth()));
        let pace = Pace::begin(now(), Instant::now(), None);
        Self { queue, post, retry, now, metrics, outage: None, pace, rests: false }
    }

    /// Works until it is told to stop. A letter that is being sent then gets a few seconds to be done.
    pub async fn run(mut self, stop: Stop) {
        let bell = self.queue.bell();
        loop {
            match Box::pin(self.round(&stop)).await {
                Next::AtOnce => {}
                Next::Rest(rest) => tokio::select! {
                    () = stop.stopped() => break,
                    () = bell.rung() => {}
                    () = sleep(rest) => {}
                },
                Next::Stop => break,
            }
        }
        // The server is told, but not waited for beyond a moment.
        drop(tokio::time::timeout(Duration::from_secs(1), self.post.rest(true)).await);
    }

    /// One look at the queue, and what is due.
    async fn round(&mut self, stop: &Stop) -> Next {
        self.post.rest(false).await;
        let now = self.look_at_the_clock();
        // One letter is enough to see whether the server is back.
        let most = match self.outage {
            Some((_, until)) if until > now => return self.rest(Some(until), now),
            Some(_) => 1,
            None => BATCH,
        };
        let looked = self.ask(move |queue| {
            let due = queue.due(now, most)?;
            let next = if due.is_empty() { queue.next()? } else { None };
            Ok((due, next))
        });
        match looked.await {
            Err(error) => {
                events::mail_queue_failed(&error);
                Next::Rest(QUEUE_REST)
            }
            Ok((due, next)) if due.is_empty() => self.rest(next, now),
            Ok((due, _)) => {
                let mut next = Next::AtOnce;
                for due in due {
                    match Box::pin(self.handle(&due, stop)).await {
                        Handled::Told => {}
                        Handled::Rests => next = Next::Rest(LONGEST_REST),
                        Handled::Stopped => return Next::Stop,
                    }
                    if self.outage.is_some() {
                        return Next::AtOnce;
                    }
                }
                next
            }
        }
    }

    /// Now, and whether that can be believed.
    fn look_at_the_clock(&mut self) -> Timestamp {
        let now = (self.now)();
        if self.pace.look(now, Instant::now()).is_some() {
            // When the next letter is tried was said by another clock.
            self.outage = None;
        }
        self.rests &= self.pace.is_doubted();
        now
    }

    /// Leaves a letter as it is.
    fn leave(&mut self) -> Handled {
        if !self.rests {
            events::letters_rest(self.pace.ahead_seconds());
        }
        self.rests = true;
        Handled::Rests
    }

    /// Sends one letter and tells the queue.
    async fn handle(&mut self, due: &Due, stop: &Stop) -> Handled {
        if stop.is_stopped() {
            return Handled::Stopped;
        }
        let began = self.look_at_the_clock();
        let result = match &due.letter {
            Err(unwritten) => Err(Failure::last(unwritten.why)),
            Ok(letter) if letter.values.expires <= began && self.pace.is_doubted() => return self.leave(),
            Ok(letter) if letter.values.expires <= began => Err(Failure::last("its link has expired")),
            Ok(letter) => {
                let cut_off = async {
                    stop.stopped().await;
                    sleep(PATIENCE).await;
                };
                tokio::select! {
                    biased;
                    result = fence(self.post.send(letter, began)) => result,
                    () = cut_off => return Handled::Stopped,
                }
            }
        };
        let now = self.look_at_the_clock();
        let outcome = self.outcome(due, result, now);
        self.tell(due, &outcome, retry::between(began, now));
        if matches!(outcome, Outcome::Rests) {
            return self.leave();
        }
        if self.settle(due, &outcome, now, stop).await.is_some() { Handled::Told } else { Handled::Stopped }
    }

    /// Logs and counts what became of an attempt.
    fn tell(&self, due: &Due, outcome: &Outcome, took: Duration) {
        let metrics = &*self.metrics;
        let (kind, id, recipient) = due.names();
        let attempt = events::Attempt { kind, letter: id, recipient, took };
        match outcome {
            Outcome::Sent => events::letter_sent(metrics, &attempt),
            Outcome::Failed { why, next: Some(next) } => events::letter_failed(metrics, &attempt, why, *next),
            Outcome::Failed { why, next: None } => events::letter_given_up(metrics, &attempt, why),
            Outcome::Rests => {}
        }
    }

    /// What the queue is told, and whether the letters behind this one are tried.
    fn outcome(&mut self, due: &Due, result: Result<(), Failure>, now: Timestamp) -> Outcome {
        let Err(failure) = result else {
            self.outage = None;
            return Outcome::Sent;
        };
        let wait = retry::wait(&self.retry, due.failures.saturating_add(1), fastrand::f64());
        let next = match failure.scope {
            Scope::Final => None,
            Scope::Service | Scope::Letter => retry::next(&self.retry, due.queued, now, wait),
        };
        if failure.scope == Scope::Service {
            let in_a_row = self.outage.map_or(0, |(failures, _)| failures).saturating_add(1);
            let until = retry::after(now, retry::wait(&self.retry, in_a_row, fastrand::f64()));
            self.outage = Some((in_a_row, until));
        } else {
            // Whoever refuses one letter is there for the others.
            self.outage = None;
        }
        if next.is_none() && failure.scope != Scope::Final && self.pace.is_doubted() {
            return Outcome::Rests;
        }
        Outcome::Failed { why: failure.why, next }
    }

    /// Tells the queue until it has heard, so that a letter is not sent twice because a disk was full; `None` where a stop came.
    async fn settle(&self, due: &Due, outcome: &Outcome, now: Timestamp, stop: &Stop) -> Option<()> {
        loop {
            let id = due.names().1.to_owned();
            let told = match outcome {
                Outcome::Rests => return Some(()),
                Outcome::Sent => self.ask(move |queue| queue.sent(&id, now)).await,
                Outcome::Failed { why, next } => {
                    let (why, next) = (why.clone(), *next);
                    self.ask(move |queue| queue.failed(&id, now, &why, next)).await
                }
            };
            match told {
                Ok(()) => return Some(()),
                Err(error) => events::mail_queue_failed(&error),
            }
            tokio::select! {
                () = stop.stopped() => return None,
                () = sleep(QUEUE_REST) => {}
            }
        }
    }

    /// Asks the queue where that may block.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Queue) -> Result<T, QueueError> + Send + 'static,
    ) -> Result<T, QueueError> {
        let queue = Arc::clone(&self.queue);
        let answer = task::spawn_blocking(move || question(&*queue)).await;
        answer.unwrap_or_else(|panicked| Err(QueueError(Box::new(panicked))))
    }

    fn rest(&self, until: Option<Timestamp>, now: Timestamp) -> Next {
        let longest = if self.post.is_connected() { smtp::IDLE } else { LONGEST_REST };
        Next::Rest(match until {
            // A letter that should be due and cannot be had: asking at once would be asking for ever.
            Some(until) if until <= now => QUEUE_REST,
            Some(until) => retry::between(now, until).min(longest),
            None => longest,
        })
    }
}

/// Keeps a panic within its letter: the worker is for all of them.
async fn fence(sending: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let mut sending = pin!(sending);
    let failed = |_| Poll::Ready(Err(Failure::last("a part of the product has failed")));
    poll_fn(|context| catch_unwind(AssertUnwindSafe(|| sending.as_mut().poll(context))).unwrap_or_else(failed)).await
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("post", &self.post).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_gives_up_its_letter_and_ends_nothing_else() {
        let panics = async { if fastrand::f64() < 2.0 { panic!("on purpose") } else { Ok(()) } };
        let failure = fence(panics).await.unwrap_err();
        assert_eq!(failure.scope, Scope::Final);
        assert_eq!(failure.why, "a part of the product has failed");
        assert!(fence(async { Ok(()) }).await.is_ok());
    }
}
