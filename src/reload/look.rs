//! One look at files: they are read once they rest, and what was read is one generation.

use super::{
    Cause,
    cause::Slot,
    workshop::{Broken, Workshop},
};
use crate::{document::Text, model::Revision, policy::Files};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How many times the debounce time changes may rain before the files are compared instead of awaiting quiet.
const MOST_WAITS: u32 = 10;

/// Comparisons of files that do not come to rest, before the next event or the poll takes over.
const MOST_COMPARISONS: usize = 20;

/// What can be looked at: equal content has an equal digest.
pub(super) trait Content: Send + 'static {
    /// Names the content.
    fn digest(&self) -> Revision;
}

impl Content for Files {
    fn digest(&self) -> Revision {
        self.revision()
    }
}

impl Content for Text {
    fn digest(&self) -> Revision {
        Revision::new(Sha256::digest(self.content().as_bytes()).into())
    }
}

/// What one look has found.
#[derive(Debug)]
pub(super) enum Found<T, E> {
    /// Files at rest.
    Files(T),
    /// Files that cannot be read.
    Unreadable(E),
    /// Files that do not come to rest.
    Unsettled,
}

impl<T, E> From<Result<T, E>> for Found<T, E> {
    fn from(read: Result<T, E>) -> Self {
        match read {
            Ok(files) => Self::Files(files),
            Err(error) => Self::Unreadable(error),
        }
    }
}

/// Looks at files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'l> {
    pub(super) slot: &'l Slot,
    pub(super) workshop: &'l Workshop,
    /// How long files must rest before they are read.
    pub(super) debounce: Duration,
}

impl Look<'_> {
    /// Reads the files, once they rest where nobody has said that they are complete. `is_known` tells of content that needs no
    /// more looking at.
    pub(super) async fn find<T: Content, E: Send + 'static>(
        self,
        cause: Cause,
        read: impl Fn() -> Result<T, E> + Clone + Send + 'static,
        is_known: impl Fn(Revision) -> bool,
    ) -> Result<Found<T, E>, Broken> {
        let calm = match cause {
            Cause::FileEvent => self.quiet().await,
            // Without an event nobody knows how long the files have rested.
            Cause::Poll => false,
            Cause::Start | Cause::Signal | Cause::Admin => true,
        };
        let changes = self.slot.changes();
        self.slot.forget_hint();
        let mut before = self.workshop.ask(read.clone()).await?;
        let is_known = before.as_ref().is_ok_and(|files| is_known(files.digest()));
        if cause.is_word() || is_known || (calm && changes == self.slot.changes()) {
            return Ok(before.into());
        }
        for _ in 0..MOST_COMPARISONS {
            sleep(self.debounce).await;
            let now = self.workshop.ask(read.clone()).await?;
            // A file that git or an editor replaces is not there for a moment: only what stays unreadable is.
            let rests = match (&before, &now) {
                (Ok(before), Ok(now)) => before.digest() == now.digest(),
                (Err(_), Err(_)) => true,
                _ => false,
            };
            if rests || self.slot.has_word() {
                return Ok(now.into());
            }
            before = now;
        }
        Ok(Found::Unsettled)
    }

    /// Waits until the files have rested for the debounce time. False where they do not come to rest.
    async fn quiet(&self) -> bool {
        for _ in 0..MOST_WAITS {
            let changes = self.slot.changes();
            let word = async {
                while !self.slot.has_word() {
                    self.slot.filled().await;
                }
            };
            if timeout(self.debounce, word).await.is_ok() || changes == self.slot.changes() {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// Files of which only the digest counts.
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Of(u8);

    impl Content for Of {
        fn digest(&self) -> Revision {
            Revision::new([self.0; 32])
        }
    }

    type Read = Result<Of, &'static str>;

    const A: Read = Ok(Of(b'A'));
    const B: Read = Ok(Of(b'B'));
    const KNOWN: Read = Ok(Of(b'K'));
    const GONE: Read = Err("gone");

    /// What a look finds where the readings are these, the last one for ever; and how many there were. `during` is done within each.
    async fn find(cause: Cause, script: &[Read], during: fn(&Slot, usize)) -> (String, usize) {
        let (slot, workshop) = (Arc::<Slot>::default(), Workshop::start("test").unwrap());
        let (readings, script, heard) = (Arc::<Mutex<usize>>::default(), script.to_vec(), Arc::clone(&slot));
        let count = Arc::clone(&readings);
        let read = move || {
            let mut count = count.lock().unwrap();
            let read = script[(*count).min(script.len() - 1)];
            *count += 1;
            during(&heard, *count);
            read
        };
        let look = Look { slot: &slot, workshop: &workshop, debounce: Duration::from_millis(1) };
        let known = KNOWN.unwrap().digest();
        let found = look.find(cause, read, |digest| digest == known).await.unwrap();
        let found = match found {
            Found::Files(Of(name)) => char::from(name).to_string(),
            Found::Unreadable(why) => why.to_owned(),
            Found::Unsettled => "unsettled".to_owned(),
        };
        let count = *readings.lock().unwrap();
        (found, count)
    }

    #[tokio::test]
    async fn files_are_read_until_they_rest_unless_somebody_says_that_they_are_complete() {
        for (cause, script, found, readings) in [
            (Cause::Poll, &[A, B, B][..], "B", 3),
            (Cause::Poll, &[A, A], "A", 2),
            (Cause::Poll, &[KNOWN], "K", 1),
            (Cause::FileEvent, &[A], "A", 1),
            (Cause::Start, &[A, B], "A", 1),
            (Cause::Signal, &[A, B], "A", 1),
            (Cause::Admin, &[A, B], "A", 1),
            // Between the name that goes and the one that comes there is none.
            (Cause::Poll, &[GONE, A, A], "A", 3),
            (Cause::Poll, &[A, GONE, A, A], "A", 4),
            (Cause::Poll, &[GONE, GONE], "gone", 2),
            (Cause::FileEvent, &[GONE], "gone", 1),
            (Cause::Admin, &[GONE, A], "gone", 1),
        ] {
            assert_eq!(find(cause, script, |_, _| {}).await, (found.to_owned(), readings), "{cause:?} {script:?}");
        }
    }

    #[tokio::test]
    async fn a_change_while_files_are_read_makes_it_compare() {
        let once = |slot: &Slot, reading: usize| {
            if reading == 1 {
                slot.changed();
            }
        };
        for (script, found, readings) in [(&[A, A][..], "A", 2), (&[A, B, B], "B", 3), (&[GONE, B, B], "B", 3)] {
            let expected = (found.to_owned(), readings);
            assert_eq!(find(Cause::FileEvent, script, once).await, expected, "{script:?}");
        }
    }

    #[tokio::test]
    async fn files_that_never_rest_are_left_to_the_next_look_and_a_word_ends_the_comparing() {
        let changing: Vec<Read> = (0..100).map(|n| Ok(Of(n))).collect();
        let expected = ("unsettled".to_owned(), 1 + MOST_COMPARISONS);
        assert_eq!(find(Cause::Poll, &changing, |_, _| {}).await, expected);
        let word = |slot: &Slot, reading: usize| {
            if reading == 3 {
                slot.put(Cause::Admin);
            }
        };
        assert_eq!(find(Cause::Poll, &[GONE, A, B, A], word).await, ("B".to_owned(), 3));
    }
}
