//! The start, which a word to stop may cut short.

use super::{App, Ended, StartError};
use crate::{
    config::{Settings, Sources},
    lifecycle::{Signal, Signals, give_back_start_pages},
    telemetry::{LogLevel, events},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{task, time::sleep};

/// The first looks at files and the first rounds of every loop are over then, and with them what they need of the program.
const FIRST_LOOKS: Duration = Duration::from_secs(10);

/// Who comes first: the start, which then goes on to its end, or the stop, which then leaves it where it is.
#[derive(Debug, Default)]
pub(super) struct Threshold(AtomicBool);

impl Threshold {
    /// True for who comes first.
    pub(super) fn cross(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// Starts, unless the word to stop comes before a socket is bound: a slow disk may take long, and nobody has been served yet. What is
/// left behind is what a crash leaves, and the next start goes on from there. Once sockets are bound the start goes to its end, and the
/// parts are stopped in their order.
pub(super) async fn start(settings: &Settings, sources: Sources, level: LogLevel) -> Result<Option<App>, StartError> {
    // Beside those of the running process, which hear the same from the beginning of the start on.
    let mut signals = Signals::install().map_err(StartError::Signals)?;
    let (began, threshold) = (Instant::now(), Arc::<Threshold>::default());
    let starting = {
        let (settings, threshold) = (settings.clone(), Arc::clone(&threshold));
        task::spawn_blocking(move || App::start(&settings, sources, level, &threshold))
    };
    tokio::pin!(starting);
    loop {
        let signal = tokio::select! {
            started = &mut starting => {
                return started.unwrap_or_else(|broken| Err(StartError::Broken(broken.into()))).map(Some);
            }
            signal = signals.next() => signal,
        };
        if matches!(signal, Signal::Terminate | Signal::Interrupt) && threshold.cross() {
            events::stopping(signal.as_str(), settings.shutdown.deadline);
            events::stopped(began.elapsed());
            return Ok(None);
        }
    }
}

/// Runs until the word to stop.
pub(super) async fn run(settings: &Settings, sources: Sources, level: LogLevel) -> Result<Ended, StartError> {
    let Some(app) = start(settings, sources, level).await? else { return Ok(Ended::InOrder) };
    let live = app.live();
    tokio::pin!(live);
    tokio::select! {
        ended = &mut live => return Ok(ended),
        () = sleep(FIRST_LOOKS) => give_back_start_pages(),
    };
    Ok(live.await)
}
