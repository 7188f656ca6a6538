use super::*;
use crate::{
    config::{Settings, WhenStale},
    directory::Roster,
    engine::ForbidErrors,
    lifecycle::{Stopper, Tasks},
    policy::Options,
    reload::{Handle, LastGood, Reader, tests::write},
    telemetry::ReloadOutcome::{ReadError, Swapped, Unchanged},
};
use std::{fs, path::PathBuf, sync::mpsc, time::Duration};
use tempfile::TempDir;
use tokio::{
    task::{JoinHandle, yield_now},
    time::timeout,
};

const SOON: Duration = Duration::from_secs(20);

/// A worker that does not run yet, and looks only when it is asked to.
struct House {
    directory: TempDir,
    data: TempDir,
    settings: Live,
    metrics: Arc<Metrics>,
    reader: Reader,
    handle: Handle,
    stopper: Arc<Stopper>,
    told: Arc<Mutex<Vec<&'static str>>>,
    worker: Option<Worker>,
}

impl House {
    fn new(set: impl FnOnce(&mut Policies)) -> Self {
        let (directory, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write(directory.path(), 0);
        let mut settings = Settings::default();
        settings.policies.watch = false;
        settings.policies.poll_interval = Duration::from_hours(1);
        settings.policies.debounce = Duration::from_millis(1);
        set(&mut settings.policies);
        let (settings, metrics) = (Live::new(settings), Metrics::new());
        let source = Source {
            directory: directory.path().to_owned(),
            options: Options { forbid_errors: ForbidErrors::Deny, principal_type: "User".to_owned() },
            last_good: Some(LastGood::new(data.path())),
            roster: Roster::default(),
        };
        let (told, stopper) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(Stopper::new()));
        let observer: Observer = {
            let (told, stopper) = (Arc::clone(&told), Arc::clone(&stopper));
            Arc::new(move |news| {
                let outcome = match news {
                    News::Look(report) => report.outcome.as_str(),
                    News::Copy(failure) => failure.outcome,
                };
                told.lock().unwrap().push(outcome);
                // The word to stop comes in the middle of a swap.
                if matches!(news, News::Look(report) if report.cause == Cause::Admin && report.outcome == Swapped) {
                    stopper.stop();
                }
            })
        };
        let (reader, handle, worker) =
            start(source, settings.clone(), Arc::clone(&metrics), Clock::system(), observer).unwrap();
        Self { directory, data, settings, metrics, reader, handle, stopper, told, worker: Some(worker) }
    }

    fn worker(&mut self) -> &mut Worker {
        self.worker.as_mut().unwrap()
    }

    fn run(&mut self) -> JoinHandle<()> {
        let worker = self.worker.take().unwrap();
        Tasks::new().spawn("reload", worker.run(self.stopper.listener()))
    }

    fn copy(&self) -> PathBuf {
        self.data.path().join("policies/last-good.json")
    }

    fn told(&self) -> Vec<&'static str> {
        self.told.lock().unwrap().clone()
    }

    fn says(&self, line: &str) -> bool {
        self.metrics.render().lines().any(|said| said == line)
    }

    async fn ask(&self) -> Arc<Report> {
        timeout(SOON, self.handle.reload(Cause::Admin)).await.expect("an answer").unwrap()
    }
}

