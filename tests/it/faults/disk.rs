//! A file system that keeps of a trace what a disk may keep when the power fails.
//!
//! What a sync has covered is kept. Of the rest, per file and per directory: nothing, all, the calls up to some moment with the last one
//! torn, any of the calls, or any of their sectors. A name is kept once its directory was synced, and may be kept
//! before; the names of one directory change one by one. A call that moves a name within a directory is kept as a whole or not at all.
//! A sync that has failed covers nothing. On a forgetful disk (`SIDEGATE_FORGETFUL=1`) no later one covers it either: what it should have
//! covered may be lost for good. The log does not hold yet on such a disk, so that is not the default.

use super::trace::{Event, Trace};
use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

const SECTOR: u64 = 512;

/// Directories and files as the processes see them, and what of it is sure to be on the disk.
#[derive(Debug)]
pub struct Disk<'t> {
    trace: &'t Trace,
    nodes: Vec<Node>,
    // What an open file or directory is, by its handle.
    open: HashMap<u64, usize>,
    is_forgetful: bool,
}

#[derive(Debug)]
enum Node {
    File(FileNode),
    Directory(DirectoryNode),
}

#[derive(Debug, Default)]
struct FileNode {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// A change of a file that no sync has covered.
#[derive(Debug, Clone)]
struct Change {
    what: What,
    // A sync has failed to cover it: no later one will.
    doubtful: bool,
}

#[derive(Debug, Clone)]
enum What {
    Write { at: u64, data: Range<usize> },
    Truncate(u64),
    Allocate(u64),
}

#[derive(Debug, Default)]
struct DirectoryNode {
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    pending: Vec<NameChange>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Add(String, usize),
    Remove(String),
    Move(String, String, usize),
}

/// What a disk keeps of what no sync has covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// All.
    All,
    /// What was done up to some moment; a write at that moment is torn.
    Prefix,
    /// Any of the calls.
    Calls,
    /// Any of the sectors.
    Sectors,
}

impl Keep {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Nothing, Self::All, Self::Prefix, Self::Calls, Self::Sectors];
}

impl<'t> Disk<'t> {
    /// An empty directory, whose files will have the contents that the trace holds.
    pub fn new(trace: &'t Trace) -> Self {
        Self {
            trace,
            nodes: vec![Node::Directory(DirectoryNode::default())],
            open: HashMap::new(),
            is_forgetful: super::number("SIDEGATE_FORGETFUL") == Some(1),
        }
    }

