//! Keeps the set that decides for the next start.

use super::Worker;
use crate::{
    model::{Revision, Timestamp},
    policy::Files,
    reload::{CopyFailure, KeptError, LastGood, News, Status},
    telemetry::events,
};
use std::{error::Error, sync::Arc};

/// How often the copy is told that it is still what the files say.
const CONFIRM_MICROS: i64 = 60 * 1_000_000;

/// What is known of the copy.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    pub(super) place: Option<LastGood>,
    /// The set to keep once everybody who waits is answered.
    pub(super) next: Option<Files>,
    /// What is kept, and when that was last confirmed.
    pub(super) kept: Option<(Revision, Timestamp)>,
    pub(super) told_of_failure: bool,
}

impl Worker {
    /// Keeps the set that has become live, where there is a new one.
    pub(super) async fn keep(&mut self) {
        let Some(files) = self.keeper.next.take() else { return };
        let revision = files.revision();
        if self.policies().start_from_last_good {
            self.write(revision, move |place| place.keep(&files)).await;
        }
    }

    /// Notes that the kept files are still what the directory holds.
    pub(super) async fn confirm(&mut self) {
        let now = self.clock.now();
        if let Some((revision, at)) = self.keeper.kept
            && now.as_micros().saturating_sub(at.as_micros()) >= CONFIRM_MICROS
            && revision == self.status.load().revision
        {
            self.write(revision, move |place| place.confirm(now)).await;
        }
    }

    async fn write(
        &mut self,
        revision: Revision,
        work: impl FnOnce(&LastGood) -> Result<(), KeptError> + Send + 'static,
    ) {
        let Some(place) = self.keeper.place.clone() else { return };
        let failure: Option<Box<dyn Error + Send + Sync>> = match self.workshop.run(move || work(&place)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.into()),
            Err(broken) => Some(broken.into()),
        };
        self.keeper.kept = failure.is_none().then(|| (revision, self.clock.now()));
        let was_told = std::mem::replace(&mut self.keeper.told_of_failure, failure.is_some());
        let Some(error) = failure else {
            if was_told {
                self.publish(|status| Status { copy_failure: None, ..status });
            }
            return;
        };
        let failure = Arc::new(CopyFailure {
            at: self.clock.now(),
            outcome: "last_good_not_kept",
            revision: Some(revision),
            problems: vec![chain(&*error)],
        });
        self.publish(|status| Status { copy_failure: Some(Arc::clone(&failure)), ..status });
        if !was_told {
            events::last_good_failed(&*error);
            let observer = Arc::clone(&self.observer);
            if let Err(broken) = self.workshop.run(move || observer(News::Copy(&failure))).await {
                events::reload_failed(&broken);
            }
        }
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
