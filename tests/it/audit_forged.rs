//! A tombstone that somebody else has written removes nothing, and makes nobody believe that retention has.

use crate::{
    audit::{all, entry},
    audit_verify::{EACH, forge_tombstone, intact, keys, log, problem, segment, verify},
};
use ed25519_dalek::SigningKey;
use serde_json::Value;
use sidegate::{
    audit::{Checkpoints, Hold, Log, Options, Retention},
    model::Timestamp,
};
use std::{fs, path::Path};

/// The numbers of the records that a log has.
fn numbers(log: &Log) -> Vec<u64> {
    all(&log.reader()).into_iter().map(|(seq, _)| seq).collect()
}

fn signed_by_whom(data: &Path) -> Value {
    let line = fs::read_to_string(data.join("audit/TOMBSTONE")).unwrap();
    serde_json::from_str::<Value>(&line).unwrap()["statement"]["key"]["id"].clone()
}

#[test]
fn a_start_removes_nothing_on_the_word_of_a_tombstone_that_its_own_key_has_not_signed() {
    let own = keys(1);
    let base = tempfile::tempdir().unwrap();
    for (what, forger) in [("nobody", None), ("another key", Some(SigningKey::from_bytes(&[2; 32])))] {
        let data = base.path().join(what);
        let options = Options { signing_key: Some(own.private.clone()), ..Options::new(&data) };
        log(&data, &options, "user");
        forge_tombstone(&data, 1, forger.as_ref());
        let log = Log::open(options).unwrap();
        assert_eq!(numbers(&log), (1..=3 * EACH).collect::<Vec<_>>(), "{what}");
        assert_eq!(log.gaps(), [], "{what}");
        log.close().unwrap();
        let trusted: &[(&str, &Path)] = &[("--public-key", &own.public)];
        let (seq, why) = problem(what, &data, trusted);
        assert!(seq <= EACH && why.contains("the tombstone is"), "{what}: {seq} {why}");
    }
}

#[test]
fn what_was_taken_away_under_a_forged_tombstone_is_a_gap_with_a_record() {
    let own = keys(1);
    let data = tempfile::tempdir().unwrap();
    let options = Options { signing_key: Some(own.private.clone()), ..Options::new(data.path()) };
    log(data.path(), &options, "user");
    forge_tombstone(data.path(), 1, None);
    fs::remove_dir_all(segment(data.path(), 1)).unwrap();
    let log = Log::open(options).unwrap();
    let gaps: Vec<_> = log.gaps().iter().map(|gap| (gap.first_seq, gap.last_seq)).collect();
    assert_eq!(gaps, [(1, EACH)]);
    assert_eq!(log.recovery().missing, EACH);
    assert!(all(&log.reader()).len() as u64 > 2 * EACH, "the gap has a record");
}

#[test]
fn no_tombstone_removes_what_is_held() {
    for (hold, is_kept) in [
        (Hold::Everything, true),
        (Hold::FromSeq(EACH), true),
        (Hold::FromSeq(EACH + 1), false),
        // The time of every record.
        (Hold::FromTime(Timestamp::from_micros(1_800_000_000_000_000)), true),
        (Hold::FromTime(Timestamp::from_micros(1_800_000_000_000_001)), false),
        (Hold::Nothing, false),
    ] {
        let data = tempfile::tempdir().unwrap();
        // Without a key nobody can tell who has written it.
        log(data.path(), &Options::new(""), "user");
        forge_tombstone(data.path(), 1, None);
        let retention = Retention { hold, ..Retention::default() };
        let log = Log::open(Options { retention, ..Options::new(data.path()) }).unwrap();
        assert_eq!(numbers(&log)[0] == 1, is_kept, "{hold:?}");
        assert_eq!(segment(data.path(), 1).exists(), is_kept, "{hold:?}");
    }
}

