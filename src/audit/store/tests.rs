//! The anchor, and segments that were not finished.

use super::*;
use crate::audit::chain::GENESIS;
use std::os::unix::fs::FileExt;

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

#[test]
fn a_store_begins_empty_and_goes_on_in_the_segment_it_has_rotated_to() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 1).unwrap();
    let tail = store.tail().unwrap();
    assert_eq!((tail.next_seq, tail.hash, tail.hot.len()), (1, GENESIS, 0));
    let positions = Positions { generation: 7, by_ring: vec![16, 32] };
    let origin = Origin { first_seq: 40, before: [9; 32], positions: positions.clone() };
    assert!(store.is_segment_full());
    store.rotate(&origin).unwrap();
    store.rotate(&origin).unwrap();
    drop(store);
    let store = Store::open(directory.path(), 1).unwrap();
    let tail = store.tail().unwrap();
    assert_eq!((tail.next_seq, tail.hash, tail.positions), (40, [9; 32], positions));
    assert_eq!(store.first_seq(), 1);
    assert_eq!(store.segment_of(39).unwrap().unwrap().origin().first_seq, 1);
    assert_eq!(store.segment_of(40).unwrap().unwrap().origin().first_seq, 40);
}

#[test]
fn a_block_of_many_parts_comes_back_whole() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("seg");
    let segment = Segment::create(&path, &Origin::first()).unwrap();
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
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    store.put_hot(3, b"no commit").unwrap();
    assert!(matches!(store.tail(), Err(StoreError::Damaged { .. })));
}
