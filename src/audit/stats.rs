//! What the log holds in figures: how much, since when, who, what, and what was denied.

mod top;

use super::{Kind, Query, Reader, Record, reader::ReadError};
use crate::model::{Decision, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::ops::ControlFlow;
use top::Counts;

pub use top::Named;

/// Names in each list.
const LISTED: usize = 10;

/// Figures of the records that a query asks for. Its JSON is the answer of `GET /v1/audit/stats`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// How many records there are.
    pub records: u64,
    /// How many there would be if sampling had left none out: each counts as `kept_one_in`.
    pub stands_for: u64,
    /// Bytes of these records before they are compressed.
    pub record_bytes: u64,
    /// Bytes on disk of the whole log.
    pub store_bytes: u64,
    /// The number and the time of the first.
    pub first: Option<Edge>,
    /// The number and the time of the last.
    pub last: Option<Edge>,
    /// Seconds from the earliest to the latest time.
    pub span_seconds: f64,
    /// Records a second within the span; absent where it is none.
    pub per_second: Option<f64>,
    /// By kind, in the order of the contract.
    pub kinds: Vec<Named>,
    /// By decision.
    pub decisions: Vec<Named>,
    /// Who is named most often.
    pub users: Vec<Named>,
    /// Which modules are named most often.
    pub modules: Vec<Named>,
    /// What was denied.
    pub denials: Denials,
    /// A count of a list may be too low by so much. 0 where it is exact, as it is up to 65,536 names.
    pub counts_low_by: u64,
}

/// The first or the last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Edge {
    /// Its number.
    pub seq: u64,
    /// Its time.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    #[schemars(with = "String")]
    pub time: Timestamp,
}

/// The denied decisions, by who asked, where, and why they were denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Denials {
    /// By user.
    pub users: Vec<Named>,
    /// By module.
    pub modules: Vec<Named>,
    /// By reason code.
    pub reasons: Vec<Named>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn as_text<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    Timestamp::parse(&text).ok_or_else(|| D::Error::custom("a time was expected"))
}

impl Reader {
    /// Figures of all records that the query asks for. Reads each of them once; needs the same memory for a log of any size.
    pub fn figures(&self, query: &Query) -> Result<Figures, ReadError> {
        let mut tally = Tally::default();
        self.for_each(query, |record| {
            tally.add(record);
            ControlFlow::Continue(())
        })?;
        Ok(tally.finish(self.store_bytes()))
    }
}

/// What is counted while the records pass.
#[derive(Debug, Default)]
struct Tally {
    records: u64,
    stands_for: u64,
    bytes: u64,
    ends: Option<[Edge; 2]>,
    times: Option<[Timestamp; 2]>,
    kinds: Counts,
    decisions: Counts,
    users: Counts,
    modules: Counts,
    denied_users: Counts,
    denied_modules: Counts,
    denied_reasons: Counts,
}

impl Tally {
    fn add(&mut self, record: &Record<'_>) {
        self.records += 1;
        self.stands_for += u64::from(record.kept_one_in.max(1));
        self.bytes += record.size as u64;
        let edge = Edge { seq: record.seq, time: record.time };
        let [first, last] = self.ends.unwrap_or([edge; 2]);
        self.ends =
            Some([if edge.seq < first.seq { edge } else { first }, if edge.seq > last.seq { edge } else { last }]);
        let [earliest, latest] = self.times.unwrap_or([record.time; 2]);
        self.times = Some([earliest.min(record.time), latest.max(record.time)]);
        self.kinds.add(record.kind.as_str());
        self.users.add(record.user);
        self.modules.add(record.module);
        if let Some(decision) = record.decision {
            self.decisions.add(decision.as_str());
        }
        if record.decision == Some(Decision::Deny) {
            self.denied_users.add(record.user);
            self.denied_modules.add(record.module);
            self.denied_reasons.add(record.reason);
        }
    }

    fn finish(self, store_bytes: u64) -> Figures {
        let lists = [&self.users, &self.modules, &self.denied_users, &self.denied_modules, &self.denied_reasons];
        let counts_low_by = lists.into_iter().map(Counts::low_by).max().unwrap_or_default();
        let span_seconds = self.times.map_or(0.0, |[earliest, latest]| seconds(earliest, latest));
        #[expect(clippy::cast_precision_loss, reason = "a rate to three digits after the point")]
        let per_second = (span_seconds > 0.0).then(|| (self.records as f64 / span_seconds * 1000.0).round() / 1000.0);
        let words = |counts: &Counts, words: &[&str]| {
            words.iter().map(|word| Named { name: (*word).to_owned(), count: counts.of(word) }).collect()
        };
        let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        Figures {
            records: self.records,
            stands_for: self.stands_for,
            record_bytes: self.bytes,
            store_bytes,
            first: self.ends.map(|[first, _]| first),
            last: self.ends.map(|[_, last]| last),
            span_seconds,
            per_second,
            kinds: words(&self.kinds, &kinds),
            decisions: words(&self.decisions, &[Decision::Allow.as_str(), Decision::Deny.as_str()]),
            users: self.users.top(LISTED),
            modules: self.modules.top(LISTED),
            denials: Denials {
                users: self.denied_users.top(LISTED),
                modules: self.denied_modules.top(LISTED),
                reasons: self.denied_reasons.top(LISTED),
            },
            counts_low_by,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a double holds microseconds exactly until the year 2255")]
fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    (to.as_micros() - from.as_micros()) as f64 / 1e6
}
