//! The anchor, and segments that were not finished.

use super::*;
use crate::audit::{
    Entry, Kind,
    block::{Builder, Packer, Positions},
    quarantine,
    record::{Marks, encode},
};
use std::{fs, os::unix::fs::FileExt};

fn keeping(segment_bytes: u64) -> Keeping {
    let (segment_age, clock, hold) = (Duration::MAX, Clock::system(), Hold::Nothing);
    Keeping { segment_bytes, segment_age, signer: Some(Signer::none()), hold, clock }
}

fn open(directory: &Path, segment_bytes: u64) -> Store {
    Store::open(directory, keeping(segment_bytes)).unwrap().0
}

fn origin(first_seq: u64, before: Hash, positions: Positions) -> Origin {
    Origin { first_seq, before, created: Timestamp::from_micros(7), positions }
}

fn anchor(seq: u64) -> Anchor {
    Anchor { seq, hash: [u8::try_from(seq % 256).unwrap(); 32], segment: 1 }
}

#[test]
fn the_anchor_is_the_newest_slot_that_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("HEAD");
    let mut head = Head::open(&path).unwrap();
    assert_eq!(head.anchor(), None);
    for seq in 1..=5 {
        head.write(anchor(seq), seq % 2 == 0).unwrap();
        assert_eq!(Head::open(&path).unwrap().anchor(), Some(anchor(seq)));
    }
    // Power fails while the newest is written.
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"torn", 4096 + 20).unwrap();
    let mut head = Head::open(&path).unwrap();
    assert_eq!(head.anchor(), Some(anchor(4)));
    head.write(anchor(6), true).unwrap();
    assert_eq!(Head::open(&path).unwrap().anchor(), Some(anchor(6)));
}

/// Stores a commit of so many records, and answers where it ends.
fn fill(store: &Store, next: End, count: u64, positions: &Positions) -> End {
    let mut builder = Builder::new(next.seq + 1, next.hash);
    for n in 0..count {
        builder.push(format!("record {n}").as_bytes());
    }
    let (first_seq, bytes) = builder.hot(positions);
    store.put_hot(first_seq, &bytes).unwrap();
    store.flush().unwrap();
    let end = End { seq: builder.next_seq() - 1, hash: builder.hash() };
    store.anchor(end, true).unwrap();
    end
}

const START: End = End { seq: 0, hash: GENESIS };

#[test]
fn a_store_begins_empty_and_goes_on_in_the_segment_it_has_rotated_to() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), 1);
    let tail = store.tail().unwrap();
    assert_eq!((tail.next_seq, tail.hash, tail.hot.len()), (1, GENESIS, 0));
    let positions = Positions { generation: 7, by_ring: vec![16, 32] };
    assert!(store.is_segment_due());
    assert!(!store.rotate(START, &origin(1, GENESIS, positions.clone())).unwrap(), "there is nothing in it");
    let end = fill(&store, START, 39, &positions);
    let next = origin(40, end.hash, positions.clone());
    assert!(store.rotate(end, &next).unwrap());
    assert!(!store.rotate(end, &next).unwrap());
    drop(store);
    let store = open(directory.path(), 1);
    let tail = store.tail().unwrap();
    assert_eq!((tail.next_seq, tail.hash, tail.positions), (40, end.hash, positions));
    assert_eq!(store.first_seq(), 1);
    let stretches = store.catalog().stretches();
    let numbers: Vec<_> = stretches.iter().map(|stretch| (stretch.first_seq, stretch.last_seq)).collect();
    assert_eq!(numbers, [(1, 39), (40, u64::MAX)]);
    let manifest = &stretches[0].manifest.as_ref().unwrap().says;
    assert_eq!((manifest.first_seq, manifest.last_seq, manifest.end, manifest.blocks), (1, 39, end.hash, 0));
}

#[test]
fn what_a_failed_segment_holds_beyond_the_last_commit_is_no_part_of_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), u64::MAX);
    let committed = fill(&store, START, 10, &Positions::default());
    fill(&store, committed, 5, &Positions::default());
    store.replace(committed, &origin(11, committed.hash, Positions::default())).unwrap();
    let end = fill(&store, committed, 3, &Positions::default());
    store.seal_closed().unwrap();
    let mut store = Some(store);
    for _ in 0..2 {
        let open = store.take().unwrap_or_else(|| open(directory.path(), u64::MAX));
        let store = open;
        let stretches = store.catalog().stretches();
        let numbers: Vec<_> = stretches.iter().map(|stretch| (stretch.first_seq, stretch.last_seq)).collect();
        assert_eq!(numbers, [(1, 10), (11, u64::MAX)]);
        assert!(stretches[0].manifest.is_some());
        assert_eq!(store.hash_at(10).unwrap(), Some(committed.hash));
        assert_eq!(store.hash_at(13).unwrap(), Some(end.hash));
        assert_eq!(store.tail().unwrap().end(), end);
    }
}

