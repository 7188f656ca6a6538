//! Waiting for something to become true, with a deadline. The only place where tests sleep.

use std::time::{Duration, Instant};

/// Short enough not to slow a test down, long enough to leave the two cores to what is waited for.
const POLL: Duration = Duration::from_millis(2);

/// Waits until `attempt` gives a value; `None` once the deadline has passed.
pub fn wait_until<T>(deadline: Duration, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// Waits until the condition holds, and fails the test, naming `what`, when it does not in time.
#[track_caller]
pub fn wait_for(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let met = wait_until(deadline, || condition().then_some(()));
    assert!(met.is_some(), "waited {deadline:?} in vain for: {what}");
}
