//! The places of a listener's connections: where none is left, the one that has been idle for longest is sent away.
//!
//! Whoever connects and says nothing, or never takes what is answered, keeps a place at nobody's cost but its own: a probe that comes
//! while all are taken gets one at once, as long as not every connection has a request that is being answered.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The places of one listener.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    taken: Mutex<Vec<Arc<Seat>>>,
    /// Told when a connection has become idle.
    rested: Notify,
}

/// The place of one connection; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    seat: Arc<Seat>,
    places: Arc<Places>,
    _permit: OwnedSemaphorePermit,
}

/// What is known of one connection.
#[derive(Debug)]
struct Seat {
    state: Mutex<State>,
    /// Told when it is to go.
    go: Notify,
}

#[derive(Debug, Clone, Copy)]
struct State {
    /// Requests that are being answered.
    answering: usize,
    /// Since when it has been idle, where it is.
    since: Instant,
    /// Whether it was sent away.
    leaving: bool,
}

/// A request that is being answered; counts as such until it is dropped.
#[derive(Debug)]
pub(super) struct Moving {
    seat: Arc<Seat>,
    places: Arc<Places>,
}

impl Places {
    /// So many.
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(count)), taken: Mutex::default(), rested: Notify::new() })
    }

    /// Takes a place, and waits for one where every connection is busy. `None` once there are to be no more.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Place> {
        let permit = loop {
            if let Ok(permit) = Arc::clone(&self.free).try_acquire_owned() {
                break permit;
            }
            self.send_one_away();
            tokio::select! {
                permit = Arc::clone(&self.free).acquire_owned() => break permit.ok()?,
                () = self.rested.notified() => {}
            }
        };
        let state = State { answering: 0, since: Instant::now(), leaving: false };
        let seat = Arc::new(Seat { state: Mutex::new(state), go: Notify::new() });
        self.taken().push(Arc::clone(&seat));
        Some(Place { seat, places: Arc::clone(self), _permit: permit })
    }

    /// Tells the connection to go that has been idle for longest, unless one is on its way already.
    fn send_one_away(&self) {
        let taken = self.taken();
        if taken.iter().any(|seat| seat.state().leaving) {
            return;
        }
        let idle = taken.iter().filter(|seat| seat.state().answering == 0);
        if let Some(seat) = idle.min_by_key(|seat| seat.state().since) {
            seat.state().leaving = true;
            seat.go.notify_one();
        }
    }

    fn taken(&self) -> MutexGuard<'_, Vec<Arc<Seat>>> {
        // What it guards is whole after every step.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request begins.
    pub(super) fn moving(&self) -> Moving {
        let mut state = self.seat.state();
        state.answering = state.answering.saturating_add(1);
        Moving { seat: Arc::clone(&self.seat), places: Arc::clone(&self.places) }
    }

    /// Resolves once somebody else is to have the place.
    pub(super) async fn wanted(&self) {
        self.seat.go.notified().await;
    }
}

impl Seat {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        let mut state = self.seat.state();
        state.answering = state.answering.saturating_sub(1);
        state.since = Instant::now();
        drop(state);
        self.places.rested.notify_one();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().retain(|seat| !Arc::ptr_eq(seat, &self.seat));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::poll_once;
    use std::pin::pin;

    #[tokio::test]
    async fn the_longest_idle_goes_and_who_is_being_answered_does_not() {
        let places = Places::new(3);
        let (busy, idle, later) =
            (places.take().await.unwrap(), places.take().await.unwrap(), places.take().await.unwrap());
        let moving = busy.moving();
        drop(later.moving());
        let mut next = Box::pin(places.take());
        assert!(poll_once(next.as_mut()).await.is_none(), "all are taken");
        for stays in [&busy, &later] {
            assert!(poll_once(pin!(stays.wanted())).await.is_none());
        }
        idle.wanted().await;
        // One at a time, however often it is asked.
        assert!(poll_once(next.as_mut()).await.is_none());
        assert!(poll_once(pin!(later.wanted())).await.is_none());
        drop(idle);
        let next = next.await.unwrap();

        // With every place busy the next one waits for the first that rests.
        let (also, third) = (later.moving(), next.moving());
        let mut waiting = Box::pin(places.take());
        assert!(poll_once(waiting.as_mut()).await.is_none());
        drop(third);
        assert!(poll_once(waiting.as_mut()).await.is_none());
        next.wanted().await;
        drop(next);
        assert!(waiting.await.is_some());
        drop((moving, also));
    }
}
