//! Damaged files: every damage is found and said, or does no harm. None goes unnoticed, none ends the process.

use super::{
    Cases,
    helper::{Helper, Outcome, Place, Request, Work},
    logged::{Line, Logged},
    scratch,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

#[test]
fn damage_is_found_or_harmless() {
    let cases = Cases::new("corruption", 1000);
    let mut reader = Helper::start(None);
    let keys = crate::audit_verify::keys(7);
    let templates = [
        Template::new(&mut reader, "closed", false, None, None),
        Template::new(&mut reader, "killed", true, None, None),
        Template::new(&mut reader, "closed and cut by retention", false, Some(1), None),
        Template::new(&mut reader, "signed and cut by retention", false, Some(1), Some(keys.private.clone())),
        Template::with_gap(&mut reader),
    ];
    let mut counts: BTreeMap<(String, &str), u64> = BTreeMap::new();
    let mut failures = Vec::new();
    for case in cases.numbers.clone() {
        let mut random = cases.random(case);
        let template = random.choice(&templates).unwrap();
        let copy = scratch();
        copy_all(template.scratch.path(), copy.path());
        let damage = Damage::draw(&template.files, &mut random);
        let what = damage.apply(copy.path(), &mut random);
        let kind = damage.kind();
        // Before it is opened, which may mend it. Not always, since it takes longer than all else.
        let is_checked = case % 10 == 0 || ["checkpoints", "SEALED", "TOMBSTONE", "KEY", "GAPS"].contains(&&*kind);
        match outcome(&mut reader, template, &template.place.at(copy.path()), is_checked) {
            Ok(outcome) => *counts.entry((kind, outcome)).or_default() += 1,
            Err(why) => {
                failures.push(format!("{}: {what}, of the log that was {}: {why}", cases.replay(case), template.name));
            }
        }
    }
    println!("{counts:#?}");
    assert!(failures.is_empty(), "{failures:#?}");
}

/// What came of a damage; an error where nobody has noticed it, or the process did not survive it.
fn outcome(reader: &mut Helper, template: &Template, place: &Place, is_checked: bool) -> Result<&'static str, String> {
    let mut ask = |request| match reader.ask(&request) {
        Outcome::Answered(answer) => Ok(*answer),
        outcome => {
            *reader = Helper::start(None);
            Err(format!("{outcome:?}"))
        }
    };
    if is_checked {
        let checked = ask(Request::Verify(place.clone()))?;
        if checked.refused.is_some() || checked.problems != template.problems {
            return Ok("found by verify");
        }
    }
    let answer = ask(Request::Read(place.clone()))?;
    if let Some(why) = answer.refused.or(answer.failed) {
        return if why.is_empty() { Err("refused without a word".to_owned()) } else { Ok("refused") };
    }
    if answer.logged.missing < template.logged.missing {
        return Err(format!("{} of {} missing records told", answer.logged.missing, template.logged.missing));
    }
    if is_reported(&answer.logged, template.logged.missing) {
        return Ok("reported");
    }
    let (had, has) = (&template.logged.records, &answer.logged.records);
    if had == has {
        return Ok("harmless");
    }
    // What is not known to be recorded is recorded once more.
    let is_gap = |line: &Line| line.user.is_empty();
    if let Some([gap]) = has.strip_prefix(had.as_slice())
        && template.logged.missing > 0
        && is_gap(gap)
    {
        return Ok("the gap is recorded again");
    }
    if template.has_rings && users(had) == users(has) {
        // The store has lost what it had taken out of the rings, and has taken all of it again. Two rings have no order between them.
        return Ok("taken again");
    }
    let first = had.iter().zip(has).find(|(had, has)| had != has);
    Err(format!("{} records before, {} after, {first:?}, and nothing was said", had.len(), has.len()))
}

/// Who stands in the records, each of which has a user of its own.
fn users(records: &[Line]) -> BTreeSet<&str> {
    records.iter().map(|line| line.user.as_str()).collect()
}

/// Whether opening has said that the log lacks more than these records.
fn is_reported(logged: &Logged, missing: u64) -> bool {
    logged.missing > missing
        || logged.head_differs
        || logged.head_lost
        || logged.torn_bytes > 0
        || logged.missing_rings > 0
}

/// A log that is copied and damaged.
struct Template {
    name: &'static str,
    place: Place,
    /// What is read of it.
    logged: Logged,
    /// What is wrong with it as it is.
    problems: Vec<String>,
    /// The process was killed, and the rings hold what it has recorded since its last start.
    has_rings: bool,
    // Relative to the scratch directory.
    files: Vec<PathBuf>,
    scratch: TempDir,
}

