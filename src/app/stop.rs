//! The stop: phases in their order, one deadline for all of them.

use super::{App, Ended, records};
use crate::{
    audit::{Log, RecordError},
    directory::Directory,
    lifecycle::{Clock, Deadline, Expired, Signal, Signals, Tasks},
    telemetry::{access, events},
};
use std::time::{Duration, Instant};
use tokio::{task, time::sleep};

/// How often those that linger are named.
const NAMING_INTERVAL: Duration = Duration::from_secs(2);

/// Stops everything. A second signal or the deadline cuts it short.
pub(super) async fn stop(app: App, why: &str) -> Ended {
    let began = Instant::now();
    let App { settings, clock, mut signals, readiness, log, directory, parts, .. } = app;
    let shutdown = settings.load().shutdown;
    let deadline = Deadline::after(shutdown.deadline);
    events::stopping(why, shutdown.deadline);
    readiness.hold("stopping", "the process stops");
    let writing = Tasks::new();

    let phases = async {
        if !shutdown.delay.is_zero() {
            events::stop_phase("wait for others to notice");
            deadline.within(sleep(shutdown.delay)).await?;
        }
        events::stop_phase("finish requests");
        parts.stop_listeners.stop();
        deadline.within(ended(&parts.requests)).await?;
        access::flush().await;
        parts.stop_reload.stop();
        deadline.within(ended(&parts.reloading)).await?;
        deadline.within(close_directory(directory)).await?;
        events::stop_phase("close the audit log");
        let closed = deadline.within(close(log, clock, &writing)).await?;
        parts.stop_ops.stop();
        deadline.within(ended(&parts.ops)).await?;
        Ok::<_, Expired>(closed)
    };
    let result = tokio::select! {
        result = phases => result.map_err(|Expired| "the deadline has passed"),
        () = second_signal(&mut signals) => Err("a second signal has come"),
    };
    match result {
        Ok(Ok(())) => {
            events::stopped(began.elapsed());
            Ended::InOrder
        }
        Ok(Err(error)) => {
            events::audit_close_failed(&error);
            Ended::Unclosed
        }
        Err(why) => {
            let left = [&parts.requests, &parts.reloading, &writing, &parts.ops].map(Tasks::running).concat();
            events::stop_forced(why, &left);
            Ended::Forced
        }
    }
}

/// Waits for tasks, and names those that linger from time to time.
async fn ended(tasks: &Tasks) {
    loop {
        tokio::select! {
            () = tasks.finished() => return,
            () = sleep(NAMING_INTERVAL) => events::stragglers(&tasks.running()),
        }
    }
}

/// What fails here is found out by the next start.
async fn close_directory(directory: Directory) {
    if let Ok(Err(error)) = task::spawn_blocking(move || directory.close()).await {
        events::directory_failed(&error);
    }
}

/// Writing what is left to the disk blocks, for as long as the disk takes, and so does a record that finds no room: the deadline and a
/// second signal count meanwhile.
async fn close(log: Log, clock: Clock, writing: &Tasks) -> Result<(), RecordError> {
    let task = writing.enter("audit log");
    let closing = task::spawn_blocking(move || {
        records::system(&log, clock, "stopped");
        let closed = log.close();
        drop(task);
        closed
    });
    ended(writing).await;
    closing.await.unwrap_or(Err(RecordError::Failed))
}

/// Whoever asks twice does not want to wait. `SIGHUP` asks for something else.
async fn second_signal(signals: &mut Signals) {
    while signals.next().await == Signal::Hangup {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Entry, Kind, Options, Order, Query};
    use std::{
        future::Future as _,
        ops::ControlFlow,
        pin::pin,
        sync::{Arc, Condvar, Mutex},
        task::{Context, Poll, Waker},
    };

    /// Bytes of the largest record.
    const LARGEST: u64 = 65_535;

    #[tokio::test]
    async fn a_log_without_room_holds_up_neither_the_deadline_nor_a_signal() {
        let (data, clock) = (tempfile::tempdir().unwrap(), Clock::system());
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let mut options = Options::new(data.path());
        options.ring_bytes = 1;
        // The writer stands still after its first commit.
        let closed = Arc::clone(&gate);
        options.on_commit = Some(Arc::new(move |_| {
            drop(closed.1.wait_while(closed.0.lock().unwrap(), |is_open| !*is_open).unwrap());
        }));
        let log = Log::open(options).unwrap();
        let filling = log.clone();
        let large = "x".repeat(900);
        // Until the largest record finds no room any more, so that the next one waits, whatever its size.
        let is_full = || {
            let (depth, capacity) = filling.pulse().fullest_queue;
            depth + LARGEST > capacity
        };
        while !is_full() {
            filling.append(&Entry { user: &large, ..Entry::blank(Kind::Activity, clock.now(), [7; 16]) }).unwrap();
        }
        drop(filling);
        let writing = Tasks::new();
        let mut closing = pin!(close(log.clone(), clock, &writing));
        let polled = closing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending), "it has not waited for the disk");
        assert_eq!(writing.running(), ["audit log"], "what is waited for has a name");
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        assert!(closing.await.is_ok());
        let mut last = String::new();
        let mut newest = Query::all(Order::Descending);
        newest.kind = Some(Kind::System);
        let read = log.reader().for_each(&newest, |record| {
            last = record.reason.to_owned();
            ControlFlow::Break(())
        });
        assert!(read.is_ok());
        assert_eq!(last, "stopped");
    }
}
