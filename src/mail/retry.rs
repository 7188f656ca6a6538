//! When a letter is tried again.

use crate::{config::MailRetry, model::Timestamp};
use std::time::Duration;

/// What chance may take off a wait, so that several senders do not come back at the same moment.
const JITTER: f64 = 0.2;

/// The wait after so many failures in a row, the first being 1. `chance` is from 0 to 1.
pub(super) fn wait(retry: &MailRetry, failures: u32, chance: f64) -> Duration {
    let doubled = 2_u32.checked_pow(failures.saturating_sub(1)).and_then(|factor| retry.first.checked_mul(factor));
    let whole = doubled.map_or(retry.longest, |wait| wait.min(retry.longest));
    whole.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0))
}

/// When a letter is tried again; `None` where it would be too old by then.
pub(super) fn next(retry: &MailRetry, queued: Timestamp, now: Timestamp, wait: Duration) -> Option<Timestamp> {
    let next = after(now, wait);
    (next <= after(queued, retry.give_up_after)).then_some(next)
}

/// The time so much later.
pub(super) fn after(time: Timestamp, wait: Duration) -> Timestamp {
    let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(time.as_micros().saturating_add(micros))
}

/// How long it is from one time to a later one; nothing where it is not later.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    let micros = to.as_micros().saturating_sub(from.as_micros());
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: MailRetry = MailRetry {
        first: Duration::from_mins(1),
        longest: Duration::from_hours(1),
        give_up_after: Duration::from_hours(72),
    };

    #[test]
    fn waits_double_up_to_the_longest_and_chance_takes_up_to_a_fifth() {
        let minutes: Vec<u64> = (1..=8).map(|failures| wait(&RETRY, failures, 0.0).as_secs() / 60).collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(wait(&RETRY, u32::MAX, 0.0), RETRY.longest);
        assert_eq!(wait(&RETRY, 1, 1.0), Duration::from_secs(48));
        assert_eq!(wait(&RETRY, 0, 0.0), RETRY.first);
    }

    #[test]
    fn a_letter_is_given_up_when_it_would_be_too_old() {
        let queued = Timestamp::from_micros(0);
        let now = after(queued, Duration::from_hours(71));
        let at = |wait| next(&RETRY, queued, now, wait);
        assert_eq!(at(Duration::from_hours(1)), Some(after(queued, RETRY.give_up_after)));
        assert_eq!(at(Duration::from_hours(1) + Duration::from_micros(1)), None);
        assert_eq!(between(queued, now), Duration::from_hours(71));
        assert_eq!(between(now, queued), Duration::ZERO);
    }
}
