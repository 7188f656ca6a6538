//! Who waits for whom.

use super::{super::actor::Caller, *};
use crate::{
    audit::Options as LogOptions,
    config::Limits,
    directory::{Event, Options, Witness},
    http::testing::{declared, services},
    model::Timestamp,
};
use axum::{extract::FromRequestParts as _, http::Request};
use std::{collections::HashSet, sync::mpsc, time::Duration};
use tokio::{sync::mpsc::unbounded_channel, task::JoinSet, time::timeout};

#[derive(Debug)]
struct Silent;

impl Witness for Silent {
    fn is_ready(&self) -> bool {
        true
    }

    fn record_all(&self, events: &[Event]) -> usize {
        events.len()
    }

    fn known_since(&self, _: Timestamp) -> HashSet<String> {
        HashSet::new()
    }
}

async fn operator() -> By {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.extensions.insert(Caller::local());
    By::from_request_parts(&mut parts, &()).await.map_err(|_| "refused").unwrap()
}

/// An import and a login wait for each other's turn; whoever only looks has one of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_does_not_wait_for_those_who_change() {
    let files = tempfile::tempdir().unwrap();
    let services = services(declared(), Limits::default());
    let desk = Desk {
        directory: Directory::open(Options::new(&files.path().join("directory")), Arc::new(Silent)).unwrap(),
        reader: services.reader,
        looks: Aside::default(),
        changes: Aside::new(CHANGES, "too many"),
        settings: services.settings,
        log: Log::open(LogOptions::new(files.path().join("log"))).unwrap(),
        usage: Arc::default(),
        kept: Kept::default(),
        files: Arc::new(Semaphore::new(stream::FILES)),
        restores: Arc::new(Semaphore::new(1)),
    };
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let (tell, mut begun) = unbounded_channel();
    let mut changes = JoinSet::new();
    for _ in 0..10 {
        let (desk, held, tell) = (desk.clone(), Arc::clone(&held), tell.clone());
        changes.spawn(async move {
            let change = move |_: &Directory, _: &Call<'_>| {
                tell.send(()).unwrap();
                // Until the test lets go.
                held.lock().unwrap().recv().unwrap_err();
                Ok(())
            };
            desk.change(operator().await, None, change).await.is_ok()
        });
    }
    begun.recv().await.unwrap();
    begun.recv().await.unwrap();
    for _ in 0..10 {
        let looked = timeout(Duration::from_secs(20), desk.look(operator().await, None, |_, _| Ok(7))).await;
        assert!(matches!(looked, Ok(Ok(7))), "whoever looks waits");
    }
    drop(release);
    assert_eq!(changes.join_all().await, [true; 10]);
}
