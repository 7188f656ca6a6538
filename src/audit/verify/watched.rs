//! Hashes that something outside of the segments names: the anchor and the checkpoints.

use super::Report;
use crate::audit::chain::{End, Hash};
use std::collections::BTreeMap;

/// Hashes that are expected at certain numbers.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) expected: BTreeMap<u64, Vec<(Hash, String)>>,
    pub(super) reached: u64,
}

impl Watched {
    pub(super) fn expect(&mut self, seq: u64, hash: Hash, who: String) {
        self.expected.entry(seq).or_default().push((hash, who));
    }

    /// Records that are gone cannot be held against what is said of them, but for the last.
    pub(super) fn forget_before(&mut self, removed: End, report: &mut Report) {
        let held = self.expected.split_off(&(removed.seq + 1));
        for (seq, expected) in std::mem::replace(&mut self.expected, held) {
            for (hash, who) in expected {
                if seq < removed.seq {
                    report.warnings.push(format!("{who} names record {seq}, which retention has removed"));
                } else if hash != removed.hash {
                    report.problem(seq, None, &format!("{who} has another hash for record {seq} than the tombstone"));
                }
            }
        }
    }

    /// A record and its hash.
    pub(super) fn reach(&mut self, seq: u64, hash: &Hash, name: u64, report: &mut Report) {
        self.reached = seq;
        while let Some(first) = self.expected.first_entry().filter(|first| *first.key() <= seq) {
            let (named, expected) = first.remove_entry();
            for (expected, who) in expected {
                if named < seq {
                    report.warnings.push(format!("{who} names record {named}, which cannot be read"));
                } else if expected != *hash {
                    report.problem(seq, Some(name), &format!("{who} has another hash for record {seq}"));
                }
            }
        }
    }
}
