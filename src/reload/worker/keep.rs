//! Keeps the set that decides for the next start.

use super::Worker;
use crate::{
    model::Revision,
    policy::Files,
    reload::{CopyFailure, KeptError, LastGood, News, Status},
    telemetry::events,
};
use std::{
    error::Error,
    sync::Arc,
    time::{Duration, Instant},
};

/// How often the copy is told that it is still what the files say.
const CONFIRM_INTERVAL: Duration = Duration::from_mins(1);

/// What is known of the copy.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    pub(super) place: Option<LastGood>,
    /// The set to keep once everybody who waits is answered. It stays until it is kept.
    pub(super) next: Option<Files>,
    /// What is kept.
    pub(super) kept: Option<Kept>,
    pub(super) told_of_failure: bool,
}

/// A set that is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    pub(super) revision: Revision,
    /// When it was last noted that it is still what the files say; nothing where this process has not done so.
    pub(super) confirmed: Option<Instant>,
}

impl Worker {
    /// Keeps the set that has become live, where there is a new one, or where an earlier attempt has failed.
    pub(super) async fn keep(&mut self) {
        if !self.policies().start_from_last_good {
            // Nothing is missed. It may be wanted again.
            return self.at_ease();
        }
        let Some(files) = self.keeper.next.clone() else { return };
        let (revision, confirmed_at) = (files.revision(), self.status.load().confirmed.at);
        if self.write(revision, move |place| place.keep(&files, confirmed_at)).await {
            self.keeper.next = None;
        }
    }

    /// Notes that the kept files are still what the directory holds. Where that cannot be noted, they are kept anew.
    pub(super) async fn confirm(&mut self, files: Files) {
        let due = |kept: &Kept| kept.confirmed.is_none_or(|at| at.elapsed() >= CONFIRM_INTERVAL);
        let revision = files.revision();
        let is_wanted = self.policies().start_from_last_good && self.keeper.next.is_none();
        if is_wanted && self.keeper.kept.is_some_and(|kept| kept.revision == revision && due(&kept)) {
            let now = self.clock.now();
            if !self.write(revision, move |place| place.confirm(now)).await {
                self.keeper.next = Some(files);
            }
        }
    }

    /// Whether it is done. Why it is not is told once; then it is tried again with each look.
    async fn write(
        &mut self,
        revision: Revision,
        work: impl FnOnce(&LastGood) -> Result<(), KeptError> + Send + 'static,
    ) -> bool {
        let Some(place) = self.keeper.place.clone() else { return true };
        if !self.workshop.is_idle() {
            // It is busy with a file system that does not answer, which is told already.
            return false;
        }
        let failure: Option<Box<dyn Error + Send + Sync>> = match self.workshop.ask(move || work(&place)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.into()),
            Err(broken) => Some(broken.into()),
        };
        let Some(error) = failure else {
            self.keeper.kept = Some(Kept { revision, confirmed: Some(Instant::now()) });
            self.at_ease();
            return true;
        };
        let was_told = std::mem::replace(&mut self.keeper.told_of_failure, true);
        let failure = Arc::new(CopyFailure {
            at: self.clock.now(),
            outcome: "last_good_not_kept",
            revision: Some(revision),
            problems: vec![chain(&*error)],
        });
        self.publish(|status| Status { copy_failure: Some(Arc::clone(&failure)), ..status });
        if !was_told {
            events::last_good_failed(&*error);
            self.tell(move |observer| observer(News::Copy(&failure))).await;
        }
        false
    }

    /// Nothing is wrong with the copy.
    fn at_ease(&mut self) {
        if std::mem::take(&mut self.keeper.told_of_failure) {
            self.publish(|status| Status { copy_failure: None, ..status });
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