    /// An event takes effect.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Open { handle, path } => {
                let node = self.find(path).unwrap_or_else(|| panic!("`{path}` is opened and was never made"));
                self.open.insert(*handle, node);
            }
            Event::Create { handle, path } => {
                let node = self.add(path, Node::File(FileNode::default()));
                self.open.insert(*handle, node);
            }
            Event::MakeDirectory { path } => drop(self.add(path, Node::Directory(DirectoryNode::default()))),
            Event::Write { handle, at, data } => self.change(*handle, What::Write { at: *at, data: data.clone() }),
            Event::Truncate { handle, length } => self.change(*handle, What::Truncate(*length)),
            Event::Allocate { handle, length } => self.change(*handle, What::Allocate(*length)),
            Event::Sync { handle } => self.sync(*handle),
            Event::SyncFailed { handle } if self.is_forgetful => self.fail_sync(*handle),
            Event::Rename { from, to } => self.rename(from, to),
            Event::Link { from, to } => self.link(from, to),
            Event::Unlink { path } | Event::RemoveDirectory { path } => self.remove(path),
            Event::SyncFailed { .. } | Event::Acknowledge { .. } => {}
        }
    }

    /// Writes into an empty directory what the disk holds after a loss of power.
    pub fn write_to(&self, target: &Path, keep: Keep, random: &mut fastrand::Rng) {
        self.write_directory(0, target, keep, random, &mut HashMap::new());
    }

    /// `written` says where each file is that has a name already: under another name it is the same.
    fn write_directory(
        &self,
        node: usize,
        target: &Path,
        keep: Keep,
        random: &mut fastrand::Rng,
        written: &mut HashMap<usize, PathBuf>,
    ) {
        for (name, node) in self.directory(node).kept(keep, random) {
            let path = target.join(name);
            match &self.nodes[node] {
                Node::Directory(_) => {
                    fs::create_dir(&path).expect("a fresh directory");
                    self.write_directory(node, &path, keep, random, written);
                }
                Node::File(file) => match written.entry(node) {
                    Entry::Occupied(first) => fs::hard_link(first.get(), &path).expect("a fresh name"),
                    Entry::Vacant(first) => {
                        fs::write(&path, file.kept(self.trace, keep, random)).expect("a fresh file");
                        first.insert(path);
                    }
                },
            }
        }
    }

    fn directory(&self, node: usize) -> &DirectoryNode {
        match &self.nodes[node] {
            Node::Directory(directory) => directory,
            Node::File(_) => panic!("a file is used as a directory"),
        }
    }

    fn directory_mut(&mut self, node: usize) -> &mut DirectoryNode {
        match &mut self.nodes[node] {
            Node::Directory(directory) => directory,
            Node::File(_) => panic!("a file is used as a directory"),
        }
    }

    fn find(&self, path: &str) -> Option<usize> {
        path.split('/')
            .filter(|name| !name.is_empty())
            .try_fold(0, |node, name| self.directory(node).live.get(name).copied())
    }

    /// The directory that a path is in, and its last name.
    fn parent<'p>(&self, path: &'p str) -> (usize, &'p str) {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        (self.find(parent).unwrap_or_else(|| panic!("`{parent}` was never made")), name)
    }

    fn add(&mut self, path: &str, node: Node) -> usize {
        let (parent, name) = self.parent(path);
        self.nodes.push(node);
        let node = self.nodes.len() - 1;
        let directory = self.directory_mut(parent);
        directory.live.insert(name.to_owned(), node);
        directory.pending.push(NameChange::Add(name.to_owned(), node));
        node
    }

    fn remove(&mut self, path: &str) {
        let (parent, name) = self.parent(path);
        let directory = self.directory_mut(parent);
        directory.live.remove(name).unwrap_or_else(|| panic!("`{path}` is removed and was never made"));
        directory.pending.push(NameChange::Remove(name.to_owned()));
    }

    fn link(&mut self, from: &str, to: &str) {
        let node = self.find(from).unwrap_or_else(|| panic!("`{from}` is linked and was never made"));
        let (parent, name) = self.parent(to);
        let directory = self.directory_mut(parent);
        directory.live.insert(name.to_owned(), node);
        directory.pending.push(NameChange::Add(name.to_owned(), node));
    }

    fn rename(&mut self, from: &str, to: &str) {
        let ((from_parent, from_name), (to_parent, to_name)) = (self.parent(from), self.parent(to));
        let source = self.directory_mut(from_parent);
        let node = source.live.remove(from_name).unwrap_or_else(|| panic!("`{from}` is renamed and was never made"));
        if from_parent == to_parent {
            source.live.insert(to_name.to_owned(), node);
            source.pending.push(NameChange::Move(from_name.to_owned(), to_name.to_owned(), node));
            return;
        }
        source.pending.push(NameChange::Remove(from_name.to_owned()));
        let target = self.directory_mut(to_parent);
        target.live.insert(to_name.to_owned(), node);
        target.pending.push(NameChange::Add(to_name.to_owned(), node));
    }

    fn change(&mut self, handle: u64, what: What) {
        match &mut self.nodes[self.open[&handle]] {
            Node::File(file) => file.pending.push(Change { what, doubtful: false }),
            Node::Directory(_) => panic!("a directory is written to"),
        }
    }

    fn sync(&mut self, handle: u64) {
        match &mut self.nodes[self.open[&handle]] {
            Node::File(file) => file.sync(self.trace),
            Node::Directory(directory) => {
                directory.durable.clone_from(&directory.live);
                directory.pending.clear();
            }
        }
    }

    fn fail_sync(&mut self, handle: u64) {
        if let Node::File(file) = &mut self.nodes[self.open[&handle]] {
            file.doubt();
        }
    }
}

