//! What one caller may use up, counted by all workers without a lock.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

/// What can be saved up: a second's worth.
const SECOND: u64 = 1_000_000_000;

/// The requests of one caller.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// When all that was used up will have come back, in nanoseconds.
    due: AtomicU64,
    in_flight: AtomicU32,
}

impl Meter {
    /// Takes one request of so many a second; if there is none left, how long until there is. `now` is counted from any moment, always
    /// the same.
    pub(super) fn take(&self, most: NonZeroU32, now: Duration) -> Result<(), Duration> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let each = SECOND / u64::from(most.get());
        let latest = now.saturating_add(SECOND);
        let next = |due: u64| Some(due.max(now).saturating_add(each)).filter(|next| *next <= latest);
        // Relaxed: the figure guards nothing but itself.
        match self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(due) => Err(Duration::from_nanos(due.saturating_add(each).saturating_sub(latest))),
        }
    }

    /// Takes so many requests more than [`Self::take`] has taken, whether there are any left or not.
    pub(super) fn owe(&self, more: usize, most: NonZeroU32, now: Duration) {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let more = u64::try_from(more).unwrap_or(u64::MAX).saturating_mul(SECOND / u64::from(most.get()));
        let next = |due: u64| Some(due.max(now).saturating_add(more));
        // It is never refused.
        let (Ok(_) | Err(_)) = self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// Takes a place among the requests in flight; whoever got it leaves it again.
    pub(super) fn enter(&self, most: Option<NonZeroU32>) -> bool {
        let most = most.map_or(u32::MAX, NonZeroU32::get);
        let next = |now: u32| now.checked_add(1).filter(|next| *next <= most);
        self.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// Leaves the place.
    pub(super) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn a_second_holds_as_many_as_are_allowed_and_they_come_back_one_by_one() {
        for most in [1, 3, 100, 4_000_000] {
            let meter = Meter::default();
            let (most, each) = (many(most), Duration::from_nanos(SECOND / u64::from(most)));
            let began = Duration::from_secs(5);
            let taken = (0..1000).take_while(|_| meter.take(most, began).is_ok()).count();
            assert_eq!(taken, usize::try_from(most.get()).unwrap().min(1000));
            if taken == 1000 {
                continue;
            }
            let wait = meter.take(most, began).unwrap_err();
            assert!(!wait.is_zero() && wait <= each, "{most}: {wait:?}");
            assert_eq!(meter.take(most, began + wait), Ok(()), "{most}");
            assert!(meter.take(most, began + wait).is_err(), "{most}");
            // What is not used is not saved up beyond a second.
            let later = began + Duration::from_mins(1);
            assert_eq!((0..1000).take_while(|_| meter.take(most, later).is_ok()).count(), taken);
        }
    }

    #[test]
    fn what_is_owed_is_made_up_for_before_anything_else_is_taken() {
        let (meter, most, began) = (Meter::default(), many(10), Duration::from_secs(5));
        assert_eq!(meter.take(most, began), Ok(()));
        meter.owe(29, most, began);
        assert_eq!(meter.take(most, began), Err(Duration::from_millis(2100)));
        assert!(meter.take(most, began + Duration::from_millis(2099)).is_err());
        assert_eq!(meter.take(most, began + Duration::from_millis(2100)), Ok(()));
    }

    #[test]
    fn places_are_given_back() {
        let meter = Meter::default();
        assert!(meter.enter(Some(many(2))) && meter.enter(Some(many(2))));
        assert!(!meter.enter(Some(many(2))));
        meter.leave();
        assert!(meter.enter(Some(many(2))));
        assert!(meter.enter(None), "without a limit there is always one");
    }
}
