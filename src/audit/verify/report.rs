//! What a verification has found.

use crate::audit::store::segment_path;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// Problems that are told: the first ones say it all.
const MOST: usize = 100;

/// What was checked, and what is wrong.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Whether everything was checked: not so where an instance still writes to the last segment, or where keys are trusted and nothing
    /// is signed yet.
    pub complete: bool,
    /// The first record that is held.
    pub first_seq: u64,
    /// The last record that was checked.
    pub last_seq: u64,
    /// Its hash, in hexadecimal digits.
    pub last_hash: String,
    /// Records checked.
    pub records: u64,
    /// Segments there are.
    pub segments: usize,
    /// What retention has removed.
    pub removed: Option<Removed>,
    /// Manifests checked.
    pub manifests: u64,
    /// How many of these are signed.
    pub signed: u64,
    /// The ids of the keys that have signed.
    pub keys: Vec<String>,
    /// Checkpoints held against the log.
    pub checkpoints: u64,
    /// Times at which the clock went back. They are no sign of a change: the numbers say the order.
    pub clock_jumps: u64,
    /// What is wrong, by the number of the record.
    pub problems: Vec<Problem>,
    /// What is worth knowing and not wrong.
    pub warnings: Vec<String>,
    /// What holds for many places and is told once: where among the problems, and for how many more it holds.
    #[serde(skip)]
    alike: BTreeMap<String, (usize, u64)>,
}

/// What retention has removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// The first number.
    pub first_seq: u64,
    /// The last number.
    pub last_seq: u64,
    /// How many records that were.
    pub records: u64,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The first record that it concerns; `null` where it concerns the log as a whole.
    #[serde(serialize_with = "number")]
    pub seq: u64,
    /// The directory of its segment.
    pub segment: Option<String>,
    /// What it is.
    pub what: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn number<S: serde::Serializer>(seq: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    match *seq {
        u64::MAX => serializer.serialize_none(),
        seq => serializer.serialize_u64(seq),
    }
}

impl Report {
    /// Whether the log is as it was written, as far as can be told.
    pub fn is_intact(&self) -> bool {
        self.problems.is_empty()
    }

    /// The same as [`Report::problem`], told once for all that have this key.
    pub(super) fn problem_alike(&mut self, key: &str, seq: u64, what: &str) {
        if let Some((_, more)) = self.alike.get_mut(key) {
            *more += 1;
        } else if self.problems.len() < MOST {
            self.alike.insert(key.to_owned(), (self.problems.len(), 0));
            self.problem(seq, None, what);
        }
    }

    /// To be called at the end: says how often what was told once holds, and sorts.
    pub(super) fn finish(mut self) -> Self {
        for (index, more) in std::mem::take(&mut self.alike).into_values().filter(|(_, more)| *more > 0) {
            if let Some(problem) = self.problems.get_mut(index) {
                problem.what = format!("{}; the same holds for {more} more", problem.what);
            }
        }
        self.problems.sort_by_key(|problem| problem.seq);
        self
    }

    pub(super) fn problem(&mut self, seq: u64, segment: Option<u64>, what: &str) {
        if self.problems.len() < MOST {
            let segment = segment.map(|name| segment_path(Path::new(""), name).display().to_string());
            self.problems.push(Problem { seq, segment, what: what.to_owned() });
        }
    }
}