impl Template {
    /// Several segments, blocks and commits; where the process was killed, rings that hold what the store does not.
    fn new(
        reader: &mut Helper,
        name: &'static str,
        killed: bool,
        retained_bytes: Option<u64>,
        signing_key: Option<PathBuf>,
    ) -> Self {
        let scratch = scratch();
        let place = Place {
            data: scratch.path().join("data"),
            synced: true,
            segment_bytes: 60_000,
            retained_bytes,
            checkpoints: Some(scratch.path().join("checkpoints")),
            heals: false,
            signing_key,
        };
        let mut helper = Helper::start(None);
        let mut work = Work {
            place: place.clone(),
            acks: scratch.path().join("acks"),
            round: 0,
            threads: 2,
            records: 150,
            padding: 100,
            dies: false,
            patience_ms: 0,
        };
        // Each start removes what is too much.
        for round in 0..3 {
            work.round = round;
            assert!(helper.must(&Request::Write(work.clone())).finished);
        }
        if killed {
            work.round = 3;
            work.place.synced = false;
            work.dies = true;
            let outcome = helper.ask(&Request::Write(work));
            assert!(matches!(outcome, Outcome::Died(_)), "{outcome:?}");
        }
        fs::remove_file(scratch.path().join("acks")).unwrap();
        let template = Self::of(reader, name, place, scratch, killed);
        let records = &template.logged.records;
        let whole = if killed { 4 * 300 } else { 3 * 300 };
        let is_cut = records.first().is_some_and(|first| first.seq > 1);
        assert!(if retained_bytes.is_some() { is_cut } else { records.len() >= whole });
        assert!(!is_reported(&template.logged, 0), "{:?}", template.logged);
        template
    }

    /// One whose last segment was damaged before: a start has put it aside, and the log has a record of what is missing.
    fn with_gap(reader: &mut Helper) -> Self {
        let Self { place, scratch, logged, .. } = Self::new(reader, "closed", false, None, None);
        let audit = place.data.join("audit");
        let newest = || {
            let names = fs::read_dir(&audit).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let first = |name: String| name.strip_prefix("seg-").map(|first| (first.parse().unwrap(), name.clone()));
            let (first, name): (u64, String) = names.filter_map(first).max().unwrap();
            (first, audit.join(name))
        };
        // One that was begun as the log was closed has nothing yet that could be missing.
        if logged.records.last().is_none_or(|last| last.seq < newest().0) {
            let acks = scratch.path().join("acks");
            let (round, threads, records, padding) = (3, 1, 5, 100);
            let place = place.clone();
            let work = Work { place, acks, round, threads, records, padding, dies: false, patience_ms: 0 };
            assert!(Helper::start(None).must(&Request::Write(work)).finished);
            fs::remove_file(scratch.path().join("acks")).unwrap();
        }
        for entry in fs::read_dir(newest().1).unwrap() {
            let path = entry.unwrap().path();
            match kind(&path).as_str() {
                "snap" => fs::remove_file(&path).unwrap(),
                "db" => fs::write(&path, vec![0xa5; 700_000]).unwrap(),
                _ => {}
            }
        }
        let answer = reader.must(&Request::Read(place.clone()));
        assert_eq!((&answer.refused, &answer.failed), (&None, &None));
        assert!(audit.join("GAPS").exists(), "the gap is noted");
        let template = Self::of(reader, "closed and has a gap", place, scratch, false);
        assert!(template.logged.missing > 0 && !template.problems.is_empty(), "the gap is told");
        assert!(!is_reported(&template.logged, template.logged.missing), "{:?}", template.logged);
        template
    }

    /// What is in a log, is found by reading copies.
    fn of(reader: &mut Helper, name: &'static str, place: Place, scratch: TempDir, has_rings: bool) -> Self {
        let files = walk(scratch.path());
        let mut ask = |request: fn(Place) -> Request| {
            let copy = super::scratch();
            copy_all(scratch.path(), copy.path());
            let answer = reader.must(&request(place.at(copy.path())));
            assert_eq!((&answer.refused, &answer.failed), (&None, &None), "{name}");
            answer
        };
        let problems = ask(Request::Verify).problems;
        let logged = ask(Request::Read).logged;
        Self { name, place, logged, problems, has_rings, files, scratch }
    }
}

