//! A record as queries read it: borrowed from the block, decoded where it lies.

use super::{
    Kind, Origin,
    encode::{HEAD, LENGTHS, TEXTS, TRACED, VERSION},
};
use crate::model::{Decision, Timestamp, TraceId};

/// A record with its sequence number. Borrows from the block that it was read from. Empty texts stand for absent ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// The place in the log: 1 for the first record ever, no gaps.
    pub seq: u64,
    /// When, as the decider saw it.
    pub time: Timestamp,
    /// What sort.
    pub kind: Kind,
    /// A ULID.
    pub id: [u8; 16],
    /// `X-Request-ID`.
    pub request_id: &'a str,
    /// Tenant id.
    pub tenant: &'a str,
    /// User id.
    pub user: &'a str,
    /// Roles of the user in the tenant.
    pub roles: List<'a>,
    /// Action.
    pub action: &'a str,
    /// Module id.
    pub module: &'a str,
    /// Resource type.
    pub resource_type: &'a str,
    /// Resource id.
    pub resource_id: &'a str,
    /// The decision, where there is one.
    pub decision: Option<Decision>,
    /// Reason code, or what happened.
    pub reason: &'a str,
    /// Ids of the determining policies.
    pub policies: List<'a>,
    /// Evaluation errors.
    pub errors: List<'a>,
    /// Revision, 12 hexadecimal digits.
    pub revision: &'a str,
    /// How long deciding took, in nanoseconds.
    pub duration_ns: u64,
    /// Where it came from.
    pub origin: Origin,
    /// Who acted through the application.
    pub actor: &'a str,
    /// JSON text of the state before.
    pub before: &'a str,
    /// JSON text of the state after.
    pub after: &'a str,
    /// JSON object text of the context.
    pub context: &'a str,
    /// What was redacted before the record was written: the place as a JSON pointer into the record, a colon, and what was
    /// done.
    pub redacted: List<'a>,
    /// The record was kept as one of so many like it; 0 where none was left out.
    pub kept_one_in: u32,
    /// The trace that the request belongs to.
    pub trace_id: TraceId,
    /// Bytes of the record before it is compressed.
    pub size: usize,
}

/// Bytes that are no record of a known version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bytes of an audit record are malformed or of a newer version")]
pub(crate) struct Malformed;

/// A list of texts inside a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct List<'a> {
    // INVARIANT: items with a u16 length in front, each valid UTF-8; checked when the record was decoded.
    bytes: &'a [u8],
}

impl<'a> List<'a> {
    /// The texts, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || split_item(&mut rest))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn checked(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = bytes;
        while !rest.is_empty() {
            split_item(&mut rest).ok_or(Malformed)?;
        }
        Ok(Self { bytes })
    }
}

fn split_item<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, after) = rest.split_first_chunk()?;
    let (item, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let text = str::from_utf8(item).ok()?;
    *rest = after;
    Some(text)
}

/// The time of a record, without decoding the rest.
pub(crate) fn time_of(bytes: &[u8]) -> Option<Timestamp> {
    Some(Timestamp::from_micros(i64::from_le_bytes(array(bytes, 8)?)))
}

impl<'a> Record<'a> {
    /// Reads a record's bytes.
    pub(crate) fn decode(seq: u64, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (head, texts) = bytes.split_first_chunk::<HEAD>().ok_or(Malformed)?;
        let &[version, kind, origin, decision, ..] = head;
        let (trace_id, texts) = match version {
            VERSION => (TraceId::NONE, texts),
            TRACED => {
                texts.split_first_chunk().map(|(id, texts)| (TraceId::from_bytes(*id), texts)).ok_or(Malformed)?
            }
            _ => return Err(Malformed),
        };
        let mut texts =
            Texts { lengths: array::<{ 2 * TEXTS }>(head, LENGTHS).ok_or(Malformed)?, next: 0, rest: texts };
        let record = Self {
            seq,
            time: time_of(head).ok_or(Malformed)?,
            kind: Kind::from_code(kind).ok_or(Malformed)?,
            id: array(head, 24).ok_or(Malformed)?,
            request_id: texts.text()?,
            tenant: texts.text()?,
            user: texts.text()?,
            roles: List::checked(texts.bytes()?)?,
            action: texts.text()?,
            module: texts.text()?,
            resource_type: texts.text()?,
            resource_id: texts.text()?,
            reason: texts.text()?,
            policies: List::checked(texts.bytes()?)?,
            errors: List::checked(texts.bytes()?)?,
            revision: texts.text()?,
            actor: texts.text()?,
            before: texts.text()?,
            after: texts.text()?,
            context: texts.text()?,
            redacted: List::checked(texts.bytes()?)?,
            kept_one_in: u32::from_le_bytes(array(head, 40).ok_or(Malformed)?),
            trace_id,
            size: bytes.len(),
            decision: match decision {
                0 => None,
                1 => Some(Decision::Allow),
                2 => Some(Decision::Deny),
                _ => return Err(Malformed),
            },
            duration_ns: u64::from_le_bytes(array(head, 16).ok_or(Malformed)?),
            origin: Origin::from_code(origin).ok_or(Malformed)?,
        };
        if texts.rest.is_empty() { Ok(record) } else { Err(Malformed) }
    }
}

struct Texts<'a> {
    lengths: [u8; 2 * TEXTS],
    next: usize,
    rest: &'a [u8],
}

impl<'a> Texts<'a> {
    fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = u16::from_le_bytes(array(&self.lengths, 2 * self.next).ok_or(Malformed)?);
        let (bytes, rest) = self.rest.split_at_checked(usize::from(length)).ok_or(Malformed)?;
        self.next += 1;
        self.rest = rest;
        Ok(bytes)
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
