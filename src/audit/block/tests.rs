//! Blocks: whole or refused, linked, and with positions beside the records.

use super::{builder::Packer, *};
use crate::audit::{
    Entry, Kind, Origin,
    chain::{GENESIS, link},
    record::{Marks, encode},
};
use crate::model::{Decision, TraceId};
use proptest::prelude::*;

fn record(n: i64, user: &str) -> Vec<u8> {
    let entry = Entry {
        time: Timestamp::from_micros(1_000_000 - n),
        kind: Kind::Decision,
        id: [7; 16],
        request_id: "r",
        tenant: "north",
        user,
        roles: &[],
        action: "edit",
        module: "orders",
        resource_type: "order",
        resource_id: "o-1",
        decision: Some(if n % 2 == 0 { Decision::Allow } else { Decision::Deny }),
        reason: "granted",
        policies: &["role/sales-rep/orders"],
        errors: &[],
        revision: "3f9c01d2a7b4",
        duration_ns: 1,
        origin: Origin::Native,
        actor: "",
        before: "",
        after: "",
        context: "",
        trace_id: TraceId::NONE,
    };
    encode(&entry, Marks::default(), &mut Vec::new()).to_vec()
}

fn positions() -> Positions {
    Positions { generation: 9, by_ring: vec![16, 0, 4096] }
}

#[test]
fn a_sealed_block_gives_back_records_hashes_positions_and_summary() {
    let mut builder = Builder::new(41, GENESIS);
    let records: Vec<_> = (0..128).map(|n| record(n, &format!("user-{n}"))).collect();
    for record in &records {
        builder.push(record);
    }
    assert!(!builder.takes(1), "full");
    let end = builder.hash();
    let sealed = builder.seal(&mut Packer::new(), &positions()).unwrap();
    assert!(builder.is_empty() && builder.next_seq() == 41 + 128 && builder.hash() == end);

    let block = Block::decode(&sealed.bytes).unwrap();
    assert_eq!(block.bytes().collect::<Vec<_>>(), records);
    assert_eq!((block.header.first_seq, block.header.last_seq(), block.header.codec), (41, 168, Codec::Zstd));
    assert_eq!(block.header.positions, positions());
    let hash = (41..).zip(&records).fold(GENESIS, |hash, (seq, record)| link(&hash, seq, record));
    assert_eq!((block.header.before, block.header.end), (GENESIS, hash));
    assert_eq!(block.header.min_time.as_micros(), 1_000_000 - 127);
    assert_eq!(block.records().map(|record| record.unwrap().seq).collect::<Vec<_>>(), (41..=168).collect::<Vec<_>>());

    let summary = Summary::decode(&sealed.summary).unwrap();
    assert_eq!((summary.first_seq, summary.last_seq(), summary.allows, summary.denies), (41, 168, 64, 64));
    assert_eq!((summary.min_time, summary.max_time), (block.header.min_time, block.header.max_time));
    assert!(summary.may_have_kind(Kind::Decision) && !summary.may_have_kind(Kind::System));
    assert!((0..128).all(|n| summary.may_have(Needle::new("user", &format!("user-{n}")))));
    assert!(!summary.may_have(Needle::new("user", "nobody")));
    assert!(!summary.may_have(Needle::new("tenant", "user-1")), "a text counts for its field only");
}

#[test]
fn hot_commits_are_resumed_and_sealed_once() {
    let mut builder = Builder::new(1, GENESIS);
    let mut hot = Vec::new();
    for n in 0..6 {
        builder.push(&record(n, "sam"));
        if n % 2 == 1 {
            hot.push(builder.hot(&positions()));
            assert!(builder.is_stored());
        }
    }
    assert_eq!(hot.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 3, 5]);
    let blocks: Vec<Block> = hot.iter().map(|(_, bytes)| Block::decode(bytes).unwrap()).collect();
    assert!(blocks.windows(2).all(|pair| pair[0].header.end == pair[1].header.before));

    let mut resumed = Builder::new(1, GENESIS);
    for block in &blocks {
        resumed.resume(block);
    }
    assert!(resumed.is_stored() && resumed.hash() == builder.hash());
    let packer = &mut Packer::new();
    assert_eq!(resumed.seal(packer, &positions()).unwrap().bytes, builder.seal(packer, &positions()).unwrap().bytes);
}

#[test]
fn a_single_record_of_any_size_has_a_place() {
    let builder = Builder::new(1, GENESIS);
    assert!(builder.takes(MAX_RECORD));
    let mut builder = Builder::new(1, GENESIS);
    builder.push(&record(1, "sam"));
    assert!(!builder.takes(MAX_RECORD));
}

#[test]
fn a_block_of_version_1_can_be_read_for_ever() {
    let golden = include_str!("../../../tests/cases/audit/block-v1.hex");
    let bytes: Vec<u8> = golden
        .split_whitespace()
        .flat_map(|line| line.as_bytes().chunks(2))
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let block = Block::decode(&bytes).unwrap();
    assert_eq!(block.header.positions, positions());
    assert_eq!(block.bytes().collect::<Vec<_>>(), [record(0, "sam"), record(1, "mona"), record(2, "sam")]);
}

proptest! {
    #[test]
    fn a_changed_byte_is_noticed(at: prop::sample::Index, change in 1u8..) {
        let mut builder = Builder::new(1, GENESIS);
        (0..20).for_each(|n| builder.push(&record(n, "sam")));
        let sealed = builder.seal(&mut Packer::new(), &positions()).unwrap();
        for bytes in [sealed.bytes, sealed.summary] {
            let mut damaged = bytes.clone();
            damaged[at.index(bytes.len())] ^= change;
            prop_assert!(Block::decode(&damaged).is_err());
            prop_assert!(Summary::decode(&damaged).is_none());
        }
    }
}
