//! What the shim has noted: the calls of one or several processes, one after the other, in the order in which they took effect.

use std::{ops::Range, path::Path};

/// Bytes of a record before its path.
const HEAD: usize = 32;

/// A trace in memory.
#[derive(Debug)]
pub struct Trace {
    bytes: Vec<u8>,
    pub events: Vec<Event>,
}

/// What took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file or directory was opened, and is named by this number from here on.
    Open { handle: u64, path: String },
    /// The same for a file that was not there.
    Create { handle: u64, path: String },
    /// Bytes were written. Those of a memory-mapped file show as written some time after they were stored.
    Write { handle: u64, at: u64, data: Range<usize> },
    /// A file has this length now.
    Truncate { handle: u64, length: u64 },
    /// A file has this length at least.
    Allocate { handle: u64, length: u64 },
    /// All written so far is on the disk.
    Sync { handle: u64 },
    /// It may be on the disk or not, and will not get there by a later sync.
    SyncFailed { handle: u64 },
    /// A name was changed, and has replaced what was there.
    Rename { from: String, to: String },
    /// A file was given one more name.
    Link { from: String, to: String },
    /// A file's name was removed.
    Unlink { path: String },
    /// A directory was made.
    MakeDirectory { path: String },
    /// A directory was removed.
    RemoveDirectory { path: String },
    /// Something was promised.
    Acknowledge { data: Range<usize> },
}

impl Trace {
    /// Reads a trace. A process that was killed may have left the last record unfinished.
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).expect("a trace");
        let (mut events, mut at) = (Vec::new(), 0);
        while let Some(head) = bytes.get(at..at + HEAD) {
            let number = |from: usize| u64::from_ne_bytes(head[from..from + 8].try_into().expect("8 bytes"));
            let (op, path_bytes) = (number(0) as u32, (number(0) >> 32) as usize);
            let (handle, offset, data_bytes) = (number(8), number(16), number(24) as usize);
            let path = at + HEAD..at + HEAD + path_bytes;
            let data = path.end..path.end + data_bytes;
            at = data.end;
            let (Some(path), Some(_)) = (bytes.get(path), bytes.get(data.clone())) else { break };
            let path = String::from_utf8(path.to_vec()).expect("paths are UTF-8");
            events.push(match op {
                0 => Event::Open { handle, path },
                1 => Event::Create { handle, path },
                2 | 12 => Event::Write { handle, at: offset, data },
                3 => Event::Truncate { handle, length: offset },
                4 => Event::Allocate { handle, length: offset },
                5 => Event::Sync { handle },
                7 => Event::Rename { from: path, to: String::from_utf8(bytes[data].to_vec()).expect("UTF-8") },
                8 => Event::Unlink { path },
                9 => Event::MakeDirectory { path },
                10 => Event::RemoveDirectory { path },
                11 => Event::Acknowledge { data },
                13 => Event::SyncFailed { handle },
                14 => Event::Link { from: path, to: String::from_utf8(bytes[data].to_vec()).expect("UTF-8") },
                other => panic!("the shim notes no call {other}"),
            });
        }
        Self { bytes, events }
    }

    /// The bytes of an event.
    pub fn data(&self, range: &Range<usize>) -> &[u8] {
        &self.bytes[range.clone()]
    }
}
