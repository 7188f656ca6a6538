//! A loss of power at any moment: of what was acknowledged in `synced` nothing is lost, and the log opens.

use super::{
    Cases,
    disk::{Disk, Keep},
    helper::{Answer, Helper, Outcome, Place, Request, Work},
    logged::{Line, Logged, Promised},
    scratch,
    shim::{EVERY_CALL, Fault, Shim},
    trace::{Event, Trace},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Cuts that are made of one trace.
const CUTS: u64 = 50;
/// Calls of one life of a process, about; the life ends with one of them.
const CALLS: u64 = 250;

#[test]
fn a_loss_of_power_takes_nothing_that_was_acknowledged_in_synced() {
    let cases = Cases::new("loss of power", 200);
    let mut reader = Helper::start(None);
    let mut cuts = cases.numbers.clone().peekable();
    while let Some(first) = cuts.peek().copied() {
        // A trace is drawn from the number of its group, so that a single case gives the same workload.
        let group = first / CUTS;
        let traced = Traced::record(&mut cases.random(u64::MAX - group));
        while let Some(case) = cuts.next_if(|case| case / CUTS == group) {
            traced.cut(&mut reader, &mut cases.random(case), &cases.replay(case));
        }
    }
}

/// The trace of several processes on one directory.
struct Traced {
    trace: Trace,
    place: Place,
}

impl Traced {
    /// Processes that begin, write, rotate and end, each killed at some call or stopped in peace.
    fn record(random: &mut fastrand::Rng) -> Self {
        let scratch = scratch();
        let shim = Shim::new(scratch.path(), true);
        let place = Place {
            data: shim.directory().join("data"),
            synced: true,
            segment_bytes: *random.choice(&[1, 600_000]).unwrap(),
            retained_bytes: *random.choice(&[None, Some(3_000_000)]).unwrap(),
            checkpoints: None,
            signing_key: None,
            heals: false,
        };
        for round in 0..3 {
            let mut helper = Helper::start(Some(&shim));
            if random.bool() {
                shim.fail(EVERY_CALL, random.u64(1..CALLS), 1, Fault::Kill);
            } else {
                shim.count(EVERY_CALL);
            }
            let work = Work {
                place: place.clone(),
                acks: shim.acks().to_owned(),
                round,
                threads: 2,
                records: random.u64(5..40),
                padding: *random.choice(&[0, 300, 3000]).unwrap(),
                dies: false,
                patience_ms: 0,
            };
            match helper.ask(&Request::Write(work)) {
                Outcome::Answered(answer) => assert_eq!((answer.refused, answer.failed), (None, None)),
                Outcome::Died(words) => assert_eq!(shim.failed(), 1, "the process has ended by itself, {words}"),
                Outcome::Hung => panic!("the process hangs"),
            }
        }
        Self { trace: Trace::read(shim.trace()), place }
    }

    /// Cuts the power at some moment and opens what is left.
    fn cut(&self, reader: &mut Helper, random: &mut fastrand::Rng, replay: &str) {
        let moment = random.usize(..=self.trace.events.len());
        let keep = *random.choice(&Keep::ALL).unwrap();
        let (mut disk, mut promised) = (Disk::new(&self.trace), Promised::default());
        for event in &self.trace.events[..moment] {
            disk.take(event);
            if let Event::Acknowledge { data } = event {
                promised.take(self.trace.data(data));
            }
        }
        let (left, mut again) = (scratch(), random.clone());
        disk.write_to(left.path(), keep, random);
        let case = format!(
            "{replay}: power lost after {moment} of {} calls, keeping {keep:?}, of {:?}",
            self.trace.events.len(),
            self.place
        );
        if !left.path().join("data").exists() {
            assert_eq!(promised.count(), 0, "{case}: the directory is gone");
        }
        let place = self.place.at(left.path());
        let opened = open_and_check(reader, &place, &promised);
        // Not always, since it takes longer than all else.
        let done = opened.and_then(|()| if random.u8(..10) == 0 { reader.verify(&place) } else { Ok(()) });
        if let Err(what) = done {
            let kept =
                keep_for_inspection(|to| disk.write_to(to, keep, &mut again), &self.trace.events[..moment], replay);
            panic!("{case}: {what}\nwhat the disk has kept, and the calls before, are in {}", kept.display());
        }
    }
}

/// Opens what is left twice: what the first has mended must be whole for the second.
fn open_and_check(reader: &mut Helper, place: &Place, promised: &Promised) -> Result<(), String> {
    let mut first: Option<Vec<Line>> = None;
    for _ in 0..2 {
        let Answer { refused, failed, logged, .. } = match reader.ask(&Request::Read(place.clone())) {
            Outcome::Answered(answer) => *answer,
            outcome => return Err(format!("{outcome:?}")),
        };
        if let Some(why) = refused.or(failed) {
            return Err(why);
        }
        let held = || logged.records.first().zip(logged.records.last());
        promised.check(&logged).map_err(|what| format!("{what}; held are {:?}", held()))?;
        // Where nothing was promised yet, the files may be there in part.
        let is_reported = logged.missing > 0 || logged.head_differs || logged.head_lost;
        if promised.count() > 0 && is_reported {
            let Logged { missing, head_differs, head_lost, .. } = logged;
            return Err(format!("{missing} missing, anchor differs: {head_differs}, anchor lost: {head_lost}"));
        }
        if first.as_ref().is_some_and(|first| *first != logged.records) {
            return Err("the second opening finds another log".to_owned());
        }
        first = Some(logged.records);
    }
    Ok(())
}

/// What a failed case has left stays for whoever looks for the cause.
fn keep_for_inspection(write: impl FnOnce(&Path), events: &[Event], replay: &str) -> PathBuf {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-failed").join(replay);
    drop(fs::remove_dir_all(&place));
    fs::create_dir_all(place.join("disk")).expect("a directory for the failed case");
    write(&place.join("disk"));
    let calls: String = events.iter().map(|event| format!("{event:?}\n")).collect();
    fs::write(place.join("calls"), calls).expect("the calls of the failed case");
    place
}
