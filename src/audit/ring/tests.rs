//! The ring against a model queue. The protocol's tests run on the heap, so that they also run under miri.

use super::*;
use crate::audit::chain::{GENESIS, link};
use proptest::prelude::*;
use std::collections::VecDeque;

type Heap = Box<[AtomicU64]>;

const fn label(generation: u64) -> Label {
    Label { generation, number: 0, records: 0 }
}

fn heap(capacity: u64) -> Heap {
    (0..bytes_for(capacity) / 8).map(|_| AtomicU64::new(0)).collect()
}

fn pair(capacity: u64) -> (Producer<Heap>, Consumer<Heap>) {
    let ring = Arc::new(Ring::create(heap(capacity), capacity, label(0x1234_5678_9abc_def0)).unwrap());
    (Producer::new(Arc::clone(&ring)), Consumer::new(ring, 0))
}

fn drain(consumer: &mut Consumer<Heap>) -> Vec<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), Vec::new());
    while consumer.next(&mut buffer) == Next::Entry {
        all.push(buffer.clone());
    }
    all
}

#[derive(Debug, Clone)]
enum Step {
    Push(Vec<u8>),
    Read,
    Store,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Step::Push),
        4 => Just(Step::Read),
        2 => Just(Step::Store),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..if cfg!(miri) { 40 } else { 400 })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn behaves_as_a_queue_whose_unstored_part_can_be_read_again(steps in steps(), log2 in 9u32..12) {
        let (mut producer, mut consumer) = pair(1 << log2);
        let (mut unread, mut unstored) = (VecDeque::<Vec<u8>>::new(), VecDeque::<Vec<u8>>::new());
        let mut buffer = Vec::new();
        for step in steps {
            match step {
                Step::Push(payload) => {
                    let fits = producer.fits(payload.len());
                    prop_assert_eq!(fits, producer.ring.fits(payload.len()));
                    prop_assert_eq!(producer.push(&payload).is_some(), fits);
                    if fits {
                        unread.push_back(payload);
                    } else {
                        prop_assert!(!unread.is_empty() || !unstored.is_empty() || payload.len() > 100);
                    }
                }
                Step::Read => match consumer.next(&mut buffer) {
                    Next::Entry => {
                        prop_assert_eq!(Some(&buffer), unread.front());
                        unstored.push_back(unread.pop_front().unwrap());
                    }
                    found => {
                        prop_assert_eq!(found, Next::Nothing);
                        prop_assert!(unread.is_empty());
                    }
                },
                Step::Store => {
                    consumer.ring().advance(consumer.position());
                    unstored.clear();
                }
                // The process dies: what was not stored is read again.
                Step::Restart => {
                    let ring = Arc::clone(consumer.ring());
                    let start = ring.consumed();
                    let mut again = Consumer::new(ring, start);
                    let all: Vec<_> = unstored.drain(..).chain(unread.drain(..)).collect();
                    prop_assert_eq!(drain(&mut again), all);
                    again.ring().advance(again.position());
                    consumer = again;
                }
            }
        }
        unread.extend([]);
        prop_assert_eq!(drain(&mut consumer), Vec::from(unread));
    }
}

#[test]
fn an_entry_whose_commit_word_is_missing_is_not_there() {
    let (mut producer, mut consumer) = pair(1024);
    producer.push(b"one").unwrap();
    let torn = producer.produced();
    producer.push(b"two").unwrap();
    let words = consumer.ring().entry(torn, 16).unwrap();
    words[0].store(0, Ordering::Release);
    let mut buffer = Vec::new();
    assert_eq!(consumer.next(&mut buffer), Next::Entry);
    assert_eq!(consumer.next(&mut buffer), Next::Nothing);
    assert!(consumer.position() < consumer.ring().produced());
}

#[test]
fn an_entry_with_a_changed_byte_is_torn() {
    let (mut producer, mut consumer) = pair(1024);
    producer.push(b"one, two, three, four").unwrap();
    consumer.ring().entry(0, 48).unwrap()[3].fetch_xor(1 << 17, Ordering::Relaxed);
    assert_eq!(consumer.next(&mut Vec::new()), Next::Torn);
    assert_eq!(consumer.position(), 0);
}

#[test]
fn a_length_beyond_the_ring_is_torn() {
    let (mut producer, mut consumer) = pair(1024);
    producer.push(b"one").unwrap();
    consumer.ring().entry(0, 16).unwrap()[1].store(5_000, Ordering::Relaxed);
    assert_eq!(consumer.next(&mut Vec::new()), Next::Torn);
}

#[test]
fn entries_of_an_earlier_generation_are_void() {
    let capacity = 1024;
    let ring = Arc::new(Ring::create(heap(capacity), capacity, label(1)).unwrap());
    Producer::new(Arc::clone(&ring)).push(b"old").unwrap();
    let memory = Arc::into_inner(ring).unwrap().memory;
    let attached = Ring::attach(memory).unwrap();
    assert_eq!((attached.label().generation, attached.count()), (1, 1));
    let ring = Arc::new(Ring::create(attached.memory, capacity, label(2)).unwrap());
    assert_eq!(drain(&mut Consumer::new(ring, 0)), Vec::<Vec<u8>>::new());
}