#[test]
fn a_failed_segment_without_a_commit_makes_room_for_the_one_that_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), u64::MAX);
    fill(&store, START, 5, &Positions::default());
    let reader = store.catalog().open(1).unwrap();
    assert!(matches!(store.replace(START, &origin(1, GENESIS, Positions::default())), Err(StoreError::Busy { .. })));
    assert!(matches!(store.flush(), Err(StoreError::Closed)));
    drop(reader);
    store.replace(START, &origin(1, GENESIS, Positions::default())).unwrap();
    assert_eq!(store.tail().unwrap().end(), START);
    fill(&store, START, 2, &Positions::default());
    assert_eq!(store.tail().unwrap().end().seq, 2);
}

#[test]
fn whatever_step_of_a_rotation_was_the_last_the_next_opening_goes_on() {
    for step in ["sealed", "made", "half made"] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path(), 1);
        let positions = Positions { generation: 7, by_ring: vec![16] };
        let end = fill(&store, START, 4, &positions);
        store.rotate(end, &origin(5, end.hash, positions.clone())).unwrap();
        drop(store);
        let next = segment_path(directory.path(), 5);
        match step {
            "sealed" => fs::remove_dir_all(&next).unwrap(),
            "half made" => {
                fs::remove_file(next.join("ORIGIN")).unwrap();
                fs::write(next.join("conf"), "half").unwrap();
            }
            _ => {}
        }
        let store = open(directory.path(), 1);
        let tail = store.tail().unwrap();
        assert_eq!((tail.end(), &tail.positions), (end, &positions), "{step}");
        assert_eq!(store.catalog().stretches().len(), 2, "{step}");
        fill(&store, end, 1, &positions);
    }
}

#[test]
fn a_segment_that_lost_its_files_is_put_aside_and_its_numbers_are_not_given_again() {
    for damage in ["cut short", "removed", "no origin", "garbage"] {
        let directory = tempfile::tempdir().unwrap();
        let store = open(directory.path(), u64::MAX);
        let end = fill(&store, START, 20, &Positions::default());
        drop(store);
        let segment = segment_path(directory.path(), 1);
        for entry in fs::read_dir(&segment).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with("snap") {
                fs::remove_file(path).unwrap();
            }
        }
        match damage {
            "cut short" => fs::write(segment.join("db"), "").unwrap(),
            "garbage" => fs::write(segment.join("db"), vec![0xa5; 600_000]).unwrap(),
            "no origin" => {
                fs::remove_file(segment.join("ORIGIN")).unwrap();
                fs::write(segment.join("db"), "").unwrap();
            }
            _ => fs::remove_dir_all(&segment).unwrap(),
        }
        let (store, findings) = Store::open(directory.path(), keeping(u64::MAX)).unwrap();
        assert_eq!(findings.quarantined.len(), usize::from(damage != "removed"), "{damage}: {findings:?}");
        assert_eq!(store.tail().unwrap().end(), end, "{damage}");
        let holes = store.catalog().holes(0);
        assert_eq!((holes[0].first_seq, holes[0].last_seq), (1, 20), "{damage}");
        assert_eq!(quarantine::all_put_aside(directory.path()).len(), usize::from(damage != "removed"));
    }
}

#[test]
fn a_lost_anchor_is_told_and_an_origin_that_is_gone_is_written_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), u64::MAX);
    let end = fill(&store, START, 20, &Positions::default());
    drop(store);
    fs::write(
        directory.path().join("HEAD"),
        "nothing that was written here, and longer than a slot is, so that it is read as one",
    )
    .unwrap();
    fs::remove_file(segment_path(directory.path(), 1).join("ORIGIN")).unwrap();
    let (store, findings) = Store::open(directory.path(), keeping(u64::MAX)).unwrap();
    assert!(findings.head_lost);
    assert_eq!(store.tail().unwrap().end(), end);
    assert!(segment_path(directory.path(), 1).join("ORIGIN").exists());
}