#[test]
fn a_tombstone_from_before_a_key_or_of_the_key_before_is_signed_anew_by_the_start() {
    let (first, second) = (keys(1), keys(2));
    let base = tempfile::tempdir().unwrap();
    let data = base.path().join("data");
    log(&data, &Options::new(""), "user");
    let retention = Retention { bytes: Some(1), hold: Hold::FromSeq(EACH + 1), age: None };
    let open = |key: Option<&crate::audit_verify::Keys>, segment_bytes, retention: &Retention| {
        let signing_key = key.map(|key| key.private.clone());
        let log =
            Log::open(Options { signing_key, segment_bytes, retention: retention.clone(), ..Options::new(&data) })
                .unwrap();
        assert_eq!(log.gaps(), []);
        log.append(&entry("sam", "")).unwrap();
        log.settle().unwrap();
        log
    };
    let log = open(None, u64::MAX, &retention);
    crate::support::wait_for("a segment is removed", std::time::Duration::from_secs(20), || {
        !segment(&data, 1).exists()
    });
    drop(log);
    assert_eq!(signed_by_whom(&data), Value::Null);
    let mut ids = Vec::new();
    for key in [&first, &first, &second] {
        // Closes a segment, so that there is a manifest to trust.
        drop(open(Some(key), 1, &Retention::default()));
        ids.push(signed_by_whom(&data));
        intact(&data, &[]);
    }
    assert!(ids[0].is_string() && ids[0] == ids[1] && ids[1] != ids[2], "{ids:?}");
    let both = base.path().join("both.pub");
    fs::write(&both, [fs::read(&first.public).unwrap(), fs::read(&second.public).unwrap()].concat()).unwrap();
    let report = intact(&data, &[("--public-key", &both)]);
    assert_eq!((&report["complete"], report["removed"]["last_seq"].as_u64()), (&Value::Bool(true), Some(EACH)));
}

#[test]
fn a_log_without_a_closed_segment_is_not_vouched_for_by_a_key() {
    let keys = keys(1);
    let data = tempfile::tempdir().unwrap();
    let log = Log::open(Options::new(data.path())).unwrap();
    log.append(&entry("evil", "")).unwrap();
    log.close().unwrap();
    drop(log);
    let report = intact(data.path(), &[]);
    assert_eq!(report["complete"], true);
    let report = intact(data.path(), &[("--public-key", &keys.public)]);
    assert_eq!(report["complete"], false, "{report}");
    assert!(report["warnings"][0].as_str().unwrap().starts_with("nothing is signed yet"), "{report}");
    let exited = crate::support::sidegate([
        "audit".as_ref(),
        "verify".as_ref(),
        "--data".as_ref(),
        data.path().as_os_str(),
        "--public-key".as_ref(),
        keys.public.as_os_str(),
    ]);
    assert!(exited.stdout.contains("verdict      intact as far as it was checked\n"), "{}", exited.stdout);
    assert_eq!(verify(data.path(), &[]).0.code, Some(0));
}

#[test]
fn nothing_is_removed_before_a_checkpoint_that_vouches_for_it_has_left_the_machine() {
    let base = tempfile::tempdir().unwrap();
    let (data, elsewhere) = (base.path().join("data"), base.path().join("elsewhere"));
    log(&data, &Options::new(""), "user");
    fs::create_dir(&elsewhere).unwrap();
    let checkpoints = Checkpoints {
        file: Some(elsewhere.join("checkpoints")),
        interval: std::time::Duration::from_millis(50),
        ..Checkpoints::default()
    };
    let retention = Retention { bytes: Some(1), ..Retention::default() };
    let log = Log::open(Options { checkpoints, retention, ..Options::new(&data) }).unwrap();
    fs::remove_dir(&elsewhere).unwrap();
    let soon = std::time::Duration::from_secs(20);
    crate::support::wait_for("a checkpoint was not delivered, and the keeper has looked twice since", soon, || {
        log.append(&entry("sam", "")).unwrap();
        log.stats().checkpoint_file_failures > 3
    });
    assert!(segment(&data, 1).exists(), "nothing outside says what it held");
    fs::create_dir(&elsewhere).unwrap();
    crate::support::wait_for("all that is closed is removed", soon, || {
        log.append(&entry("sam", "")).unwrap();
        !segment(&data, 301).exists()
    });
}
