//! The bytes of a record, versions 1 and 2.
//!
//! A fixed head, then the texts one after the other; the head holds their lengths. Numbers are little-endian. The sequence
//! number is no part of it: the block that holds the record gives it. Golden files freeze the forms: a change needs a new version.
//!
//! Version 2 is version 1 with the 16 bytes of a trace's id between head and texts. A record that belongs to no trace is of version 1.
//!
//! ```text
//! 0   u8   version (1 or 2)     16  u64  duration, nanoseconds
//! 1   u8   kind                 24  [16] id
//! 2   u8   source               40  u32  kept one in so many; 0 where nothing like it was left out
//! 3   u8   decision: 0 none,    44  [17 × u16] length of each text, in the order below
//!          1 allow, 2 deny      78  request_id tenant user roles action module resource_type resource_id
//! 4   u32  bit n: text n is cut     reason policies errors revision actor before after context redacted
//! 8   i64  time, microseconds
//!                                   a list (roles, policies, errors, redacted) is its items, each with a u16 length in front
//! ```
//!
//! A text longer than its limit is cut at a character and ends in [`CUT_MARK`], so that a record never exceeds [`MAX_RECORD`]
//! and nothing that a caller sends can make it too large to be kept.

use super::{Entry, Marks};
use crate::model::Decision;

/// The version of a record that belongs to no trace.
pub(super) const VERSION: u8 = 1;
/// The version of one that names its trace.
pub(super) const TRACED: u8 = 2;
/// Length of the id of a trace.
const TRACE: usize = 16;
/// Length of the fixed head.
pub(super) const HEAD: usize = LENGTHS + 2 * TEXTS;
/// Where the lengths of the texts stand in the head.
pub(super) const LENGTHS: usize = 44;
/// How many texts follow the head.
pub(super) const TEXTS: usize = 17;
/// What a text that was cut ends in.
pub(super) const CUT_MARK: &str = "…[cut]";

/// Longest name in a record, in bytes; a longer one is cut.
pub const NAME_LIMIT: usize = 1024;
const ROLES_LIMIT: usize = 4 * 1024;
const LIST_LIMIT: usize = 8 * 1024;
/// Longest text of JSON in a record (`before`, `after`, `context`), in bytes; a longer one is cut.
pub const JSON_LIMIT: usize = 10 * 1024;
const REDACTED_LIMIT: usize = 2 * 1024;

/// No record is longer. Ten names, four lists, three JSON texts.
pub(crate) const MAX_RECORD: usize =
    HEAD + TRACE + 10 * NAME_LIMIT + ROLES_LIMIT + 2 * LIST_LIMIT + 3 * JSON_LIMIT + REDACTED_LIMIT;
// Blocks hold the length of a record in two bytes.
const _: () = assert!(MAX_RECORD <= u16::MAX as usize);

/// Puts the record's bytes at the start of `scratch` and answers them. Does not allocate when `scratch` is as it was left here.
pub(crate) fn encode<'s>(entry: &Entry<'_>, marks: Marks<'_>, scratch: &'s mut Vec<u8>) -> &'s [u8] {
    // Of full length once and for all: bytes are then put in place with no growth to be looked after.
    scratch.resize(MAX_RECORD, 0);
    let begin = if entry.trace_id.is_none() {
        HEAD
    } else {
        put(scratch, HEAD, &entry.trace_id.to_bytes());
        HEAD + TRACE
    };
    let mut texts = Writer { out: scratch, at: begin, lengths: [0; TEXTS], next: 0, cut: 0 };
    texts.text(entry.request_id, NAME_LIMIT);
    texts.text(entry.tenant, NAME_LIMIT);
    texts.text(entry.user, NAME_LIMIT);
    texts.list(ROLES_LIMIT, |list| entry.roles.iter().for_each(|role| list.item(role)));
    texts.text(entry.action, NAME_LIMIT);
    texts.text(entry.module, NAME_LIMIT);
    texts.text(entry.resource_type, NAME_LIMIT);
    texts.text(entry.resource_id, NAME_LIMIT);
    texts.text(entry.reason, NAME_LIMIT);
    texts.list(LIST_LIMIT, |list| entry.policies.each(&mut |policy| list.item(policy)));
    texts.list(LIST_LIMIT, |list| entry.errors.each(&mut |error| list.item(error)));
    texts.text(entry.revision, NAME_LIMIT);
    texts.text(entry.actor, NAME_LIMIT);
    texts.text(entry.before, JSON_LIMIT);
    texts.text(entry.after, JSON_LIMIT);
    texts.text(entry.context, JSON_LIMIT);
    texts.list(REDACTED_LIMIT, |list| marks.redacted.iter().for_each(|mark| list.item(mark)));
    let (lengths, cut, end) = (texts.lengths, texts.cut, texts.at);
    if let Some(head) = scratch.first_chunk_mut() {
        *head = self::head(entry, marks.kept_one_in, cut, &lengths);
    }
    scratch.get(..end).unwrap_or_default()
}