#[test]
fn a_block_of_many_parts_comes_back_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seg");
    let segment = Segment::create(&path, &Origin::first(Timestamp::from_micros(7))).unwrap();
    for length in [0, 1, PART_BYTES - 4, PART_BYTES - 3, PART_BYTES, 3 * PART_BYTES, 100_000] {
        let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
        segment.put_block(5, &bytes, b"summary").unwrap();
        // Parts of a longer block that was cut off by a kill are no part of the one written next.
        assert_eq!(segment.block(5).unwrap().unwrap(), bytes);
    }
    segment.put_block(5, b"short", b"summary").unwrap();
    assert_eq!(segment.block(5).unwrap().unwrap(), b"short");
    assert_eq!(segment.block(6).unwrap(), None);
}

#[test]
fn commits_that_do_not_follow_each_other_are_damage() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), u64::MAX);
    store.put_hot(3, b"no commit").unwrap();
    assert!(matches!(store.tail(), Err(StoreError::Damaged { .. })));
}

/// A store with a segment of so many blocks, and where it ends.
fn with_blocks(directory: &Path, blocks: u32) -> (Store, End) {
    let store = open(directory, u64::MAX);
    let (mut builder, mut packer) = (Builder::new(1, GENESIS), Packer::new());
    for n in 0..blocks {
        for _ in 0..=n % 3 {
            let (user, time) = (format!("user-{n} of {}", directory.display()), Timestamp::from_micros(n.into()));
            let entry = Entry { user: &user, ..Entry::blank(Kind::System, time, [7; 16]) };
            builder.push(encode(&entry, Marks::default(), &mut Vec::new()));
        }
        store.put_block(&builder.seal(&mut packer, &Positions::default()).unwrap()).unwrap();
    }
    (store, End { seq: builder.next_seq() - 1, hash: builder.hash() })
}

/// What the file of the first segment's summaries says, as far as it is used.
fn summaries(store: &Store) -> Vec<Summary> {
    let stretch = store.catalog().at_or_after(1).unwrap();
    let Some(summaries) = store.catalog().summaries(&stretch) else { return Vec::new() };
    let (last_seq, ..) = summaries.reaches().unwrap();
    let (mut next, mut all) = (1, Vec::new());
    while next <= last_seq {
        let Ok(around) = summaries.around(next) else { return Vec::new() };
        next = around.last().unwrap().last_seq() + 1;
        all.extend(around);
    }
    all
}

#[test]
fn the_file_of_summaries_follows_its_segment_and_damage_to_it_is_noticed_and_mended() {
    let directory = tempfile::tempdir().unwrap();
    let (store, end) = with_blocks(directory.path(), 700);
    let wanted = store.catalog().open(1).unwrap().unwrap().summaries_from(1, usize::MAX).unwrap();
    assert_eq!(wanted.len(), 700);
    assert_eq!(summaries(&store), [], "an old segment has none");
    for _ in 0..2 {
        assert_eq!(store.summarise().unwrap(), None);
        assert_eq!(summaries(&store), wanted[..512], "whole groups while it is written to");
    }
    store.rotate(end, &origin(end.seq + 1, end.hash, Positions::default())).unwrap();
    assert_eq!(summaries(&store), [], "it is not complete any more");
    assert_eq!(store.summarise().unwrap(), None);
    assert_eq!(summaries(&store), wanted);

    let path = segment_path(directory.path(), 1).join("SUMMARIES");
    let whole = fs::read(&path).unwrap();
    let step = whole.len() / 40;
    for at in (0..70).step_by(3).chain((70..whole.len()).step_by(step)).chain([whole.len() - 1]) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        assert_eq!(summaries(&store), [], "byte {at} goes unnoticed");
        // As a reader does that meets it.
        store.catalog().doubt_summaries(1);
        assert_eq!(store.summarise().unwrap(), Some(1), "byte {at}");
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
    for length in [0, 7, 65, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(summaries(&store), [], "{length} bytes");
        assert_eq!(store.summarise().unwrap(), Some(1), "{length} bytes");
        assert_eq!(summaries(&store), wanted);
    }
}

#[test]
fn a_file_of_summaries_that_is_not_of_these_blocks_is_not_used() {
    let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, _) = with_blocks(directory.path(), 600);
    let (another, _) = with_blocks(other.path(), 600);
    another.summarise().unwrap();
    let file = |directory: &Path| segment_path(directory, 1).join("SUMMARIES");
    fs::copy(file(other.path()), file(directory.path())).unwrap();
    assert_eq!(summaries(&store), []);
    store.summarise().unwrap();
    assert_eq!(summaries(&store).len(), 512);
    assert_ne!(summaries(&store), summaries(&another));
}
