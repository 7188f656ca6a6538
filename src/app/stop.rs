//! The stop: phases in their order, one deadline for all of them.

use super::{App, Ended, records};
use crate::{
    audit::{Log, RecordError},
    lifecycle::{Deadline, Expired, Signal, Signals, Tasks},
    telemetry::{access, events},
};
use std::time::{Duration, Instant};
use tokio::{task, time::sleep};

/// How often those that linger are named.
const NAMING_INTERVAL: Duration = Duration::from_secs(2);

/// Stops everything. A second signal or the deadline cuts it short.
pub(super) async fn stop(app: App, why: &str) -> Ended {
    let began = Instant::now();
    let App { settings, clock, mut signals, readiness, log, parts, .. } = app;
    let shutdown = settings.load().shutdown;
    let deadline = Deadline::after(shutdown.deadline);
    events::stopping(why, shutdown.deadline);
    readiness.hold("stopping", "the process stops");

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
        events::stop_phase("close the audit log");
        records::system(&log, clock, "stopped");
        let closed = deadline.within(close(log)).await?;
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
            Ended::Broken
        }
        Err(why) => {
            let left = [parts.requests.running(), parts.reloading.running(), parts.ops.running()].concat();
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

/// Writing what is left to the disk blocks.
async fn close(log: Log) -> Result<(), RecordError> {
    task::spawn_blocking(move || log.close()).await.unwrap_or(Err(RecordError::Failed))
}

/// Whoever asks twice does not want to wait. `SIGHUP` asks for something else.
async fn second_signal(signals: &mut Signals) {
    while signals.next().await == Signal::Hangup {}
}
