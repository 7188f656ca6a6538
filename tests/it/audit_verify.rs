//! `sidegate audit verify`: whatever is changed in the files of a log is found and named; what cannot be told without a copy from elsewhere.

use crate::{
    audit::entry,
    support::{Exited, sidegate},
};
use ed25519_dalek::{
    Signer as _, SigningKey,
    pkcs8::{EncodePrivateKey, EncodePublicKey, spki::der::pem::LineEnding},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sidegate::audit::{Checkpoints, Hold, Log, Options, Retention};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

pub(crate) const EACH: u64 = 300;

/// A log of three segments with 300 records each: two that are closed, and the one that is written to.
pub(crate) fn log(directory: &Path, how: &Options, flavour: &str) {
    for segment in 0..3 {
        if segment > 0 {
            // What is there is more than a byte, so another segment begins.
            drop(Log::open(Options { segment_bytes: 1, ..with_directory(how, directory) }).unwrap());
        }
        let log = Log::open(Options { segment_bytes: u64::MAX, ..with_directory(how, directory) }).unwrap();
        for n in 1..=EACH {
            log.append(&entry(&format!("{flavour}-{:03}", segment * EACH + n), "")).unwrap();
        }
        log.close().unwrap();
    }
}

fn with_directory(how: &Options, directory: &Path) -> Options {
    Options { directory: directory.to_owned(), ..how.clone() }
}

/// A key pair in files.
pub(crate) struct Keys {
    _directory: TempDir,
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

pub(crate) fn keys(seed: u8) -> Keys {
    let directory = tempfile::tempdir().unwrap();
    let (private, public) = (directory.path().join("key.pem"), directory.path().join("key.pub"));
    let key = SigningKey::from_bytes(&[seed; 32]);
    fs::write(&private, key.to_pkcs8_pem(LineEnding::LF).unwrap().as_bytes()).unwrap();
    fs::set_permissions(&private, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&public, key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap()).unwrap();
    Keys { _directory: directory, private, public }
}

#[track_caller]
pub(crate) fn verify(data: &Path, more: &[(&str, &Path)]) -> (Exited, Value) {
    let mut args = vec!["audit".into(), "verify".into(), "--output".into(), "json".into(), "--data".into()];
    args.push(data.as_os_str().to_owned());
    for (flag, path) in more {
        args.extend([(*flag).into(), path.as_os_str().to_owned()]);
    }
    let exited = sidegate(args);
    let report = serde_json::from_str(&exited.stdout).unwrap_or(Value::Null);
    (exited, report)
}

#[track_caller]
pub(crate) fn intact(data: &Path, more: &[(&str, &Path)]) -> Value {
    let (exited, report) = verify(data, more);
    assert_eq!(exited.code, Some(0), "{}{}", exited.stdout, exited.stderr);
    assert_eq!(report["intact"], true);
    report
}

/// The first problem: its record and what it is.
#[track_caller]
pub(crate) fn problem(what: &str, data: &Path, more: &[(&str, &Path)]) -> (u64, String) {
    let (exited, report) = verify(data, more);
    assert_eq!(exited.code, Some(5), "{what}: {}{}", exited.stdout, exited.stderr);
    assert_eq!(report["intact"], false, "{what}");
    let first = &report["problems"][0];
    (first["seq"].as_u64().unwrap_or(u64::MAX), first["what"].as_str().unwrap().to_owned())
}

pub(crate) fn segment(data: &Path, first_seq: u64) -> PathBuf {
    data.join(format!("audit/seg-{first_seq:020}"))
}

/// Changes what sled holds of a segment, as somebody would who knows the form.
fn change(data: &Path, first_seq: u64, with: impl FnOnce(&sled::Db)) {
    let db = sled::Config::new().path(segment(data, first_seq)).open().unwrap();
    with(&db);
    db.flush().unwrap();
}

fn key(kind: u8, seq: u64) -> Vec<u8> {
    [&[kind][..], &seq.to_be_bytes()].concat()
}

/// A block or a commit, taken apart.
struct Block {
    first_seq: u64,
    min_time: [u8; 8],
    max_time: [u8; 8],
    before: [u8; 32],
    end: [u8; 32],
    positions: Vec<u8>,
    records: Vec<Vec<u8>>,
}

impl Block {
    fn parse(bytes: &[u8]) -> Self {
        let rings = usize::from(u16::from_le_bytes(bytes[2..4].try_into().unwrap()));
        let at = 104 + 8 * (rings + 1);
        let stored = &bytes[at..bytes.len() - 4];
        let raw = if bytes[1] == 0 { stored.to_vec() } else { zstd::bulk::decompress(stored, 1 << 20).unwrap() };
        let (mut records, mut rest) = (Vec::new(), &raw[..]);
        while !rest.is_empty() {
            let length = usize::from(u16::from_le_bytes(rest[..2].try_into().unwrap()));
            records.push(rest[2..2 + length].to_vec());
            rest = &rest[2 + length..];
        }
        Self {
            first_seq: u64::from_le_bytes(bytes[8..16].try_into().unwrap()),
            min_time: bytes[20..28].try_into().unwrap(),
            max_time: bytes[28..36].try_into().unwrap(),
            before: bytes[40..72].try_into().unwrap(),
            end: bytes[72..104].try_into().unwrap(),
            positions: bytes[104..at].to_vec(),
            records,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let raw: Vec<u8> = self
            .records
            .iter()
            .flat_map(|record| [&u16::try_from(record.len()).unwrap().to_le_bytes()[..], record].concat())
            .collect();
        let rings = u16::try_from(self.positions.len() / 8 - 1).unwrap();
        let length = u32::try_from(raw.len()).unwrap().to_le_bytes();
        let mut out = vec![1, 0];
        out.extend(rings.to_le_bytes());
        out.extend(length);
        out.extend(self.first_seq.to_le_bytes());
        out.extend(u32::try_from(self.records.len()).unwrap().to_le_bytes());
        out.extend(self.min_time);
        out.extend(self.max_time);
        out.extend(length);
        out.extend(self.before);
        out.extend(self.end);
        out.extend(&self.positions);
        out.extend(raw);
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    /// Makes the hashes fit what the block says.
    fn chain(&mut self) {
        let mut hash = self.before;
        for (seq, record) in (self.first_seq..).zip(&self.records) {
            hash =
                Sha256::new().chain_update(hash).chain_update(seq.to_be_bytes()).chain_update(record).finalize().into();
        }
        self.end = hash;
    }
}

fn part(number: u8, seq: u64) -> Vec<u8> {
    [key(b'b', seq), vec![number]].concat()
}

fn block(db: &sled::Db, seq: u64) -> Block {
    let mut parts = db.scan_prefix(key(b'b', seq)).map(|part| part.unwrap().1.to_vec());
    let first = parts.next().unwrap();
    let length = u32::from_le_bytes(first[..4].try_into().unwrap()) as usize;
    let mut bytes = first[4..].to_vec();
    parts.for_each(|part| bytes.extend(part));
    bytes.truncate(length);
    Block::parse(&bytes)
}

fn put_block(db: &sled::Db, seq: u64, block: &Block) {
    let bytes = block.bytes();
    let size = 8 * 1024 - 64;
    let (first, rest) = bytes.split_at(bytes.len().min(size - 4));
    db.insert(part(0, seq), [&u32::try_from(bytes.len()).unwrap().to_le_bytes()[..], first].concat()).unwrap();
    for (number, piece) in (1..).zip(rest.chunks(size)) {
        db.insert(part(number, seq), piece).unwrap();
    }
}

/// Makes the hashes over the blocks of a segment fit the blocks, from the start.
fn chain_blocks(db: &sled::Db) {
    let mut hash = [0; 32];
    let summaries: Vec<_> = db.range(key(b's', 0)..=key(b's', u64::MAX)).map(Result::unwrap).collect();
    for (key, value) in summaries {
        let seq = u64::from_be_bytes(key[1..].try_into().unwrap());
        let summary = &value[..value.len() - 32];
        hash = Sha256::new()
            .chain_update(hash)
            .chain_update(block(db, seq).bytes())
            .chain_update(summary)
            .finalize()
            .into();
        db.insert(key, [summary, &hash].concat()).unwrap();
    }
}

/// Another request in a record, without a change of its length: the summary of its block stays what it was.
fn rename(record: &mut [u8]) {
    let at = record.windows(3).position(|window| window == b"req").unwrap();
    record[at..at + 3].copy_from_slice(b"new");
}

/// Writes a tombstone that fits the log: it says that retention has removed this segment, and all before.
pub(crate) fn forge_tombstone(data: &Path, first_seq: u64, signed_by: Option<&SigningKey>) {
    let sealed = fs::read_to_string(segment(data, first_seq).join("SEALED")).unwrap();
    let manifest: Value = serde_json::from_str(&sealed).unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let key = signed_by.map(|key| {
        let public = key.verifying_key().to_bytes();
        serde_json::json!({ "id": hex(&Sha256::digest(public))[..16], "epoch": 1, "public": hex(&public) })
    });
    let statement = serde_json::json!({
        "type": "sidegate.tombstone.v1",
        "first_seq": 1,
        "last_seq": manifest["statement"]["last_seq"],
        "records": manifest["statement"]["last_seq"],
        "end": manifest["statement"]["end"],
        "manifest": hex(&Sha256::digest(sealed.trim_end())),
        "removed_at": "2026-11-20T08:00:00.000000Z",
        "key": key,
    })
    .to_string();
    let signature =
        signed_by.map(|key| format!(r#","signature":"{}""#, hex(&key.sign(statement.as_bytes()).to_bytes())));
    let line = format!("{{\"statement\":{statement}{}}}\n", signature.unwrap_or_default());
    fs::write(data.join("audit/TOMBSTONE"), line).unwrap();
}

/// One way to change a log: its name, the change, the record that must be named, and what must be said of it.
type Tampering = (&'static str, fn(&Path), u64, &'static str);

const TAMPERINGS: &[Tampering] = &[
    (
        "a record is edited",
        |data| {
            change(data, 1, |db| {
                let mut edited = block(db, 129);
                rename(&mut edited.records[20]);
                put_block(db, 129, &edited);
            });
        },
        129,
        "was changed",
    ),
    (
        "a record is edited and its block chained anew",
        |data| {
            change(data, 1, |db| {
                let mut edited = block(db, 129);
                rename(&mut edited.records[20]);
                edited.chain();
                put_block(db, 129, &edited);
            });
        },
        129,
        "the hash over the blocks",
    ),
    (
        "a record is edited and all of its segment's blocks are hashed anew",
        |data| {
            change(data, 1, |db| {
                let mut edited = block(db, 129);
                rename(&mut edited.records[20]);
                edited.chain();
                put_block(db, 129, &edited);
                for seq in [1, 257] {
                    let same = block(db, seq);
                    put_block(db, seq, &same);
                }
                chain_blocks(db);
            });
        },
        257,
        "does not follow the record before",
    ),
    (
        "a record is deleted",
        |data| {
            change(data, 301, |db| {
                let mut edited = block(db, 301);
                edited.records.remove(7);
                put_block(db, 301, &edited);
            });
        },
        301,
        "was changed",
    ),
    (
        "a record is inserted",
        |data| {
            change(data, 301, |db| {
                let mut edited = block(db, 301);
                let copy = edited.records[7].clone();
                edited.records.pop();
                edited.records.insert(3, copy);
                put_block(db, 301, &edited);
            });
        },
        301,
        "was changed",
    ),
    (
        "two records are reordered",
        |data| {
            change(data, 1, |db| {
                let mut edited = block(db, 1);
                edited.records.swap(3, 4);
                put_block(db, 1, &edited);
            });
        },
        1,
        "was changed",
    ),
    (
        "two blocks are reordered",
        |data| {
            change(data, 1, |db| {
                let (first, second) = (block(db, 1), block(db, 129));
                put_block(db, 1, &second);
                put_block(db, 129, &first);
            });
        },
        1,
        "another number than its place",
    ),
    (
        "a block is deleted",
        |data| {
            change(data, 1, |db| {
                db.remove(key(b's', 129)).unwrap();
                db.remove(part(0, 129)).unwrap();
            });
        },
        129,
        "a block is missing",
    ),
    (
        "a summary is edited, so that queries pass over its block",
        |data| {
            change(data, 1, |db| {
                let value = db.get(key(b's', 129)).unwrap().unwrap();
                let (summary, hash) = value.split_at(value.len() - 32);
                let mut summary = summary[..summary.len() - 4].to_vec();
                summary[44..].fill(0);
                summary.extend(crc32fast::hash(&summary).to_le_bytes());
                db.insert(key(b's', 129), [&summary, hash].concat()).unwrap();
            });
        },
        129,
        "summary",
    ),
    (
        "a commit is slipped in front of the block that holds its record",
        |data| {
            change(data, 1, |db| {
                let mut forged = block(db, 1);
                forged.records.truncate(1);
                rename(&mut forged.records[0]);
                forged.chain();
                db.insert(key(b'h', 1), forged.bytes()).unwrap();
            });
        },
        1,
        "says something else than the block",
    ),
    (
        "the tail is cut",
        |data| {
            change(data, 601, |db| {
                for kind in [b'h', b's'] {
                    let last: Vec<_> =
                        db.range(key(kind, 700)..=key(kind, u64::MAX)).map(|entry| entry.unwrap().0).collect();
                    for key in last {
                        drop(db.remove(key).unwrap());
                    }
                }
            });
        },
        729,
        "the log ends with record 728",
    ),
    (
        "two segments are swapped",
        |data| {
            let aside = data.join("audit/aside");
            fs::rename(segment(data, 1), &aside).unwrap();
            fs::rename(segment(data, 301), segment(data, 1)).unwrap();
            fs::rename(aside, segment(data, 301)).unwrap();
        },
        1,
        "its manifest is that of record 301",
    ),
    (
        "a segment is removed",
        |data| fs::remove_dir_all(segment(data, 301)).unwrap(),
        301,
        "records 301 to 600 are missing",
    ),
    (
        "the last segment is removed",
        |data| fs::remove_dir_all(segment(data, 601)).unwrap(),
        601,
        "the log ends with record 600",
    ),
    ("a manifest is removed", |data| fs::remove_file(segment(data, 1).join("SEALED")).unwrap(), 1, "no manifest"),
    (
        "a manifest is edited",
        |data| {
            let path = segment(data, 301).join("SEALED");
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replace("\"last_seq\":600", "\"last_seq\":599")).unwrap();
        },
        301,
        "manifest",
    ),
    (
        "where a segment begins is edited",
        |data| {
            let path = segment(data, 301).join("ORIGIN");
            let mut bytes = fs::read(&path).unwrap();
            bytes[20] ^= 1;
            fs::write(&path, bytes).unwrap();
        },
        301,
        "begins",
    ),
    (
        "the anchor is edited",
        |data| {
            let path = data.join("audit/HEAD");
            let mut bytes = fs::read(&path).unwrap();
            for slot in [0, 4096] {
                if let Some(slot) = bytes.get_mut(slot..slot + 64) {
                    slot[40] ^= 1;
                    let checksum = crc32fast::hash(&slot[8..]).to_le_bytes();
                    slot[4..8].copy_from_slice(&checksum);
                }
            }
            fs::write(&path, bytes).unwrap();
        },
        900,
        "`HEAD` has another hash",
    ),
    ("the anchor is overwritten", |data| fs::write(data.join("audit/HEAD"), [7; 4200]).unwrap(), u64::MAX, "`HEAD`"),
    ("the anchor is removed", |data| fs::remove_file(data.join("audit/HEAD")).unwrap(), u64::MAX, "`HEAD` is missing"),
    (
        "the anchor is overwritten with zeros",
        |data| {
            let path = data.join("audit/HEAD");
            let length = fs::read(&path).unwrap().len();
            fs::write(&path, vec![0; length]).unwrap();
        },
        u64::MAX,
        "`HEAD` is not as it was written",
    ),
    (
        "the anchor is emptied",
        |data| fs::write(data.join("audit/HEAD"), "").unwrap(),
        u64::MAX,
        "`HEAD` says nothing of the log",
    ),
    (
        "a segment is taken away, and a tombstone says that retention has removed it",
        |data| {
            forge_tombstone(data, 1, None);
            fs::remove_dir_all(segment(data, 1)).unwrap();
        },
        1,
        "the tombstone is not signed",
    ),
    (
        "a tombstone says that a segment goes with the next start",
        |data| forge_tombstone(data, 1, None),
        1,
        "the tombstone is not signed",
    ),
    (
        "a segment is removed, and the gap is noted as one that the log has a record of",
        |data| {
            fs::remove_dir_all(segment(data, 301)).unwrap();
            let gap = serde_json::json!([{ "first_seq": 301, "last_seq": 600, "why": "moved", "kept_as": null }]);
            fs::write(data.join("audit/GAPS"), gap.to_string()).unwrap();
        },
        301,
        "records 301 to 600 are missing: moved",
    ),
    (
        "the note of the key is overwritten",
        |data| fs::write(data.join("audit/KEY"), "[]").unwrap(),
        u64::MAX,
        "`KEY` is not as it was written",
    ),
    (
        "the note of the key names another key",
        |data| {
            let path = data.join("audit/KEY");
            let mut note: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            note["id"] = "0123456789abcdef".into();
            fs::write(&path, note.to_string()).unwrap();
        },
        u64::MAX,
        "`KEY` names another key",
    ),
    (
        "sled's file is cut short",
        |data| {
            let file = fs::OpenOptions::new().write(true).open(segment(data, 301).join("db")).unwrap();
            file.set_len(0).unwrap();
            for entry in fs::read_dir(segment(data, 301)).unwrap() {
                let path = entry.unwrap().path();
                if path.file_name().unwrap().to_string_lossy().starts_with("snap") {
                    fs::remove_file(path).unwrap();
                }
            }
        },
        301,
        "the segment ends with record 300",
    ),
];

#[test]
fn whatever_is_changed_is_found_and_the_first_bad_record_is_named() {
    let keys = keys(1);
    let base = tempfile::tempdir().unwrap();
    let original = base.path().join("original");
    log(&original, &Options { signing_key: Some(keys.private.clone()), ..Options::new("") }, "user");
    let report = intact(&original, &[("--public-key", &keys.public)]);
    assert_eq!((report["records"].as_u64(), report["last_seq"].as_u64()), (Some(900), Some(900)));
    assert_eq!((report["manifests"].as_u64(), report["signed"].as_u64()), (Some(2), Some(2)));
    for (what, tamper, seq, said) in TAMPERINGS {
        let data = base.path().join("changed");
        copy(&original, &data);
        tamper(&data);
        let (first, why) = problem(what, &data, &[]);
        assert_eq!(first, *seq, "{what}: {why}");
        assert!(why.contains(said), "{what}: {why}");
        fs::remove_dir_all(&data).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn a_log_that_was_written_anew_is_told_by_its_key_or_by_a_checkpoint_from_elsewhere_only() {
    let (own, other) = (keys(1), keys(2));
    let base = tempfile::tempdir().unwrap();
    let (data, forged, checkpoints) =
        (base.path().join("own"), base.path().join("forged"), base.path().join("checkpoints"));
    let to_file = Checkpoints { file: Some(checkpoints.clone()), ..Checkpoints::default() };
    log(&data, &Options { signing_key: Some(own.private.clone()), checkpoints: to_file, ..Options::new("") }, "user");
    log(&forged, &Options { signing_key: Some(other.private.clone()), ..Options::new("") }, "evil");
    let (checkpoint, public) = (("--checkpoint", &*checkpoints), ("--public-key", &*own.public));
    let report = intact(&data, &[checkpoint, public]);
    assert!(report["checkpoints"].as_u64().unwrap() >= 3, "{report}");

    // Whole in itself: nothing in the directory can say that it is not the one.
    intact(&forged, &[]);
    let (seq, what) = problem("another key", &forged, &[public]);
    assert!(seq == 1 && what.contains("which is not trusted"), "{seq} {what}");
    let (seq, what) = problem("a checkpoint", &forged, &[checkpoint]);
    assert!(seq == 300 && what.contains("the checkpoint in line 1 has another hash"), "{seq} {what}");
    // Both logs' checkpoints end at the same number; of a log that was cut they name more than there is.
    fs::remove_dir_all(segment(&data, 601)).unwrap();
    fs::remove_file(data.join("audit/HEAD")).unwrap();
    let (seq, what) = problem("a cut", &data, &[checkpoint]);
    assert!(seq == 601 && what.contains("the log ends with record 600"), "{seq} {what}");

    // Without its signatures the forged log is not trusted either, nor is a log that was never signed.
    let unsigned = base.path().join("unsigned");
    log(&unsigned, &Options::new(""), "evil");
    intact(&unsigned, &[]);
    let (_, what) = problem("no signature", &unsigned, &[public]);
    assert_eq!(what, "nothing of the log is signed");
    // A segment's manifest that another key has signed, in the middle of the log.
    let mixed = base.path().join("mixed");
    log(&mixed, &Options { signing_key: Some(own.private.clone()), ..Options::new("") }, "user");
    fs::copy(segment(&forged, 301).join("SEALED"), segment(&mixed, 301).join("SEALED")).unwrap();
    let (seq, what) = problem("a foreign manifest", &mixed, &[]);
    assert!(seq == 301 && what.contains("another key"), "{seq} {what}");
}

#[test]
fn a_log_that_goes_on_with_another_key_is_verified_with_both() {
    let (old, new) = (keys(1), keys(2));
    let data = tempfile::tempdir().unwrap();
    for (key, count) in [(&old, 5), (&new, 5)] {
        for segment_bytes in [u64::MAX, 1] {
            let options =
                Options { signing_key: Some(key.private.clone()), segment_bytes, ..Options::new(data.path()) };
            let log = Log::open(options).unwrap();
            for _ in 0..count {
                log.append(&entry("sam", "")).unwrap();
            }
            log.close().unwrap();
        }
    }
    intact(data.path(), &[]);
    let both = data.path().join("both.pub");
    fs::write(&both, [fs::read(&old.public).unwrap(), fs::read(&new.public).unwrap()].concat()).unwrap();
    let report = intact(data.path(), &[("--public-key", &both)]);
    assert_eq!(report["keys"].as_array().unwrap().len(), 2);
    let (_, what) = problem("the old key", data.path(), &[("--public-key", &new.public)]);
    assert!(what.contains("which is not trusted"), "{what}");
}

#[test]
fn another_key_closes_the_segment_of_the_one_before_and_begins_an_epoch() {
    let base = tempfile::tempdir().unwrap();
    let (data, checkpoints) = (base.path().join("data"), base.path().join("checkpoints"));
    let own = [keys(1), keys(2), keys(3)];
    // No segment is ever full, and the second key comes twice.
    for key in [&own[0], &own[1], &own[1], &own[2]] {
        let file = Checkpoints { file: Some(checkpoints.clone()), ..Checkpoints::default() };
        let options = Options { signing_key: Some(key.private.clone()), checkpoints: file, ..Options::new(&data) };
        let log = Log::open(options).unwrap();
        log.append(&entry("sam", "")).unwrap();
        log.close().unwrap();
    }
    let epochs = |text: &str| -> Vec<(String, u64)> {
        let statements = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let key = |line: Value| line["statement"]["key"].clone();
        let mut found: Vec<_> = statements
            .map(key)
            .map(|key| (key["id"].as_str().unwrap().to_owned(), key["epoch"].as_u64().unwrap()))
            .collect();
        found.dedup();
        found
    };
    let signed = epochs(&fs::read_to_string(&checkpoints).unwrap());
    assert_eq!(signed.iter().map(|(_, epoch)| *epoch).collect::<Vec<_>>(), [1, 2, 3], "{signed:?}");
    let report = intact(&data, &[("--checkpoint", &checkpoints)]);
    assert_eq!((report["segments"].as_u64(), report["signed"].as_u64()), (Some(3), Some(2)), "{report}");
    let closed = fs::read_to_string(segment(&data, 1).join("SEALED")).unwrap();
    assert_eq!(epochs(&closed), signed[1..2], "the first segment was closed by the second key");
}

#[test]
fn what_is_wrong_with_every_manifest_is_told_once() {
    let (own, other) = (keys(1), keys(2));
    let data = tempfile::tempdir().unwrap();
    log(data.path(), &Options { signing_key: Some(own.private.clone()), ..Options::new("") }, "user");
    let (_, report) = verify(data.path(), &[("--public-key", &other.public)]);
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{report}");
    let what = problems[0]["what"].as_str().unwrap();
    assert!(problems[0]["seq"] == 1 && what.ends_with("which is not trusted; the same holds for 1 more"), "{what}");
}

#[test]
fn a_checkpoint_of_a_record_that_cannot_be_read_is_not_held_against_another_record() {
    let base = tempfile::tempdir().unwrap();
    let (data, checkpoints) = (base.path().join("data"), base.path().join("checkpoints"));
    let file = Checkpoints { file: Some(checkpoints.clone()), ..Checkpoints::default() };
    log(&data, &Options { checkpoints: file, ..Options::new("") }, "user");
    let text = fs::read_to_string(&checkpoints).unwrap();
    let named = |seq: u64| text.lines().filter(|line| line.contains(&format!("\"seq\":{seq},"))).count();
    assert!(named(300) > 0 && named(600) > 0 && named(900) > 0, "{text}");
    let path = segment(&data, 301);
    for entry in fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()) {
        let name = entry.file_name().unwrap().to_str().unwrap().to_owned();
        if name == "db" || name.starts_with("snap") {
            fs::write(entry, "").unwrap();
        }
    }
    let (exited, report) = verify(&data, &[("--checkpoint", &checkpoints)]);
    assert_eq!(exited.code, Some(5));
    let problems = report["problems"].as_array().unwrap();
    assert!(problems.iter().all(|problem| problem["segment"] == "seg-00000000000000000301"), "{report}");
    let unread = |note: &Value| note.as_str().unwrap().ends_with("names record 600, which cannot be read");
    assert_eq!(
        report["warnings"].as_array().unwrap().iter().filter(|note| unread(note)).count(),
        named(600),
        "{report}"
    );
}

#[test]
fn summaries_that_say_something_else_than_their_blocks_are_found() {
    let data = tempfile::tempdir().unwrap();
    log(data.path(), &Options::new(""), "user");
    let path = segment(data.path(), 301).join("SUMMARIES");
    let running = Log::open(Options::new(data.path())).unwrap();
    crate::support::wait_for("the summaries are written", std::time::Duration::from_secs(20), || path.exists());
    running.close().unwrap();
    drop(running);
    let whole = fs::read(&path).unwrap();
    intact(data.path(), &[]);
    // As a disk damages it: queries notice and go without.
    let mut damaged = whole.clone();
    damaged[200] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let report = intact(data.path(), &[]);
    assert!(report["warnings"][0].as_str().unwrap().contains("`SUMMARIES` of the segment of record 301"), "{report}");
    // As somebody who knows the form hides records from queries: the first summary's filter says that there is nothing in it.
    let mut forged = whole;
    let log2 = u32::from(forged[65 + 3]);
    let filter = 65 + 40..65 + 40 + (1_usize << (log2 - 3));
    forged[filter.clone()].fill(0);
    let checksum = crc32fast::hash(&forged[65..filter.end]).to_le_bytes();
    forged[filter.end..filter.end + 4].copy_from_slice(&checksum);
    fs::write(&path, &forged).unwrap();
    let (seq, what) = problem("a forged filter", data.path(), &[]);
    assert!(seq == 301 && what.contains("`SUMMARIES`"), "{seq} {what}");
}

#[test]
fn a_tombstone_with_a_later_key_is_no_fault_of_the_segments_that_are_left() {
    let (old, new) = (keys(1), keys(2));
    let base = tempfile::tempdir().unwrap();
    let data = base.path().join("data");
    let signed_by = |keys: &Keys| Options { signing_key: Some(keys.private.clone()), ..Options::new(&data) };
    log(&data, &signed_by(&old), "user");
    let retention = Retention { age: None, bytes: Some(1), hold: Hold::FromSeq(301) };
    let log = Log::open(Options { retention, ..signed_by(&new) }).unwrap();
    log.append(&entry("sam", "")).unwrap();
    log.settle().unwrap();
    crate::support::wait_for("the first segment is gone", std::time::Duration::from_secs(20), || {
        crate::audit::all(&log.reader())[0].0 == 301
    });
    log.close().unwrap();
    let both = base.path().join("both.pub");
    fs::write(&both, [fs::read(&old.public).unwrap(), fs::read(&new.public).unwrap()].concat()).unwrap();
    intact(&data, &[]);
    intact(&data, &[("--public-key", &both)]);
    let (_, what) = problem("the new key alone", &data, &[("--public-key", &new.public)]);
    assert!(what.contains("its manifest") && what.contains("which is not trusted"), "{what}");
}

#[test]
fn what_retention_has_removed_leaves_a_chain_that_can_be_verified() {
    let keys = keys(1);
    let base = tempfile::tempdir().unwrap();
    let data = base.path().join("data");
    let options = Options { signing_key: Some(keys.private.clone()), ..Options::new(&data) };
    log(&data, &options, "user");
    let before = Log::open(options.clone()).unwrap().stats().store_bytes;
    let removing = |hold, first_seq: u64| {
        let retention = Retention { age: None, bytes: Some(1), hold };
        let log = Log::open(Options { retention, ..options.clone() }).unwrap();
        log.append(&entry("sam", "")).unwrap();
        log.settle().unwrap();
        crate::support::wait_for("the log begins where it should", std::time::Duration::from_secs(20), || {
            crate::audit::all(&log.reader())[0].0 == first_seq
        });
        let bytes = log.stats().store_bytes;
        log.close().unwrap();
        bytes
    };
    removing(Hold::Everything, 1);
    removing(Hold::FromSeq(301), 301);
    assert!(!segment(&data, 1).exists() && segment(&data, 301).exists());
    let bytes = removing(Hold::Nothing, 601);
    assert!(bytes * 2 < before, "{bytes} of {before} bytes are left");
    let report = intact(&data, &[("--public-key", &keys.public)]);
    assert_eq!((report["removed"]["first_seq"].as_u64(), report["removed"]["last_seq"].as_u64()), (Some(1), Some(600)));
    assert_eq!(report["first_seq"], 601);

    let tombstone = data.join("audit/TOMBSTONE");
    let text = fs::read_to_string(&tombstone).unwrap();
    fs::write(&tombstone, text.replace("\"last_seq\":600", "\"last_seq\":500")).unwrap();
    let (_, what) = problem("an edited tombstone", &data, &[]);
    assert!(what.contains("the tombstone: its signature"), "{what}");
    fs::remove_file(&tombstone).unwrap();
    let (seq, what) = problem("no tombstone", &data, &[]);
    assert!(seq == 1 && what.contains("records 1 to 600 are missing"), "{seq} {what}");
}

#[test]
fn what_cannot_be_verified_is_no_verdict() {
    let data = tempfile::tempdir().unwrap();
    let (exited, _) = verify(data.path(), &[]);
    assert_eq!(exited.code, Some(1), "{}", exited.stderr);
    assert!(exited.stderr.contains("there is no audit log in"), "{}", exited.stderr);
    let log = Log::open(Options::new(data.path())).unwrap();
    log.append(&entry("sam", "")).unwrap();
    log.close().unwrap();
    drop(log);
    for flag in ["--public-key", "--checkpoint"] {
        let (exited, _) = verify(data.path(), &[(flag, Path::new("/no/such/file"))]);
        assert_eq!(exited.code, Some(64), "{}", exited.stderr);
    }
    let exited = sidegate(["audit", "verify", "--data", data.path().to_str().unwrap()]);
    assert!(exited.stdout.contains("verdict      intact\n"), "{}", exited.stdout);
}

#[test]
fn a_key_that_others_can_read_or_that_is_none_stops_the_start() {
    let keys = keys(1);
    let data = tempfile::tempdir().unwrap();
    let open = || Log::open(Options { signing_key: Some(keys.private.clone()), ..Options::new(data.path()) });
    for mode in [0o660, 0o604] {
        fs::set_permissions(&keys.private, fs::Permissions::from_mode(mode)).unwrap();
        let error = std::error::Error::source(&open().unwrap_err()).unwrap().to_string();
        assert!(error.contains("can be read by others"), "{error}");
    }
    fs::set_permissions(&keys.private, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&keys.private, fs::read(&keys.public).unwrap()).unwrap();
    let error = std::error::Error::source(&open().unwrap_err()).unwrap().to_string();
    assert!(error.contains("does not hold an Ed25519 private key"), "{error}");
    assert!(!data.path().join("audit").exists(), "nothing was begun");
}