/// Lets the file system hang until the sender is dropped.
async fn hang(workshop: &Workshop) -> mpsc::Sender<()> {
    let (gate, closed) = mpsc::channel::<()>();
    let hanging = workshop.clone();
    Tasks::new().spawn("hang", async move { drop(hanging.run(move || closed.recv().ok()).await) });
    until("it hangs", || !workshop.is_idle()).await;
    gate
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            yield_now().await;
        }
    };
    assert!(timeout(SOON, waiting).await.is_ok(), "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_system_that_hangs_is_a_failure_of_the_look_and_the_next_one_succeeds() {
    let mut house = House::new(|_| {});
    house.worker().workshop = Workshop::with_patience("test", Duration::from_millis(50)).unwrap();
    let gate = hang(&house.worker().workshop).await;
    let _running = house.run();
    for failures in 1..=2 {
        let report = house.ask().await;
        let problem = report.problem.as_ref().expect("a problem").to_string();
        assert_eq!(report.outcome, ReadError);
        assert!(problem.contains("has not answered"), "{problem}");
        assert_eq!(house.handle.status().consecutive_failures, failures);
    }
    assert_eq!(house.told(), ["swapped", "read_error"], "it is told once");
    drop(gate);
    assert_eq!(house.ask().await.outcome, Unchanged);
    assert_eq!(house.handle.status().consecutive_failures, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_look_hangs_the_policies_grow_old_and_the_stop_is_heard() {
    let most = Duration::from_millis(300);
    let mut house = House::new(|policies| {
        policies.max_staleness = most;
        policies.when_stale = WhenStale::Deny;
    });
    house.worker().workshop = Workshop::with_patience("test", Duration::from_hours(1)).unwrap();
    let gate = hang(&house.worker().workshop).await;
    let running = house.run();
    house.handle.nudge(Cause::Signal);
    until("they are too old", || house.handle.status().is_overdue(most)).await;
    until("nothing is allowed", || house.reader.is_expired(Instant::now())).await;
    assert!(house.says("sidegate_policies_stale 1"));
    house.stopper.stop();
    timeout(SOON, running).await.expect("the stop is heard").unwrap();
    drop(gate);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_amid_a_swap_cuts_off_neither_its_record_nor_its_copy() {
    let mut house = House::new(|_| {});
    let running = house.run();
    write(house.directory.path(), 1);
    house.handle.nudge(Cause::Admin);
    timeout(SOON, running).await.expect("it ends").unwrap();
    assert_eq!(house.told(), ["swapped", "swapped"]);
    let kept = fs::read_to_string(house.copy()).unwrap();
    assert!(kept.contains("gen-1"), "{kept}");
}

#[tokio::test]
async fn sets_that_are_refused_in_turn_are_told_once_each() {
    let mut house = House::new(|_| {});
    let _running = house.run();
    for broken in ["roles: [", "rolls: {}", "roles: [", "rolls: {}"] {
        fs::write(house.directory.path().join("set.yaml"), broken).unwrap();
        let report = house.ask().await;
        assert!(report.problem.is_some(), "who asks is told each time");
        let status = house.handle.status();
        assert_eq!(status.last_failure.as_ref().map(|failure| failure.outcome), Some(report.outcome));
    }
    assert_eq!(house.told(), ["swapped", "rejected_syntax", "rejected_validation"]);
    // Once it was good, what is refused is news again.
    write(house.directory.path(), 0);
    house.ask().await;
    fs::write(house.directory.path().join("set.yaml"), "roles: [").unwrap();
    house.ask().await;
    assert_eq!(house.told().get(3..), Some(&["unchanged", "rejected_syntax"][..]));
}

#[tokio::test]
async fn a_set_that_could_not_be_kept_is_kept_with_a_later_look() {
    let mut house = House::new(|_| {});
    // A file stands where the directory of the copy would be.
    let place = house.data.path().join("policies");
    fs::write(&place, "").unwrap();
    let copy = house.copy();
    for _ in 0..2 {
        house.worker().keep().await;
    }
    assert!(house.handle.status().copy_failure.is_some() && house.says("sidegate_policies_copy_failing 1"));
    assert_eq!(house.told(), ["swapped", "last_good_not_kept"], "it is told once");
    fs::remove_file(&place).unwrap();
    house.worker().keep().await;
    assert!(copy.exists(), "nothing has changed, and it is kept all the same");
    assert!(house.handle.status().copy_failure.is_none() && house.says("sidegate_policies_copy_failing 0"));
}

#[tokio::test]
async fn a_set_is_kept_as_soon_as_that_is_wanted() {
    let mut house = House::new(|policies| policies.start_from_last_good = false);
    let copy = house.copy();
    house.worker().keep().await;
    assert!(!copy.exists());
    let mut settings = Settings::clone(&house.settings.load());
    settings.policies.start_from_last_good = true;
    house.settings.publish(settings);
    house.worker().keep().await;
    assert!(copy.exists());
}

#[tokio::test]
async fn a_copy_that_cannot_be_confirmed_is_made_anew() {
    let mut house = House::new(|_| {});
    let copy = house.copy();
    house.worker().keep().await;
    let files = house.worker().source.read().unwrap();
    let worker = house.worker();
    worker.keeper.kept.as_mut().unwrap().confirmed = None;
    fs::remove_file(&copy).unwrap();
    worker.confirm(files).await;
    assert!(house.handle.status().copy_failure.is_some());
    house.worker().keep().await;
    assert!(copy.exists() && house.handle.status().copy_failure.is_none());
}

#[tokio::test]
async fn files_that_never_rest_are_told_after_a_while() {
    let mut house = House::new(|_| {});
    for look in 1..=MOST_RESTLESS + 1 {
        let report = house.worker().conclude(Cause::Poll, Found::Unsettled, Instant::now()).await;
        assert_eq!(report.map(|report| report.outcome), (look >= MOST_RESTLESS).then_some(ReadError), "{look}");
    }
    assert_eq!(house.told(), ["swapped", "read_error"], "it is told once, and counted each time");
    assert!(house.says(r#"sidegate_policy_reloads_total{outcome="read_error"} 2"#));
}
