//! One segment: every block, summary and commit, record by record.

use super::{Check, VerifyError, store_error};
use crate::audit::{
    block::{Block, Summary},
    chain::{self, End, GENESIS, Hash, link_block},
    manifest::Manifest,
    quarantine,
    record::Record,
    store::{Comparison, Expected, Gathered, Origin, Segment, StoreError, Summaries},
};
use crate::model::Timestamp;
use std::path::Path;

/// Summaries that are read at a time.
const STEP: usize = 64;
/// How far a clock may go back before it is told: records of several threads come a little out of order.
const JUMP_MICROS: i64 = 10_000_000;

/// What is wrong, and with which record.
struct Wrong(u64, String);

/// How far a segment was read.
struct Walk {
    before: Hash,
    next: u64,
    hash: Hash,
    // The last record that is part of the log, and its hash once it was passed.
    limit: u64,
    end: End,
    blocks: u64,
    blocks_end: u64,
    blocks_hash: Hash,
    min_time: Timestamp,
    max_time: Timestamp,
    // What the file of the summaries should hold: its groups, and the one that is being put together.
    groups: Vec<Expected>,
    group: Gathered,
}

impl Check<'_> {
    /// Checks what the copy of a segment holds, and answers where it ends.
    pub(super) fn content(
        &mut self,
        copy: &Path,
        origin: &Origin,
        manifest: Option<&Manifest>,
    ) -> Result<Option<End>, VerifyError> {
        let name = origin.first_seq;
        let said = manifest.map(|manifest| End { seq: manifest.last_seq, hash: manifest.end });
        let whole =
            |segment: &Segment| segment.tail().is_ok_and(|tail| said.is_none_or(|said| tail.end().seq >= said.seq));
        let summaries = Summaries::open(copy);
        let opened = quarantine::open_segment(copy, Timestamp::from_micros(0), whole);
        let walked = match opened {
            Ok((Some(segment), repaired)) => {
                if repaired {
                    let what =
                        format!("`{}` can be read after a repair only, which the next start makes", display(copy));
                    self.report.warnings.push(what);
                }
                self.walk(&segment, origin, manifest)
            }
            Ok((None, _)) if said.is_none() => Ok(Walk::new(origin, None)),
            Ok((None, _)) => Err(Wrong(name, "its records are missing".to_owned())),
            Err(error) if error.is_damage() => Err(Wrong(name, error_text(&error))),
            Err(error) => return Err(store_error(copy, error)),
        };
        let walked = walked.and_then(|walk| match manifest {
            Some(manifest) => walk.fits(manifest).map(|()| walk),
            None => Ok(walk),
        });
        match walked {
            Ok(walk) => {
                if let Some(summaries) = summaries {
                    self.summaries(name, &summaries, &walk);
                }
                Ok(Some(walk.end))
            }
            Err(Wrong(seq, what)) => {
                self.report.problem(seq, Some(name), &what);
                Ok(said)
            }
        }
    }

    /// The file that queries look at first.
    fn summaries(&mut self, name: u64, summaries: &Summaries, walk: &Walk) {
        let rest = (!walk.group.is_empty()).then(|| walk.group.expected());
        let expected: Vec<Expected> = walk.groups.iter().copied().chain(rest).collect();
        match summaries.compare(&expected) {
            Comparison::Same => {}
            Comparison::Unreadable => {
                let what = format!(
                    "`SUMMARIES` of the segment of record {name} is damaged; it is made anew when a query needs it"
                );
                self.report.warnings.push(what);
            }
            Comparison::Different => {
                let what =
                    "the file `SUMMARIES`, which queries look at first, says something else than its blocks; remove it";
                self.report.problem(name, Some(name), what);
            }
        }
    }

    fn walk(&mut self, segment: &Segment, origin: &Origin, manifest: Option<&Manifest>) -> Result<Walk, Wrong> {
        let mut walk = Walk::new(origin, manifest.map(|manifest| manifest.last_seq));
        while walk.next <= walk.limit {
            let begun_at = walk.next;
            let stored = segment.stored_summaries_from(walk.next, STEP).map_err(|error| at(begun_at, &error))?;
            for stored in stored {
                if walk.next > walk.limit {
                    break;
                }
                if stored.first_seq != walk.next {
                    return Err(Wrong(walk.next, "a block is missing, or stands where another should".to_owned()));
                }
                let bytes = segment.block(stored.first_seq).map_err(|error| at(begun_at, &error))?;
                let bytes = bytes.ok_or_else(|| Wrong(walk.next, "its block is missing".to_owned()))?;
                let block = self.block(&bytes, origin, &mut walk)?;
                if summary_of(&block).as_deref() != Some(&stored.bytes) {
                    return Err(Wrong(block.header.first_seq, "the summary of its block is another".to_owned()));
                }
                if walk.next - 1 <= walk.limit {
                    walk.blocks += 1;
                    walk.blocks_end = walk.next - 1;
                    walk.blocks_hash = link_block(&walk.blocks_hash, &bytes, &stored.bytes);
                    if walk.blocks_hash != stored.hash {
                        let what = "the hash over the blocks is another from its block on".to_owned();
                        return Err(Wrong(block.header.first_seq, what));
                    }
                    walk.group.add(&stored, walk.blocks_end);
                    if walk.group.is_full() {
                        walk.groups.push(std::mem::take(&mut walk.group).expected());
                    }
                }
            }
            if walk.next == begun_at {
                break;
            }
        }
        self.commits(segment, origin, &mut walk)?;
        Ok(walk)
    }

    /// Commits that no block has replaced go on where the blocks end. Others must say what the blocks say: queries look at them first.
    fn commits(&mut self, segment: &Segment, origin: &Origin, walk: &mut Walk) -> Result<(), Wrong> {
        let after_blocks = walk.next;
        for (first_seq, bytes) in segment.hot_commits().map_err(|error| at(after_blocks, &error))? {
            if first_seq >= after_blocks {
                if walk.next > walk.limit {
                    break;
                }
                if first_seq != walk.next {
                    return Err(Wrong(walk.next, "a commit is missing, or stands where another should".to_owned()));
                }
                self.block(&bytes, origin, walk)?;
                continue;
            }
            let differs =
                || Wrong(first_seq, "a commit says something else than the block that has replaced it".to_owned());
            let commit = Block::decode(&bytes).map_err(|_| differs())?;
            let block = segment.block_with(first_seq).ok().flatten().ok_or_else(differs)?;
            let skipped = usize::try_from(first_seq - block.header.first_seq).unwrap_or(usize::MAX);
            let same = commit.header.first_seq == first_seq
                && commit.header.last_seq() <= block.header.last_seq()
                && commit.bytes().eq(block.bytes().skip(skipped).take(commit.header.count as usize));
            if !same {
                return Err(differs());
            }
        }
        Ok(())
    }

    /// One block or commit, which must follow what was read before.
    fn block(&mut self, bytes: &[u8], origin: &Origin, walk: &mut Walk) -> Result<Block, Wrong> {
        let first = walk.next;
        let wrong = |what: &str| Wrong(first, what.to_owned());
        let block = Block::decode(bytes).map_err(|_| wrong("its block is not as it was written"))?;
        let header = &block.header;
        if header.first_seq != first {
            return Err(wrong("its block has another number than its place"));
        }
        if header.before != walk.hash {
            return Err(wrong("it does not follow the record before: the hash there is another"));
        }
        let mut hash = walk.hash;
        let mut reached = Vec::with_capacity(header.count as usize);
        for (seq, bytes) in (first..).zip(block.bytes()) {
            let record = Record::decode(seq, bytes).map_err(|_| Wrong(seq, "it is malformed".to_owned()))?;
            hash = chain::link(&hash, seq, bytes);
            reached.push((seq, hash, record.time));
        }
        if hash != header.end {
            let last = header.last_seq();
            return Err(Wrong(
                first,
                format!("a record among {first} to {last} was changed: the hash after them is another"),
            ));
        }
        for (seq, hash, time) in reached {
            if seq <= walk.limit {
                self.record(seq, &hash, time, origin.first_seq);
                walk.end = End { seq, hash };
            }
        }
        walk.min_time = walk.min_time.min(header.min_time);
        walk.max_time = walk.max_time.max(header.max_time);
        walk.next = header.last_seq() + 1;
        walk.hash = hash;
        Ok(block)
    }

    fn record(&mut self, seq: u64, hash: &Hash, time: Timestamp, name: u64) {
        self.report.records += 1;
        self.watched.reach(seq, hash, name, &mut self.report);
        let time = time.as_micros();
        if time < self.latest.saturating_sub(JUMP_MICROS) {
            self.report.clock_jumps += 1;
            if self.report.clock_jumps == 1 {
                let back = (self.latest - time) / 1_000_000;
                self.report.warnings.push(format!("the clock went back by {back} s before record {seq}"));
            }
            // One jump is told once, and not for every record after it.
            self.latest = time;
        }
        self.latest = self.latest.max(time);
    }
}

