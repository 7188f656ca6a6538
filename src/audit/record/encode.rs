//! The bytes of a record, version 1.
//!
//! A fixed head, then the texts one after the other; the head holds their lengths. Numbers are little-endian. The sequence
//! number is no part of it: the block that holds the record gives it. A golden file freezes the form: a change needs a new version.
//!
//! ```text
//! 0   u8   version (1)          16  u64  duration, nanoseconds
//! 1   u8   kind                 24  [16] id
//! 2   u8   source               40  [16 × u16] length of each text, in the order below
//! 3   u8   decision: 0 none,    72  request_id tenant user roles action module resource_type resource_id
//!          1 allow, 2 deny          reason policies errors revision actor before after context
//! 4   u32  bit n: text n is cut
//! 8   i64  time, microseconds       a list (roles, policies, errors) is its items, each with a u16 length in front
//! ```
//!
//! A text longer than its limit is cut at a character and ends in [`CUT_MARK`], so that a record never exceeds [`MAX_RECORD`]
//! and nothing that a caller sends can make it too large to be kept.

use super::Entry;
use crate::model::Decision;

pub(super) const VERSION: u8 = 1;
/// Length of the fixed head.
pub(super) const HEAD: usize = 72;
/// How many texts follow the head.
pub(super) const TEXTS: usize = 16;
/// What a text that was cut ends in.
pub(super) const CUT_MARK: &str = "…[cut]";

const NAME_LIMIT: usize = 1024;
const ROLES_LIMIT: usize = 4 * 1024;
const LIST_LIMIT: usize = 8 * 1024;
const JSON_LIMIT: usize = 10 * 1024;

/// No record is longer. Ten names, three lists, three JSON texts.
pub(crate) const MAX_RECORD: usize = HEAD + 10 * NAME_LIMIT + ROLES_LIMIT + 2 * LIST_LIMIT + 3 * JSON_LIMIT;
// Blocks hold the length of a record in two bytes.
const _: () = assert!(MAX_RECORD <= u16::MAX as usize);

/// Puts the record's bytes in place of what `out` held. Does not allocate when `out` has room for [`MAX_RECORD`].
pub(crate) fn encode(entry: &Entry<'_>, out: &mut Vec<u8>) {
    out.clear();
    out.resize(HEAD, 0);
    let mut texts = Writer { out, lengths: [0; TEXTS], next: 0, cut: 0 };
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
    let (lengths, cut) = (texts.lengths, texts.cut);

    let mut head = [0; HEAD];
    let decision = match entry.decision {
        None => 0,
        Some(Decision::Allow) => 1,
        Some(Decision::Deny) => 2,
    };
    put(&mut head, 0, &[VERSION, entry.kind.code(), entry.origin.code(), decision]);
    put(&mut head, 4, &cut.to_le_bytes());
    put(&mut head, 8, &entry.time.as_micros().to_le_bytes());
    put(&mut head, 16, &entry.duration_ns.to_le_bytes());
    put(&mut head, 24, &entry.id);
    for (index, length) in lengths.iter().enumerate() {
        put(&mut head, 40 + 2 * index, &length.to_le_bytes());
    }
    if let Some(place) = out.first_chunk_mut() {
        *place = head;
    }
}

fn put(head: &mut [u8; HEAD], at: usize, bytes: &[u8]) {
    if let Some(place) = head.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

struct Writer<'o> {
    out: &'o mut Vec<u8>,
    lengths: [u16; TEXTS],
    next: usize,
    cut: u32,
}

impl Writer<'_> {
    fn text(&mut self, text: &str, limit: usize) {
        if text.len() <= limit {
            self.out.extend_from_slice(text.as_bytes());
            self.close(text.len(), false);
        } else {
            let length = cut_into(self.out, text, limit);
            self.close(length, true);
        }
    }

    fn list(&mut self, limit: usize, fill: impl FnOnce(&mut ListWriter<'_>)) {
        let start = self.out.len();
        let mut list = ListWriter { out: self.out, room: limit, cut: false };
        fill(&mut list);
        let cut = list.cut;
        self.close(self.out.len() - start, cut);
    }

    fn close(&mut self, length: usize, cut: bool) {
        if let Some(place) = self.lengths.get_mut(self.next) {
            // Every limit is far below 64 KiB.
            *place = u16::try_from(length).unwrap_or(u16::MAX);
        }
        self.cut |= u32::from(cut) << self.next;
        self.next += 1;
    }
}

/// Writes items until the limit is reached; the one that crosses it is cut, those after it are left out.
struct ListWriter<'o> {
    out: &'o mut Vec<u8>,
    room: usize,
    cut: bool,
}

impl ListWriter<'_> {
    fn item(&mut self, text: &str) {
        if self.cut {
            return;
        }
        if text.len() + 2 <= self.room {
            self.room -= text.len() + 2;
            self.out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
            self.out.extend_from_slice(text.as_bytes());
            return;
        }
        self.cut = true;
        let Some(limit) = self.room.checked_sub(2).filter(|&limit| limit >= CUT_MARK.len()) else {
            return;
        };
        let at = self.out.len();
        self.out.extend_from_slice(&[0, 0]);
        let length = u16::try_from(cut_into(self.out, text, limit)).unwrap_or(u16::MAX);
        if let Some(place) = self.out.get_mut(at..at + 2) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }
}

/// Appends as many whole characters of the text as leave room for the mark, and the mark. Answers how many bytes that were.
fn cut_into(out: &mut Vec<u8>, text: &str, limit: usize) -> usize {
    let kept = text.floor_char_boundary(limit - CUT_MARK.len());
    out.extend_from_slice(text.as_bytes().get(..kept).unwrap_or_default());
    out.extend_from_slice(CUT_MARK.as_bytes());
    kept + CUT_MARK.len()
}
