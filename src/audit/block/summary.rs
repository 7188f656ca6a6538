//! What a query may know about a block without unpacking it: a few bits instead of an index.
//!
//! ```text
//! u8 version (1)   u8 bit n: kind with code n   u8 bit n: decision 0 none, 1 allow, 2 deny   u8 log2 of the filter's bits
//! u64 first sequence number   u32 records   u32 allows   u32 denies   i64 smallest time   i64 largest time
//! filter: a Bloom filter over (field, text)   u32 crc32 of all before
//! ```

use crate::{
    audit::record::{Kind, Record},
    model::{Decision, Timestamp},
};

const VERSION: u8 = 1;
const FIXED: usize = 40;
/// Bits that are set for one text.
const PROBES: u32 = 4;
/// 512 bytes: about 15 bits a text in a full block where every record has its own user and resource, so 0.3 % false hits.
const MAX_LOG2: u8 = 12;

/// Facts about the records of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) first_seq: u64,
    pub(crate) count: u32,
    pub(crate) allows: u32,
    pub(crate) denies: u32,
    pub(crate) min_time: Timestamp,
    pub(crate) max_time: Timestamp,
    kinds: u8,
    decisions: u8,
    filter: Filter,
}

/// A text in a field, as the filter knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needle(u64);

impl Needle {
    /// The name of the field and the text.
    pub(crate) fn new(field: &str, text: &str) -> Self {
        Self(mix(text.as_bytes(), mix(field.as_bytes(), 0)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Filter {
    log2: u8,
    // INVARIANT: `2^log2 / 8` bytes.
    bits: Vec<u8>,
}

impl Summary {
    /// Of a block with no record yet.
    pub(crate) fn new(first_seq: u64) -> Self {
        let filter = Filter { log2: MAX_LOG2, bits: vec![0; 1 << (MAX_LOG2 - 3)] };
        let (min_time, max_time) = (Timestamp::from_micros(i64::MAX), Timestamp::from_micros(i64::MIN));
        Self { first_seq, count: 0, allows: 0, denies: 0, min_time, max_time, kinds: 0, decisions: 0, filter }
    }

    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.count += 1;
        self.allows += u32::from(record.decision == Some(Decision::Allow));
        self.denies += u32::from(record.decision == Some(Decision::Deny));
        self.min_time = self.min_time.min(record.time);
        self.max_time = self.max_time.max(record.time);
        self.kinds |= kind_bit(record.kind);
        self.decisions |= decision_bit(record.decision);
        for (field, text) in record.filtered() {
            self.filter.insert(Needle::new(field, text));
        }
    }

    /// The sequence number of the last record.
    pub(crate) fn last_seq(&self) -> u64 {
        self.first_seq + u64::from(self.count) - 1
    }

    pub(crate) const fn may_have_kind(&self, kind: Kind) -> bool {
        self.kinds & kind_bit(kind) != 0
    }

    pub(crate) const fn may_have_decision(&self, decision: Decision) -> bool {
        self.decisions & decision_bit(Some(decision)) != 0
    }

    /// Whether a record may hold the text in the field. `false` is certain.
    pub(crate) fn may_have(&self, needle: Needle) -> bool {
        self.filter.contains(needle)
    }

    pub(crate) fn encode(mut self) -> Vec<u8> {
        self.filter.shrink();
        let mut out = Vec::with_capacity(FIXED + self.filter.bits.len() + 4);
        out.extend_from_slice(&[VERSION, self.kinds, self.decisions, self.filter.log2]);
        out.extend_from_slice(&self.first_seq.to_le_bytes());
        for count in [self.count, self.allows, self.denies] {
            out.extend_from_slice(&count.to_le_bytes());
        }
        for time in [self.min_time, self.max_time] {
            out.extend_from_slice(&time.as_micros().to_le_bytes());
        }
        out.extend_from_slice(&self.filter.bits);
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// Reads the first of several summaries, and answers what comes after it. `None` where the bytes do not begin with one.
    pub(crate) fn decode_first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let [_, _, _, log2] = *bytes.first_chunk()?;
        let filter = 1_usize.checked_shl(u32::from(log2).checked_sub(3)?)?;
        let (first, rest) = bytes.split_at_checked(filter.checked_add(FIXED + 4)?)?;
        Some((Self::decode(first)?, rest))
    }

    /// Reads a summary. `None` where the bytes are not one.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let mut from = body;
        let [version, kinds, decisions, log2] = super::take(&mut from)?;
        let first_seq = u64::from_le_bytes(super::take(&mut from)?);
        let [count, allows, denies] = [(); 3].map(|()| super::take(&mut from).map(u32::from_le_bytes));
        let [min_time, max_time] =
            [(); 2].map(|()| super::take(&mut from).map(|bytes| Timestamp::from_micros(i64::from_le_bytes(bytes))));
        let (count, allows, denies) = (count?, allows?, denies?);
        if version != VERSION || !(3..=MAX_LOG2).contains(&log2) || from.len() != 1 << (log2 - 3) || count == 0 {
            return None;
        }
        first_seq.checked_add(u64::from(count))?;
        let filter = Filter { log2, bits: from.to_vec() };
        Some(Self {
            first_seq,
            count,
            allows,
            denies,
            min_time: min_time?,
            max_time: max_time?,
            kinds,
            decisions,
            filter,
        })
    }
}

impl Filter {
    fn insert(&mut self, needle: Needle) {
        for (byte, bit) in self.places(needle) {
            if let Some(byte) = self.bits.get_mut(byte) {
                *byte |= bit;
            }
        }
    }

    fn contains(&self, needle: Needle) -> bool {
        self.places(needle).all(|(byte, bit)| self.bits.get(byte).is_some_and(|byte| byte & bit != 0))
    }

    fn places(&self, Needle(hash): Needle) -> impl Iterator<Item = (usize, u8)> + use<> {
        let (step, log2) = (hash.rotate_left(32) | 1, self.log2);
        (0..u64::from(PROBES)).map(move |n| {
            // The lowest bits, so that halving the filter keeps every place.
            let place = hash.wrapping_add(n.wrapping_mul(step)) & ((1 << log2) - 1);
            (usize::try_from(place >> 3).unwrap_or_default(), 1 << (place & 7))
        })
    }

    /// Folds the filter in half while it stays sparse: a block with few texts needs few bytes.
    fn shrink(&mut self) {
        loop {
            let set: u32 = self.bits.iter().map(|byte| byte.count_ones()).sum();
            // At most a quarter of the bits may be set after the fold: about 0.4 % false hits.
            if self.log2 <= 6 || u64::from(set) * 8 > 1 << self.log2 {
                return;
            }
            let upper = self.bits.split_off(self.bits.len() / 2);
            self.bits.iter_mut().zip(upper).for_each(|(low, high)| *low |= high);
            self.log2 -= 1;
        }
    }
}

const fn kind_bit(kind: Kind) -> u8 {
    1 << kind.code()
}

const fn decision_bit(decision: Option<Decision>) -> u8 {
    match decision {
        None => 1,
        Some(Decision::Allow) => 2,
        Some(Decision::Deny) => 4,
    }
}

/// A hash of our own, since its values are stored: words of eight bytes, multiplied and folded. Frozen by a test.
fn mix(bytes: &[u8], seed: u64) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: u64| {
        let wide = u128::from(hash ^ word) * u128::from(FACTOR);
        #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
        let folded = (wide as u64) ^ ((wide >> 64) as u64);
        folded
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let hash =
        words.iter().fold(fold(seed ^ FACTOR, bytes.len() as u64), |hash, word| fold(hash, u64::from_le_bytes(*word)));
    let hash = fold(hash, u64::from_le_bytes(last));
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_frozen() {
        assert_eq!(Needle::new("user", "sam"), Needle(mix(b"sam", mix(b"user", 0))));
        let hashes = [mix(b"", 0), mix(b"sam", 0), mix(b"a text longer than eight bytes", 7)];
        assert_eq!(
            hashes.map(|hash| format!("{hash:016x}")),
            ["7c036b2d105059f5", "915446f8fc9fd4dc", "deda62f1fd8e8f39"]
        );
    }

    #[test]
    fn a_filter_that_is_folded_forgets_nothing() {
        let mut filter = Filter { log2: MAX_LOG2, bits: vec![0; 1 << (MAX_LOG2 - 3)] };
        let needles: Vec<Needle> = (0..20).map(|n| Needle::new("user", &format!("user-{n}"))).collect();
        for &needle in &needles {
            filter.insert(needle);
        }
        filter.shrink();
        assert!(filter.log2 < MAX_LOG2, "{}", filter.log2);
        assert!(needles.iter().all(|&needle| filter.contains(needle)));
        let false_hits = (0..10_000).filter(|n| filter.contains(Needle::new("user", &format!("other-{n}")))).count();
        assert!(false_hits < 200, "{false_hits}");
    }
}
