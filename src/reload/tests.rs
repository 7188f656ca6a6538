use super::*;
use crate::{
    config::{Live, Settings},
    directory::Roster,
    engine::{self, ForbidErrors, Subject},
    lifecycle::{Clock, Stopper},
    model::{ReasonCode, Request, Resource, Revision, Timestamp},
    policy::Options,
    telemetry::{
        Metrics,
        ReloadOutcome::{self, ReadError, RejectedSyntax, RejectedValidation, Swapped, Unchanged},
    },
};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;

/// A set in which only the user `gen-<n>` may view orders.
pub(super) fn write(directory: &Path, n: usize) {
    let text = format!(
        "policy_set: generations\ntenancy: none\nlevels: {{ view: [view] }}\n\
         modules: {{ orders: {{ name: Orders, resources: [order] }} }}\n\
         roles: {{ reader: {{ name: Reader, grants: {{ orders: view }} }} }}\n\
         users: {{ gen-{n}: {{ name: R, email: r@demo.example, roles: [reader] }} }}\n"
    );
    let draft = directory.join(".draft");
    fs::write(&draft, text).unwrap();
    fs::rename(draft, directory.join("set.yaml")).unwrap();
}

struct Running {
    directory: TempDir,
    reader: Reader,
    handle: Handle,
    reports: Arc<Mutex<Vec<Report>>>,
    _stop: Stopper,
}

/// A loop that looks only when it is asked to.
fn run() -> Running {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), 0);
    let source = Source {
        directory: directory.path().to_owned(),
        options: Options { forbid_errors: ForbidErrors::Deny, principal_type: "User".to_owned() },
        last_good: None,
        roster: Roster::default(),
    };
    let mut settings = Settings::default();
    settings.policies.watch = false;
    settings.policies.poll_interval = Duration::from_hours(1);
    settings.policies.debounce = Duration::from_millis(1);
    let reports: Arc<Mutex<Vec<Report>>> = Arc::default();
    let observer: Observer = {
        let reports = Arc::clone(&reports);
        Arc::new(move |news| match news {
            News::Look(report) => reports.lock().unwrap().push(report.clone()),
            News::Copy(failure) => panic!("{failure:?}"),
        })
    };
    let (reader, handle, worker) =
        start(source, Live::new(settings), Metrics::new(), Clock::system(), observer).unwrap();
    let stop = Stopper::new();
    crate::lifecycle::Tasks::new().spawn("reload", worker.run(stop.listener()));
    Running { directory, reader, handle, reports, _stop: stop }
}

/// Asks whether `gen-<n>` may view an order: the revision that answered, and the reason.
fn ask(reader: &Reader, n: usize) -> (Revision, ReasonCode) {
    let current = reader.load();
    let id = format!("gen-{n}");
    let subject = current.subjects.find(&id).map_or(Subject::Unknown { id: &id }, Subject::User);
    let request = Request {
        action: "view",
        resource: Resource { ty: "order", id: "o-1", attributes: &[] },
        tenant: None,
        context: &[],
        subject_attributes: &[],
        time: Timestamp::from_micros(0),
    };
    (current.snapshot.revision, engine::decide(&current.snapshot.program, subject, &request).code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_decision_amid_swaps_is_explained_by_exactly_one_revision() {
    const SWAPS: usize = 50;
    let running = run();
    let done = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..2)
        .map(|thread| {
            let (reader, done) = (running.reader.clone(), Arc::clone(&done));
            std::thread::spawn(move || {
                let mut answers = Vec::new();
                let mut n = thread;
                while !done.load(Ordering::Relaxed) {
                    n = (n + 1) % (SWAPS + 1);
                    answers.push((n, ask(&reader, n)));
                }
                answers
            })
        })
        .collect();
    let mut generations = BTreeMap::from([(running.reader.load().snapshot.revision.to_string(), 0)]);
    for n in 1..=SWAPS {
        write(running.directory.path(), n);
        let report = running.handle.reload(Cause::Admin).await.unwrap();
        assert_eq!(report.outcome, ReloadOutcome::Swapped);
        generations.insert(report.revision.to_string(), n);
    }
    done.store(true, Ordering::Relaxed);
    let answers: Vec<_> = asking.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(generations.len(), SWAPS + 1);
    for (asked, (revision, code)) in answers {
        let granted = generations[&revision.to_string()] == asked;
        assert_eq!(code, if granted { ReasonCode::Granted } else { ReasonCode::UserUnknown });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_snapshot_is_freed_once_nobody_uses_it() {
    let running = run();
    let (held, freed) = {
        let current = Arc::clone(&running.reader.load());
        (Arc::clone(&current), Arc::downgrade(&current))
    };
    write(running.directory.path(), 1);
    running.handle.reload(Cause::Admin).await.unwrap();
    assert_eq!(ask(&running.reader, 1).1, ReasonCode::Granted);
    assert!(freed.upgrade().is_some(), "it is held");
    drop(held);
    let gone = async {
        while freed.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the snapshot is freed");
}

#[tokio::test]
async fn only_what_is_new_is_observed() {
    let running = run();
    let file = running.directory.path().join("set.yaml");
    let mut said = Vec::new();
    for (text, outcome) in [
        (None, ReloadOutcome::Unchanged),
        (Some("roles: ["), ReloadOutcome::RejectedSyntax),
        (Some("roles: ["), ReloadOutcome::RejectedSyntax),
        (Some("rolls: {}"), ReloadOutcome::RejectedValidation),
    ] {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let report = running.handle.reload(Cause::Admin).await.unwrap();
        said.push(report.problem.is_some());
        assert_eq!(report.outcome, outcome);
    }
    assert_eq!(said, [false, true, true, true], "who asks is always told what is wrong");
    fs::remove_file(&file).unwrap();
    fs::write(running.directory.path().join("latin.yaml"), b"\xe9").unwrap();
    for _ in 0..2 {
        assert_eq!(running.handle.reload(Cause::Signal).await.unwrap().outcome, ReloadOutcome::ReadError);
    }
    assert_eq!(running.handle.status().consecutive_failures, 4);
    fs::remove_file(running.directory.path().join("latin.yaml")).unwrap();
    write(running.directory.path(), 0);
    assert_eq!(running.handle.reload(Cause::Admin).await.unwrap().outcome, ReloadOutcome::Unchanged);
    assert_eq!(running.handle.status().consecutive_failures, 0);

    let observed: Vec<_> = running.reports.lock().unwrap().iter().map(|report| report.outcome).collect();
    assert_eq!(observed, [Swapped, RejectedSyntax, RejectedValidation, ReadError, Unchanged]);
}
