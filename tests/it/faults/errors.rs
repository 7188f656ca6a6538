//! Errors at every n-th call: nothing is acknowledged that is not kept, and what was acknowledged is there after the next start, even if
//! the power fails at the end.

use super::{
    Cases,
    disk::{Disk, Keep},
    helper::{Answer, Helper, Outcome, Place, Request, Work},
    logged::Promised,
    scratch,
    shim::{Call, Fault, Shim},
    trace::{Event, Trace},
};
use std::{fs, thread};
use tempfile::TempDir;

/// Every call that a full or broken disk may refuse.
const REFUSED: &[Call] = &[
    Call::Create,
    Call::Write,
    Call::Truncate,
    Call::Allocate,
    Call::Sync,
    Call::SyncRange,
    Call::Rename,
    Call::Unlink,
    Call::MakeDirectory,
    Call::RemoveDirectory,
];
const FAULTS: &[Fault] = &[Fault::Io, Fault::Full, Fault::Short];
/// How many calls in a row fail: a hiccup, a while. Each attempt to go on waits longer than the one before.
const TIMES: &[u64] = &[1, 4];
/// At once: most of the time is spent waiting for the next attempt.
const SWEEPS: u64 = 4;

#[test]
fn an_error_at_any_call_loses_nothing_that_is_acknowledged_after_it() {
    let calls = Sweep::new().calls();
    // Each call once, with one fault or the other; the long version has each with each.
    let cases = Cases::new("errors", calls);
    thread::scope(|scope| {
        let sweeps: Vec<_> = (0..SWEEPS)
            .map(|number| {
                let cases = &cases;
                scope.spawn(move || {
                    let mut sweep = Sweep::new();
                    cases
                        .numbers
                        .clone()
                        .filter(|case| case % SWEEPS == number)
                        .try_for_each(|case| sweep.draw(cases, case, calls))
                })
            })
            .collect();
        for sweep in sweeps {
            if let Err(what) = sweep.join().unwrap() {
                panic!("{what}");
            }
        }
    });
}

struct Sweep {
    shim: Shim,
    helper: Helper,
    reader: Helper,
    _scratch: TempDir,
}

impl Sweep {
    fn new() -> Self {
        let scratch = scratch();
        let shim = Shim::new(scratch.path(), true);
        Self { helper: Helper::start(Some(&shim)), reader: Helper::start(None), shim, _scratch: scratch }
    }

    fn draw(&mut self, cases: &Cases, case: u64, calls: u64) -> Result<(), String> {
        let (at, sort) = (case % calls + 1, case / calls + cases.seed % 100);
        let fault = FAULTS[((at + sort) % FAULTS.len() as u64) as usize];
        let times = TIMES[((at + sort) / FAULTS.len() as u64 % TIMES.len() as u64) as usize];
        let done = self.case(case, at, times, fault, &mut cases.random(case));
        done.map_err(|what| format!("{}: {fault:?} at call {at} of {calls}, {times} times: {what}", cases.replay(case)))
    }

    fn work(&self, case: u64) -> Work {
        let data = self.shim.directory().join(format!("data-{case}"));
        // A segment for each commit: rotations all the time.
        let place = Place {
            data,
            synced: true,
            segment_bytes: 1,
            retained_bytes: Some(3_000_000),
            checkpoints: None,
            signing_key: None,
            heals: true,
        };
        let acks = self.shim.acks().to_owned();
        Work { place, acks, round: 0, threads: 2, records: 5, padding: 50, dies: false, patience_ms: 20_000 }
    }

    /// How many calls the work makes where nothing fails.
    fn calls(&mut self) -> u64 {
        self.shim.count(REFUSED);
        let answer = self.helper.must(&Request::Write(self.work(u64::MAX)));
        assert!(answer.finished, "{answer:?}");
        self.shim.calls()
    }

    fn case(&mut self, case: u64, at: u64, times: u64, fault: Fault, random: &mut fastrand::Rng) -> Result<(), String> {
        // The shim goes on at the end, wherever that is.
        fs::File::create(self.shim.trace()).unwrap();
        fs::File::create(self.shim.acks()).unwrap();
        let work = self.work(case);
        self.shim.fail(REFUSED, at, times, fault);
        let answer = self.ask(&Request::Write(work.clone()))?;
        let failed = self.shim.failed();
        self.shim.heal();
        if let Some(refused) = &answer.refused {
            return if failed > 0 && !refused.is_empty() {
                self.check(&work.place, random)
            } else {
                Err(format!("refused: {refused}"))
            };
        }
        if !answer.finished {
            return Err(format!("records are not taken again: {answer:?}"));
        }
        self.check(&work.place, random)
    }

    /// Opens what is there, and what a loss of power would leave.
    fn check(&mut self, place: &Place, random: &mut fastrand::Rng) -> Result<(), String> {
        let trace = Trace::read(self.shim.trace());
        let (mut disk, mut promised) = (Disk::new(&trace), Promised::default());
        for event in &trace.events {
            disk.take(event);
            if let Event::Acknowledge { data } = event {
                promised.take(trace.data(data));
            }
        }
        let left = scratch();
        let keep = *random.choice(&Keep::ALL).unwrap();
        disk.write_to(left.path(), keep, random);
        let name = place.data.file_name().unwrap();
        for (data, how) in [
            (left.path().join(name), format!("with the power lost, keeping {keep:?}")),
            (place.data.clone(), "as it is".to_owned()),
        ] {
            let answer = match self.reader.ask(&Request::Read(Place { data, ..place.clone() })) {
                Outcome::Answered(answer) => *answer,
                outcome => return Err(format!("{how}: {outcome:?}")),
            };
            if let Some(why) = answer.refused.or(answer.failed) {
                return Err(format!("{how}: {why}"));
            }
            promised.check(&answer.logged).map_err(|what| format!("{how}: {what}"))?;
        }
        fs::remove_dir_all(&place.data).map_err(|error| error.to_string())
    }

    fn ask(&mut self, request: &Request) -> Result<Answer, String> {
        match self.helper.ask(request) {
            Outcome::Answered(answer) => Ok(*answer),
            outcome => Err(format!("{outcome:?}")),
        }
    }
}
