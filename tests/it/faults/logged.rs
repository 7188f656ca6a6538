//! What a log holds against what was promised.

use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// All that a log holds, oldest first, and what opening it has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    pub records: Vec<Line>,
    pub missing: u64,
    pub head_differs: bool,
    pub torn_bytes: u64,
    pub missing_rings: u64,
    pub head_lost: bool,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub seq: u64,
    /// `<round>.<thread> <n>` of a helper's record; of one of the log's own, what it tells.
    pub user: String,
    /// Of every field.
    pub checksum: u32,
}

/// What was promised to those who recorded: by thread, the numbers that were acknowledged, and those that were refused.
#[derive(Debug, Clone, Default)]
pub struct Promised {
    threads: BTreeMap<Thread, Numbers>,
}

#[derive(Debug, Clone, Default)]
struct Numbers {
    acknowledged: BTreeSet<u64>,
    refused: BTreeSet<u64>,
}

/// A thread of a helper: round and number.
type Thread = (u64, u64);

impl Promised {
    /// What a file of acknowledgements says. One that is not there says nothing.
    pub fn read(path: &Path) -> Self {
        let mut promised = Self::default();
        promised.take(&fs::read(path).unwrap_or_default());
        promised
    }

    /// Takes lines as a helper has written them.
    pub fn take(&mut self, lines: &[u8]) {
        for line in String::from_utf8_lossy(lines).lines() {
            let (word, user) = line.split_once(' ').expect("a line of a helper");
            let (thread, n) = name(user).expect("a name that a helper has given");
            let numbers = self.threads.entry(thread).or_default();
            let fresh = if word == "ack" { numbers.acknowledged.insert(n) } else { numbers.refused.insert(n) };
            assert!(fresh, "{line} twice");
        }
    }

    /// How many records were acknowledged.
    pub fn count(&self) -> usize {
        self.threads.values().map(|numbers| numbers.acknowledged.len()).sum()
    }

    /// Whether a log keeps what was promised: nothing acknowledged is missing, nothing is there twice or out of order, there is no
    /// gap. Where records were removed by retention, they are the oldest ones.
    pub fn check(&self, logged: &Logged) -> Result<(), String> {
        let first = logged.records.first().map_or(1, |line| line.seq);
        for (line, expected) in logged.records.iter().zip(first..) {
            if line.seq != expected {
                return Err(format!("record {} where {expected} should be", line.seq));
            }
        }
        let mut found: BTreeMap<Thread, Vec<u64>> = BTreeMap::new();
        for line in &logged.records {
            if let Some((thread, n)) = name(&line.user) {
                found.entry(thread).or_default().push(n);
            }
        }
        let nothing_removed = first == 1;
        // Each removal is a record, and where every record is a segment of its own, these push out all others.
        let only_removals =
            !logged.records.is_empty() && logged.records.iter().all(|line| line.user == "audit_retention");
        let oldest_round = found.keys().next().map(|(round, _)| *round);
        for (thread, numbers) in &self.threads {
            let found = found.get(thread).map_or(&[][..], Vec::as_slice);
            // Of the round that the log begins with, retention may have removed a part; of those before, all.
            let begins = match (nothing_removed, oldest_round) {
                (true, _) => 0,
                (false, None) if !only_removals => 0,
                (false, Some(oldest)) if thread.0 > oldest => 0,
                (false, Some(oldest)) if thread.0 == oldest => found.first().copied().unwrap_or(u64::MAX),
                (false, _) => u64::MAX,
            };
            numbers.check(found, begins).map_err(|what| format!("thread {}.{}: {what}", thread.0, thread.1))?;
        }
        let unknown = found.keys().find(|thread| !self.threads.contains_key(thread) && found[*thread].len() > 1);
        unknown.map_or(Ok(()), |thread| Err(format!("records of thread {thread:?}, which was never answered")))
    }
}

impl Numbers {
    fn check(&self, found: &[u64], begins: u64) -> Result<(), String> {
        if let Some((before, after)) = found.iter().zip(found.iter().skip(1)).find(|(before, after)| before >= after) {
            return Err(format!("{before} stands before {after}"));
        }
        let held: BTreeSet<u64> = found.iter().copied().collect();
        let lost: Vec<_> = self.acknowledged.range(begins..).filter(|n| !held.contains(n)).collect();
        if !lost.is_empty() {
            return Err(format!("acknowledged and lost: {lost:?}"));
        }
        // A thread waits for one answer before it goes on, so at most its last record was never answered.
        let unanswered = held.iter().filter(|n| !self.acknowledged.contains(n) && !self.refused.contains(n)).count();
        if unanswered > 1 { Err(format!("{unanswered} records that were never answered")) } else { Ok(()) }
    }
}

/// Thread and number of a helper's record; `None` for any other record.
fn name(user: &str) -> Option<(Thread, u64)> {
    let (thread, n) = user.split_once(' ')?;
    let (round, number) = thread.split_once('.')?;
    Some(((round.parse().ok()?, number.parse().ok()?), n.parse().ok()?))
}