impl FileNode {
    fn sync(&mut self, trace: &Trace) {
        let (doubtful, sure): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.pending).into_iter().partition(|change| change.doubtful);
        for change in &sure {
            change.what.apply(&mut self.durable, trace);
        }
        // What was written again is no longer in doubt.
        let rewritten = |doubt: &Change| sure.iter().any(|change| change.what.covers(&doubt.what));
        self.pending = doubtful.into_iter().filter(|doubt| !rewritten(doubt)).collect();
    }

    /// In pieces, so that each can be lost by itself.
    fn doubt(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        self.pending = pending
            .iter()
            .flat_map(|change| change.what.sectors())
            .map(|what| Change { what, doubtful: true })
            .collect();
    }

    fn kept(&self, trace: &Trace, keep: Keep, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        match keep {
            Keep::Nothing => {}
            Keep::All => self.pending.iter().for_each(|change| change.what.apply(&mut bytes, trace)),
            Keep::Calls => {
                for change in self.pending.iter().filter(|_| random.bool()) {
                    change.what.apply(&mut bytes, trace);
                }
            }
            Keep::Sectors => {
                for what in self.pending.iter().flat_map(|change| change.what.sectors()).filter(|_| random.bool()) {
                    what.apply(&mut bytes, trace);
                }
            }
            Keep::Prefix => {
                let count = random.usize(..=self.pending.len());
                self.pending[..count].iter().for_each(|change| change.what.apply(&mut bytes, trace));
                let torn = self.pending.get(count).map_or_else(Vec::new, |change| change.what.sectors());
                let whole = random.usize(..=torn.len());
                torn[..whole].iter().for_each(|what| what.apply(&mut bytes, trace));
            }
        }
        // The length may be on the disk before what lies below it.
        let longest = self.pending.iter().map(|change| change.what.end()).max().unwrap_or(0) as usize;
        if keep != Keep::Nothing && longest > bytes.len() && random.u8(..4) == 0 {
            bytes.resize(longest, 0);
        }
        bytes
    }
}

impl What {
    fn apply(&self, bytes: &mut Vec<u8>, trace: &Trace) {
        match self {
            Self::Write { at, data } => {
                let (at, data) = (*at as usize, trace.data(data));
                if bytes.len() < at + data.len() {
                    bytes.resize(at + data.len(), 0);
                }
                bytes[at..at + data.len()].copy_from_slice(data);
            }
            Self::Truncate(length) => bytes.resize(*length as usize, 0),
            Self::Allocate(length) => bytes.resize(bytes.len().max(*length as usize), 0),
        }
    }

    fn end(&self) -> u64 {
        match self {
            Self::Write { at, data } => at + data.len() as u64,
            Self::Truncate(length) | Self::Allocate(length) => *length,
        }
    }

    /// The parts of a write that a disk writes as a whole.
    fn sectors(&self) -> Vec<Self> {
        let Self::Write { at, data } = self else { return vec![self.clone()] };
        let (mut parts, mut at, mut data) = (Vec::new(), *at, data.clone());
        while !data.is_empty() {
            let length = (SECTOR - at % SECTOR).min(data.len() as u64);
            let part = data.start..data.start + length as usize;
            data.start = part.end;
            parts.push(Self::Write { at, data: part });
            at += length;
        }
        parts
    }

    /// Whether nothing is left of another change after this one.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Write { at, .. }, Self::Write { at: begin, .. }) => at <= begin && other.end() <= self.end(),
            (Self::Truncate(length), Self::Write { at, .. }) => at >= length,
            _ => false,
        }
    }
}

impl DirectoryNode {
    fn kept(&self, keep: Keep, random: &mut fastrand::Rng) -> BTreeMap<String, usize> {
        let mut names = self.durable.clone();
        let prefix = match keep {
            Keep::Nothing => 0,
            Keep::Prefix => random.usize(..=self.pending.len()),
            Keep::All | Keep::Calls | Keep::Sectors => self.pending.len(),
        };
        let any = matches!(keep, Keep::Calls | Keep::Sectors);
        for change in self.pending[..prefix].iter().filter(|_| !any || random.bool()) {
            change.apply(&mut names);
        }
        names
    }
}

impl NameChange {
    /// Where what it changes is not there, for want of an earlier change, it does what it can.
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Add(name, node) => drop(names.insert(name.clone(), *node)),
            Self::Remove(name) => drop(names.remove(name)),
            Self::Move(from, to, node) => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}
