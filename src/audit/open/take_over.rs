//! What the rings of a dead process hold and the log does not.

use super::OpenError;
use crate::audit::{
    block::Positions,
    chain::End,
    log::Recovery,
    ring::{Consumer, Mapping, Next, Ring, Roll},
    store::Store,
    writer::{WriteError, Writer},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

type NumberedRing = (usize, Arc<Ring<Mapping>>);

/// Puts into the log what the rings of a dead process hold and the log does not.
///
/// Rings of several generations lie side by side when a process died while it made its rings; the ones of the generation that the log
/// knows are told apart from the others, which begin where they say. A generation that the log no longer knows is one that power loss
/// has brought back: what it holds is in the log, before what a later generation has put there, or nobody was told of it.
pub(super) fn take_over(
    writer: &mut Writer<Store, Mapping>,
    rings: &Path,
    anchor: Option<End>,
    recovery: &mut Recovery,
) -> Result<(), OpenError> {
    let failed = |error| OpenError::write(rings, error);
    let mut generations: BTreeMap<u64, Vec<NumberedRing>> = BTreeMap::new();
    for (_, path) in ring_files(rings)? {
        let mapping = Mapping::open(&path).map_err(|source| OpenError::io(&path, source))?;
        // The label says which it is, not the file's name: that may have been changed.
        if let Some(ring) = Ring::attach(mapping)
            && let Ok(number) = usize::try_from(ring.label().number)
        {
            generations.entry(ring.label().generation).or_default().push((number, Arc::new(ring)));
        }
    }
    for rings in generations.values_mut() {
        rings.sort_by_key(|(number, _)| *number);
    }
    let known = writer.stored().generation;
    recovery.missing_rings = missing_rings(writer, Roll::read(rings), &generations);
    let of_the_log = generations.get(&known).map_or(&[][..], Vec::as_slice);
    cut_or_leap(writer, of_the_log, anchor, recovery).map_err(failed)?;
    let mut groups: Vec<_> = generations.into_iter().collect();
    groups.sort_by_key(|(generation, _)| *generation != known);
    for (generation, rings) in groups {
        if generation != writer.stored().generation {
            // Where the log has lost what it knew of the rings, only they can tell.
            if known != 0 && rings.iter().any(|(_, ring)| ring.label().records < writer.end().seq) {
                continue;
            }
            let mut positions = Positions { generation, by_ring: Vec::new() };
            for (number, ring) in &rings {
                positions.set(*number, ring.consumed());
            }
            writer.begin(positions);
        }
        for (index, (number, ring)) in rings.iter().enumerate() {
            // In `durable`, power loss may take back more of the log than of the ring's head: what lies before the head may still be
            // readable, and what lies behind it must not be missed when it is not.
            writer.attach(*number, Arc::clone(ring));
            drain(writer, index).map_err(failed)?;
            if writer.taken(index) < ring.consumed() {
                writer.skip_to(index, ring.consumed());
                drain(writer, index).map_err(failed)?;
            }
            recovery.torn_bytes += ring.produced().saturating_sub(writer.taken(index));
        }
        writer.store_rest().map_err(failed)?;
        if writer.commit(true).map_err(failed)? {
            for (number, ring) in &rings {
                ring.advance(writer.stored().of(*number));
            }
        }
        writer.rotate_if_due().map_err(failed)?;
        writer.detach();
    }
    Ok(())
}

/// Brings the end of the log to where the anchor, or what the rings have noted with a withdrawal, says it was.
///
/// The log goes beyond it when the process died after the store had failed: what was not committed then was withdrawn, and comes from the
/// rings again, as what was answered. Only the rings can say so: power loss may have kept an anchor that is older than the last commit.
/// It ends before it when power loss or a change of the files took records: they come from the rings again where these still hold all of
/// them, else their numbers stay unused.
fn cut_or_leap(
    writer: &mut Writer<Store, Mapping>,
    rings: &[NumberedRing],
    anchor: Option<End>,
    recovery: &mut Recovery,
) -> Result<(), WriteError> {
    let withdrawn = rings.iter().filter_map(|(number, ring)| match ring.withdrawn() {
        Some((from, u64::MAX)) => Some((*number, from, ring.end_before_withdrawn()?)),
        _ => None,
    });
    let withdrawn: Vec<(usize, u64, End)> = withdrawn.collect();
    let noted = withdrawn.iter().map(|(_, _, end)| *end);
    let Some(committed) = anchor.into_iter().chain(noted).max_by_key(|end| end.seq) else { return Ok(()) };
    if !withdrawn.is_empty() && committed.seq < writer.end().seq {
        let positions: Vec<_> = withdrawn.iter().map(|(number, from, _)| (*number, *from)).collect();
        return writer.cut(committed, &positions);
    }
    let missing = committed.seq.saturating_sub(writer.end().seq);
    if missing > 0 && readable_again(writer, rings) < missing {
        recovery.leapt_to = committed.seq;
        return writer.leap(committed);
    }
    Ok(())
}

/// How many entries the rings still hold that were in the log, and are not any more.
fn readable_again(writer: &Writer<Store, Mapping>, rings: &[NumberedRing]) -> u64 {
    let mut count = 0;
    let mut scratch = Vec::new();
    for (number, ring) in rings {
        let mut consumer = Consumer::new(Arc::clone(ring), writer.stored().of(*number));
        while consumer.position() < ring.consumed() && consumer.next(&mut scratch) == Next::Entry {
            count += 1;
        }
    }
    count
}

/// How many rings are not there that should be, or no longer say which they are. What they held and the log does not is lost.
fn missing_rings(
    writer: &Writer<Store, Mapping>,
    roll: Option<Roll>,
    generations: &BTreeMap<u64, Vec<NumberedRing>>,
) -> u64 {
    let known = writer.stored();
    // The log itself knows only of rings of which it holds something.
    let of_the_log = Roll { generation: known.generation, rings: known.by_ring.len() as u64 };
    let roll = roll.unwrap_or(of_the_log);
    let is_begun = |rings: &Vec<NumberedRing>| rings.iter().any(|(_, ring)| ring.label().records >= writer.end().seq);
    // The process died while it put new rings in the place of these, of which it had taken everything.
    if generations.iter().any(|(generation, rings)| *generation != roll.generation && is_begun(rings)) {
        return 0;
    }
    let there = generations.get(&roll.generation).map_or(&[][..], Vec::as_slice);
    let is_there = |number: u64| there.iter().any(|(_, ring)| ring.label().number == number);
    (0..roll.rings).filter(|number| !is_there(*number)).count() as u64
}

/// Takes all that a ring holds. A torn entry is its end: nothing behind it can be told from what was there before.
fn drain(writer: &mut Writer<Store, Mapping>, index: usize) -> Result<(), WriteError> {
    loop {
        match writer.take_from(index) {
            Ok(true) => {}
            Ok(false) | Err(WriteError::Ring { .. }) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn ring_files(rings: &Path) -> Result<Vec<(usize, PathBuf)>, OpenError> {
    let failed = |source| OpenError::io(rings, source);
    let mut found = Vec::new();
    for entry in fs::read_dir(rings).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix("ring-"));
        if let Some(number) = name.and_then(|number| number.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Removes the files of rings from this number on.
pub(crate) fn remove_rings_from(rings: &Path, first: usize) -> Result<(), OpenError> {
    for (_, path) in ring_files(rings)?.into_iter().filter(|(number, _)| *number >= first) {
        fs::remove_file(&path).map_err(|source| OpenError::io(&path, source))?;
    }
    Ok(())
}
