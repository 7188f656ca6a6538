//! `kill -9` at any moment, the start included: nothing that was acknowledged is lost, nothing is there twice, there is no gap.

use super::{
    Cases,
    helper::{Helper, Outcome, Place, Request, Work},
    logged::Promised,
    scratch,
    shim::{EVERY_CALL, Fault, Shim},
};
use std::time::Duration;

/// Rounds on one directory.
const ROUNDS: u64 = 10;

#[test]
fn nothing_that_was_recorded_is_lost_in_durable_mode() {
    check("kills in durable", false);
}

#[test]
fn nothing_that_was_committed_is_lost_in_synced_mode() {
    check("kills in synced", true);
}

fn check(suite: &str, synced: bool) {
    let cases = Cases::new(suite, 100);
    let mut reader = Helper::start(None);
    let mut rounds = cases.numbers.clone().peekable();
    let mut promises = 0;
    while let Some(first) = rounds.peek().copied() {
        let group = first / ROUNDS;
        // What came before in the directory belongs to the case.
        while rounds.next_if(|case| case / ROUNDS == group).is_some() {}
        promises += on_one_directory(&mut reader, &cases, group, synced);
    }
    assert!(promises > 100, "the processes have hardly run");
}

/// Answers how many records were acknowledged.
fn on_one_directory(reader: &mut Helper, cases: &Cases, group: u64, synced: bool) -> usize {
    let mut random = cases.random(group);
    let scratch = scratch();
    let shim = Shim::new(scratch.path(), false);
    let segment_bytes = *random.choice(&[1, 700_000, 2_000_000]).unwrap();
    let retained_bytes = *random.choice(&[None, Some(4_000_000)]).unwrap();
    let place = Place {
        data: shim.directory().join("data"),
        synced,
        segment_bytes,
        retained_bytes,
        checkpoints: None,
        signing_key: None,
        heals: false,
    };
    for case in group * ROUNDS..(group + 1) * ROUNDS {
        let mut helper = Helper::start(Some(&shim));
        // Which call it is shows what the process was doing; a moment is what nobody has thought of.
        let by_call = random.bool();
        let fault = if random.u8(..4) == 0 { Fault::TornKill } else { Fault::Kill };
        shim.count(EVERY_CALL);
        if by_call {
            shim.fail(EVERY_CALL, random.u64(1..300), 1, fault);
        }
        let (records, padding) = if synced { (1 << 20, 200) } else { (1 << 20, 3000) };
        let acks = shim.acks().to_owned();
        let work =
            Work { place: place.clone(), acks, round: case, threads: 2, records, padding, dies: false, patience_ms: 0 };
        helper.send(&Request::Write(work));
        let life = if by_call { Duration::from_secs(20) } else { Duration::from_millis(random.u64(1..150)) };
        match helper.answer(life) {
            Outcome::Hung => assert!(helper.kill(), "{}: it has ended by itself", cases.replay(case)),
            Outcome::Died(words) => {
                assert_eq!(shim.failed(), 1, "{}: it has ended by itself: {words}", cases.replay(case));
            }
            Outcome::Answered(answer) => panic!("{}: {answer:?}", cases.replay(case)),
        }
        shim.heal();
        // Sometimes the next process takes over itself.
        if (random.bool() || case + 1 == (group + 1) * ROUNDS) && place.data.exists() {
            let answer = reader.must(&Request::Read(place.clone()));
            assert_eq!((answer.refused, answer.failed), (None, None), "{}", cases.replay(case));
            assert_eq!(Promised::read(shim.acks()).check(&answer.logged), Ok(()), "{}", cases.replay(case));
        }
    }
    if place.data.exists() {
        assert_eq!(reader.verify(&place), Ok(()), "{}", cases.replay(group * ROUNDS));
    }
    Promised::read(shim.acks()).count()
}
