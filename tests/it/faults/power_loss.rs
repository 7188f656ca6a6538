//! A loss of power at any moment: of what was acknowledged in `synced` nothing is lost, and the log opens.

use super::{
    Cases,
    disk::{Disk, Keep},
    helper::{Helper, Outcome, Place, Request, Work},
    logged::Promised,
    scratch,
    shim::{EVERY_CALL, Fault, Shim},
    trace::{Event, Trace},
};
use std::{fs, path::Path};

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
        let place = Place { data: shim.directory().join("data"), synced: true, segment_bytes: *random.choice(&[1, 600_000]).unwrap() };
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
                patience_ms: 0,
            };
            match helper.ask(&Request::Write(work)) {
                Outcome::Answered(answer) => assert_eq!((answer.refused, answer.failed), (None, None)),
                Outcome::Died => assert_eq!(shim.failed(), 1, "the process has ended by itself"),
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
        let left = scratch();
        disk.write_to(left.path(), keep, random);
        let case = format!("{replay}: power lost after {moment} of {} calls, keeping {keep:?}", self.trace.events.len());
        if !left.path().join("data").exists() {
            assert_eq!(promised.count(), 0, "{case}: the directory is gone");
        }
        open_and_check(reader, &self.place, left.path(), &promised, &case);
    }
}

fn open_and_check(reader: &mut Helper, place: &Place, left: &Path, promised: &Promised, case: &str) {
    let place = Place { data: left.join("data"), ..place.clone() };
    // Twice: what the first has mended must be whole for the second.
    let mut first = None;
    for _ in 0..2 {
        let answer = match reader.ask(&Request::Read(place.clone())) {
            Outcome::Answered(answer) => *answer,
            outcome => panic!("{case}: {outcome:?}"),
        };
        let kept = || keep_for_inspection(left);
        assert_eq!((&answer.refused, &answer.failed), (&None, &None), "{case}, {}", kept());
        let checked = promised.check(&answer.logged);
        assert_eq!(checked, Ok(()), "{case}, {}", kept());
        assert_eq!((answer.logged.missing, answer.logged.head_differs), (0, false), "{case}, {}", kept());
        let records = answer.logged.records;
        assert_eq!(*first.get_or_insert_with(|| records.clone()), records, "{case}: another log, {}", kept());
    }
}

/// What a failed case has left stays for whoever looks for the cause.
fn keep_for_inspection(left: &Path) -> String {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults-failed");
    drop(fs::remove_dir_all(&place));
    let copied = std::process::Command::new("cp").arg("-r").arg(left).arg(&place).status();
    copied.map_or_else(|error| error.to_string(), |_| format!("the directory is in {}", place.display()))
}