impl Walk {
    fn new(origin: &Origin, limit: Option<u64>) -> Self {
        Self {
            before: origin.before,
            next: origin.first_seq,
            hash: origin.before,
            limit: limit.unwrap_or(u64::MAX),
            end: End { seq: origin.first_seq - 1, hash: origin.before },
            blocks: 0,
            blocks_end: origin.first_seq - 1,
            blocks_hash: GENESIS,
            min_time: Timestamp::from_micros(i64::MAX),
            max_time: Timestamp::from_micros(i64::MIN),
            groups: Vec::new(),
            group: Gathered::default(),
        }
    }

    /// Whether a manifest says what was read.
    fn fits(&self, manifest: &Manifest) -> Result<(), Wrong> {
        let (last, said) = (self.end.seq, manifest.last_seq);
        if last != said {
            let what = format!("the segment ends with record {last}, and its manifest says {said}");
            return Err(Wrong(last + 1, what));
        }
        let first = manifest.first_seq;
        if manifest.before != self.before {
            return Err(Wrong(first, "its manifest says something else of what it follows".to_owned()));
        }
        let of_the_end = manifest.end == self.end.hash;
        let of_the_blocks = (manifest.blocks, manifest.blocks_end, manifest.blocks_hash)
            == (self.blocks, self.blocks_end, self.blocks_hash);
        let of_the_times = manifest.min_time == self.min_time && manifest.max_time == self.max_time;
        match (of_the_end, of_the_blocks, of_the_times) {
            (false, ..) => Err(Wrong(said, "the segment's manifest has another hash for it".to_owned())),
            (_, false, _) => Err(Wrong(first, "the segment's manifest says something else of its blocks".to_owned())),
            (.., false) => Err(Wrong(first, "the segment's manifest says something else of its times".to_owned())),
            _ => Ok(()),
        }
    }
}

fn summary_of(block: &Block) -> Option<Vec<u8>> {
    let mut summary = Summary::new(block.header.first_seq);
    for record in block.records() {
        summary.add(&record.ok()?);
    }
    Some(summary.encode())
}

fn at(seq: u64, error: &StoreError) -> Wrong {
    Wrong(seq, error_text(error))
}

/// Without the path, which is that of a copy.
fn error_text(error: &StoreError) -> String {
    match error {
        StoreError::Damaged { what, .. } => (*what).to_owned(),
        _ => "its files are damaged".to_owned(),
    }
}

fn display(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