/// What happens to a file.
#[derive(Debug)]
enum Damage {
    FlipBit(PathBuf),
    Zero(PathBuf),
    Garbage(PathBuf),
    Truncate(PathBuf),
    Extend(PathBuf),
    Delete(PathBuf),
    Swap(PathBuf, PathBuf),
}

impl Damage {
    /// Each kind of file as often as any other.
    fn draw(files: &[PathBuf], random: &mut fastrand::Rng) -> Self {
        let mut kinds: BTreeMap<String, Vec<&PathBuf>> = BTreeMap::new();
        for file in files {
            kinds.entry(kind(file)).or_default().push(file);
        }
        let kinds: Vec<_> = kinds.into_values().collect();
        let of_kind = random.choice(&kinds).unwrap();
        let file = (*random.choice(of_kind).unwrap()).clone();
        match random.u8(..8) {
            0 => Self::Zero(file),
            1 => Self::Garbage(file),
            2 => Self::Truncate(file),
            3 => Self::Extend(file),
            4 => Self::Delete(file),
            5 => {
                let other = if random.bool() {
                    (*random.choice(of_kind).unwrap()).clone()
                } else {
                    random.choice(files).unwrap().clone()
                };
                Self::Swap(file, other)
            }
            _ => Self::FlipBit(file),
        }
    }

    fn kind(&self) -> String {
        match self {
            Self::FlipBit(file)
            | Self::Zero(file)
            | Self::Garbage(file)
            | Self::Truncate(file)
            | Self::Extend(file)
            | Self::Delete(file)
            | Self::Swap(file, _) => kind(file),
        }
    }

    /// Answers what was done.
    fn apply(&self, root: &Path, random: &mut fastrand::Rng) -> String {
        let read = |file: &Path| fs::read(root.join(file)).unwrap();
        let write = |file: &Path, bytes: &[u8]| fs::write(root.join(file), bytes).unwrap();
        match self {
            Self::FlipBit(file) => {
                let (mut bytes, bit) = (read(file), random.u8(..8));
                let at = place(&bytes, random);
                bytes.get_mut(at).map_or_else(|| (), |byte| *byte ^= 1 << bit);
                write(file, &bytes);
                format!("bit {bit} of byte {at} of `{}` flipped", file.display())
            }
            Self::Zero(file) | Self::Garbage(file) => {
                let mut bytes = read(file);
                let at = place(&bytes, random);
                let end = bytes.len().min(at + random.usize(1..2048));
                let zero = matches!(self, Self::Zero(_));
                bytes[at..end].iter_mut().for_each(|byte| *byte = if zero { 0 } else { random.u8(..) });
                write(file, &bytes);
                format!("{at}..{end} of `{}` {}", file.display(), if zero { "zeroed" } else { "overwritten" })
            }
            Self::Truncate(file) => {
                let bytes = read(file);
                let length = if random.u8(..4) == 0 { 0 } else { place(&bytes, random) };
                write(file, &bytes[..length]);
                format!("`{}` cut to {length} bytes", file.display())
            }
            Self::Extend(file) => {
                let mut bytes = read(file);
                bytes.extend((0..random.usize(1..3000)).map(|_| random.u8(..)));
                write(file, &bytes);
                format!("`{}` made longer", file.display())
            }
            Self::Delete(file) => {
                fs::remove_file(root.join(file)).unwrap();
                format!("`{}` deleted", file.display())
            }
            Self::Swap(file, other) => {
                let (bytes, others) = (read(file), read(other));
                write(file, &others);
                write(other, &bytes);
                format!("`{}` and `{}` swapped", file.display(), other.display())
            }
        }
    }
}

/// Where damage is done: mostly where something is written.
fn place(bytes: &[u8], random: &mut fastrand::Rng) -> usize {
    let used: Vec<usize> =
        bytes.chunks(64).enumerate().filter(|(_, chunk)| chunk.iter().any(|byte| *byte != 0)).map(|(n, _)| n).collect();
    match random.choice(&used) {
        Some(chunk) if random.u8(..4) != 0 => (chunk * 64 + random.usize(..64)).min(bytes.len() - 1),
        _ => random.usize(..bytes.len().max(1)),
    }
}

/// The sort of a file: its name without what tells it from others of its sort.
fn kind(file: &Path) -> String {
    let name = file.file_name().unwrap().to_string_lossy();
    name.split(['.', '-']).next().unwrap().trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()
}

fn walk(root: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path.strip_prefix(root).unwrap().to_owned()) }
        }
    }
    files.sort();
    files
}

fn copy_all(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
