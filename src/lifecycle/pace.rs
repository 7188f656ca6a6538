//! Whether the clock keeps pace with time. A clock that somebody sets jumps, and what is thrown away for its age must not go by that.

use crate::model::Timestamp;
use std::time::{Duration, Instant};

/// How far the clock may stray between two looks: a time service that corrects it step by step strays by less.
const TOLERANCE: i64 = 60 * 1_000_000;

/// How far ahead of what was last known a clock may be when nobody has watched it meanwhile.
const UNWATCHED: i64 = 24 * 3_600 * 1_000_000;

/// How long a clock that is ahead is not believed: time for a time service or an operator to set it right.
pub const DOUBT: Duration = Duration::from_hours(1);

/// Compares the clock with the one that nobody can set.
#[derive(Debug, Clone)]
pub struct Pace {
    now: Timestamp,
    steady: Instant,
    // How far the clock is ahead of where it should be, in microseconds, and until when it is not believed for that.
    ahead: i64,
    doubted_until: Option<Instant>,
}

/// The clock was set: by so many microseconds ahead, or back where they are less than none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump(i64);

impl Jump {
    /// By how many seconds, back where they are less than none.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0 / 1_000_000
    }
}

impl Pace {
    /// Begins to watch. `last` is a time that has certainly been, such as that of the newest record.
    #[must_use]
    pub fn begin(now: Timestamp, steady: Instant, last: Option<Timestamp>) -> Self {
        let ahead = last.map_or(0, |last| now.as_micros().saturating_sub(last.as_micros()));
        let is_far = ahead > UNWATCHED;
        let doubted_until = is_far.then(|| steady + DOUBT);
        Self { now, steady, ahead: if is_far { ahead } else { 0 }, doubted_until }
    }

    /// Looks again. Says whether the clock was set since the last look.
    pub fn look(&mut self, now: Timestamp, steady: Instant) -> Option<Jump> {
        let passed = i64::try_from(steady.saturating_duration_since(self.steady).as_micros()).unwrap_or(i64::MAX);
        let by = now.as_micros().saturating_sub(self.now.as_micros()).saturating_sub(passed);
        (self.now, self.steady) = (now, steady);
        if by.abs() <= TOLERANCE {
            return None;
        }
        self.ahead = self.ahead.saturating_add(by);
        if by > 0 {
            self.doubted_until = Some(steady + DOUBT);
        }
        if self.ahead <= TOLERANCE {
            // It is back where it was, or behind, where everything is younger.
            (self.ahead, self.doubted_until) = (0, None);
        }
        Some(Jump(by))
    }

    /// Whether the clock may be ahead, so that things look older than they are.
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        self.doubted_until.is_some_and(|until| self.steady < until)
    }

    /// How many seconds it seems to be ahead; none where it is not doubted.
    #[must_use]
    pub fn ahead_seconds(&self) -> i64 {
        if self.is_doubted() { self.ahead / 1_000_000 } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600;
    const YEAR: i64 = 365 * 24 * HOUR;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros((1_800_000_000 + seconds) * 1_000_000)
    }

    /// Looks at these seconds of the steady clock, with the clock so far off each time: what jumped, and whether it is doubted.
    fn watch(last: Option<i64>, looks: &[(i64, i64)]) -> Vec<(Option<i64>, bool)> {
        let zero = Instant::now();
        let mut pace = Pace::begin(at(0), zero, last.map(at));
        let look = |&(passed, off): &(i64, i64)| {
            let steady = zero + Duration::from_secs(u64::try_from(passed).unwrap());
            let jump = pace.look(at(passed + off), steady).map(Jump::seconds);
            (jump, pace.is_doubted())
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn a_jump_ahead_is_doubted_until_it_is_taken_back_or_has_lasted() {
        for (last, looks, want) in [
            // It keeps pace, corrections included.
            (None, &[(1, 0), (2, 30), (10, -20)][..], &[(None, false), (None, false), (None, false)][..]),
            // Ahead, and believed in the end.
            (
                None,
                &[(1, YEAR), (2, YEAR), (HOUR, YEAR), (HOUR + 2, YEAR)],
                &[(Some(YEAR), true), (None, true), (None, true), (None, false)],
            ),
            // Ahead and back again.
            (None, &[(1, YEAR), (2, 0)], &[(Some(YEAR), true), (Some(-YEAR), false)]),
            // Ahead, and a little back.
            (None, &[(1, YEAR), (2, YEAR - HOUR)], &[(Some(YEAR), true), (Some(-HOUR), true)]),
            // Back, and ahead to where it was: which of the two was wrong cannot be told.
            (None, &[(1, -YEAR), (2, 0)], &[(Some(-YEAR), false), (Some(YEAR), true)]),
            // What was last known is long ago, or just now, or to come.
            (Some(-2 * 24 * HOUR), &[(1, 0), (HOUR, 0)], &[(None, true), (None, false)]),
            (Some(-HOUR), &[(1, 0)], &[(None, false)]),
            (Some(YEAR), &[(1, 0)], &[(None, false)]),
        ] {
            assert_eq!(watch(last, looks), want, "{last:?} {looks:?}");
        }
    }
}