#[test]
fn a_head_that_was_changed_is_no_ring() {
    for word in [WORD_MAGIC, WORD_CAPACITY, WORD_GENERATION, WORD_NUMBER, WORD_RECORDS, WORD_CHECKSUM] {
        let ring = Ring::create(heap(1024), 1024, Label { generation: 7, number: 2, records: 900 }).unwrap();
        ring.word(word).unwrap().fetch_xor(1 << 5, Ordering::Relaxed);
        assert!(Ring::attach(ring.memory).is_none(), "word {word}");
    }
}

#[test]
#[cfg_attr(miri, ignore = "writes a file")]
fn the_roll_is_read_as_it_was_written_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(Roll::read(directory.path()), None);
    let roll = Roll { generation: 7, rings: 3 };
    roll.write(directory.path()).unwrap();
    assert_eq!(Roll::read(directory.path()), Some(roll));
    let path = directory.path().join("ROLL");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(Roll::read(directory.path()), None);
}

#[test]
fn memory_without_a_ring_is_not_attached() {
    assert!(Ring::attach(heap(1024)).is_none());
    assert!(Ring::create(heap(1024), 2048, label(1)).is_none(), "too little memory");
    assert!(Ring::create(heap(1024), 1000, label(1)).is_none(), "no power of two");
    assert!(Ring::create(heap(1024), 1024, label(0)).is_none(), "no generation");
}

#[test]
fn two_threads_see_the_same_entries_in_the_same_order() {
    let (mut producer, mut consumer) = pair(4096);
    let total: u32 = if cfg!(miri) { 200 } else { 200_000 };
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut next = 0u32;
            while next < total {
                let payload = vec![(next % 251) as u8; (next % 300) as usize + 4];
                let payload: Vec<u8> = next.to_le_bytes().into_iter().chain(payload).collect();
                match producer.push(&payload) {
                    Some(_) => next += 1,
                    None => std::thread::yield_now(),
                }
            }
        });
        let (mut buffer, mut next) = (Vec::new(), 0u32);
        while next < total {
            match consumer.next(&mut buffer) {
                Next::Entry => {
                    assert_eq!(buffer[..4], next.to_le_bytes());
                    assert_eq!(buffer.len(), (next % 300) as usize + 8);
                    assert!(buffer[4..].iter().all(|&byte| u32::from(byte) == next % 251));
                    next += 1;
                    consumer.ring().advance(consumer.position());
                }
                Next::Nothing => std::thread::yield_now(),
                Next::Torn => panic!("torn at {next}"),
            }
        }
    });
}

#[test]
#[cfg_attr(miri, ignore = "maps a file")]
fn a_mapped_ring_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ring");
    let capacity = 1 << 16;
    let mapping = Mapping::create(&path, bytes_for(capacity)).unwrap();
    let ring = Arc::new(Ring::create(mapping, capacity, label(7)).unwrap());
    Producer::new(Arc::clone(&ring)).push(b"kept").unwrap();
    drop(ring);
    let ring = Arc::new(Ring::attach(Mapping::open(&path).unwrap()).unwrap());
    let mut buffer = Vec::new();
    assert_eq!(Consumer::new(ring, 0).next(&mut buffer), Next::Entry);
    assert_eq!(buffer, b"kept");
}

/// A store to a hole ends the process where the disk is full.
#[test]
#[cfg_attr(miri, ignore = "maps a file")]
fn a_sparse_file_of_the_right_length_gets_its_blocks() {
    use std::os::unix::fs::MetadataExt as _;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ring");
    let bytes = bytes_for(1 << 20);
    std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
    let blocks = || std::fs::metadata(&path).unwrap().blocks() * 512;
    assert_eq!(blocks(), 0);
    drop(Mapping::create(&path, bytes).unwrap());
    assert!(blocks() >= bytes, "{}", blocks());
}

#[test]
fn where_the_log_ended_is_read_as_it_was_noted_or_not_at_all() {
    let end = End { seq: 7, hash: link(&GENESIS, 7, b"sam") };
    let ring = Ring::create(heap(1024), 1024, label(1)).unwrap();
    assert_eq!((ring.withdrawn(), ring.end_before_withdrawn()), (None, None));
    ring.withdraw(64, u64::MAX, end);
    assert_eq!((ring.withdrawn(), ring.end_before_withdrawn()), (Some((64, u64::MAX)), Some(end)));
    ring.withdraw_up_to(128);
    assert_eq!((ring.withdrawn(), ring.end_before_withdrawn()), (Some((64, 128)), Some(end)));
    for word in [WORD_WITHDRAWN_FROM, WORD_END_SEQ, WORD_END_HASH + 3, WORD_END_CHECKSUM] {
        let was = ring.word(word).unwrap().fetch_xor(1, Ordering::Relaxed);
        assert_eq!(ring.end_before_withdrawn(), None, "{word}");
        ring.set(word, was);
    }
    assert_eq!(ring.end_before_withdrawn(), Some(end));
}