fn head(entry: &Entry<'_>, kept_one_in: u32, cut: u32, lengths: &[u16; TEXTS]) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    let decision = match entry.decision {
        None => 0,
        Some(Decision::Allow) => 1,
        Some(Decision::Deny) => 2,
    };
    let version = if entry.trace_id.is_none() { VERSION } else { TRACED };
    put(&mut head, 0, &[version, entry.kind.code(), entry.origin.code(), decision]);
    put(&mut head, 4, &cut.to_le_bytes());
    put(&mut head, 8, &entry.time.as_micros().to_le_bytes());
    put(&mut head, 16, &entry.duration_ns.to_le_bytes());
    put(&mut head, 24, &entry.id);
    put(&mut head, 40, &kept_one_in.to_le_bytes());
    if let Some(places) = head.get_mut(LENGTHS..) {
        for (place, length) in places.as_chunks_mut().0.iter_mut().zip(lengths) {
            *place = length.to_le_bytes();
        }
    }
    head
}

/// Copies bytes to a place.
#[inline]
fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    let Some(place) = out.get_mut(at..at + bytes.len()) else { return };
    match bytes.len() {
        0 => {}
        1..=3 => place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from),
        4..=7 => put_ends::<4>(place, bytes),
        8..=15 => put_ends::<8>(place, bytes),
        16..=32 => put_ends::<16>(place, bytes),
        _ => place.copy_from_slice(bytes),
    }
}

/// Copies the first and the last `N` bytes, which may overlap: most texts are shorter than a call to the library's copy takes.
#[inline]
fn put_ends<const N: usize>(place: &mut [u8], bytes: &[u8]) {
    if let (Some(to), Some(from)) = (place.first_chunk_mut::<N>(), bytes.first_chunk()) {
        *to = *from;
    }
    if let (Some(to), Some(from)) = (place.last_chunk_mut::<N>(), bytes.last_chunk()) {
        *to = *from;
    }
}

struct Writer<'o> {
    out: &'o mut [u8],
    at: usize,
    lengths: [u16; TEXTS],
    next: usize,
    cut: u32,
}

impl Writer<'_> {
    #[inline]
    fn text(&mut self, text: &str, limit: usize) {
        let start = self.at;
        let fits = text.len() <= limit;
        if fits {
            put(self.out, start, text.as_bytes());
            self.at += text.len();
        } else {
            self.at += cut_into(self.out, start, text, limit);
        }
        self.close(start, !fits);
    }

    #[inline]
    fn list(&mut self, limit: usize, fill: impl FnOnce(&mut ListWriter<'_>)) {
        let start = self.at;
        let mut list = ListWriter { out: self.out, at: start, end: start + limit, cut: false };
        fill(&mut list);
        let (at, cut) = (list.at, list.cut);
        self.at = at;
        self.close(start, cut);
    }

    #[inline]
    fn close(&mut self, start: usize, cut: bool) {
        if let Some(place) = self.lengths.get_mut(self.next) {
            *place = short(self.at - start);
        }
        self.cut |= u32::from(cut) << self.next;
        self.next += 1;
    }
}

/// Every limit is far below 64 KiB.
fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// Writes items until the limit is reached; the one that crosses it is cut, those after it are left out.
struct ListWriter<'o> {
    out: &'o mut [u8],
    at: usize,
    end: usize,
    cut: bool,
}

impl ListWriter<'_> {
    #[inline]
    fn item(&mut self, text: &str) {
        if self.cut {
            return;
        }
        let length = if text.len() + 2 <= self.end - self.at {
            put(self.out, self.at + 2, text.as_bytes());
            text.len()
        } else {
            self.cut = true;
            match (self.end - self.at).checked_sub(2) {
                Some(limit) if limit >= CUT_MARK.len() => cut_into(self.out, self.at + 2, text, limit),
                _ => return,
            }
        };
        put(self.out, self.at, &short(length).to_le_bytes());
        self.at += length + 2;
    }
}

/// Puts as many whole characters of the text as leave room for the mark, and the mark. Answers how many bytes that were.
#[cold]
fn cut_into(out: &mut [u8], at: usize, text: &str, limit: usize) -> usize {
    let kept = text.floor_char_boundary(limit - CUT_MARK.len());
    put(out, at, text.as_bytes().get(..kept).unwrap_or_default());
    put(out, at + kept, CUT_MARK.as_bytes());
    kept + CUT_MARK.len()
}
