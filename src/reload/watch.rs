//! File events, as hints that something changed. Nothing is concluded from what an event says.

use super::{
    cause::Slot,
    places::{self, Places},
};
use arc_swap::ArcSwap;
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Watches a policy directory and all that leads to it.
#[derive(Debug)]
pub(super) struct Watcher {
    events: RecommendedWatcher,
    root: PathBuf,
    places: Arc<ArcSwap<Places>>,
    // Which inode each watch sits on: a directory that was made again needs a new one.
    armed: BTreeMap<PathBuf, Inode>,
}

/// What came of arming.
#[derive(Debug, Default)]
pub(super) struct Armed {
    /// A directory is watched that was not before: what happened to it until now was not heard.
    pub(super) grown: bool,
    /// The first failure. What could be watched is watched nevertheless.
    pub(super) failure: Option<notify::Error>,
}

type Inode = (u64, u64);

impl Watcher {
    /// A watcher that is not armed yet; what it hears goes to `slot`.
    pub(super) fn new(root: &Path, slot: Arc<Slot>) -> notify::Result<Self> {
        let places = Arc::new(ArcSwap::from_pointee(Places::new()));
        let of_interest = Arc::clone(&places);
        let hear = move |event: notify::Result<Event>| {
            // An error, like an overflow, means that events were lost: look.
            if event.map_or(true, |event| says_change(&event, &of_interest.load())) {
                slot.changed();
            }
        };
        let watcher = RecommendedWatcher::new(hear, Config::default())?;
        Ok(Self { events: watcher, root: root.to_owned(), places, armed: BTreeMap::new() })
    }

    /// Brings the watches in line with the directories as they are now.
    pub(super) fn arm(&mut self) -> Armed {
        let wanted = Arc::new(places::places(&self.root));
        self.places.store(Arc::clone(&wanted));
        let inodes: BTreeMap<PathBuf, Inode> =
            wanted.keys().filter_map(|directory| Some((directory.clone(), inode(directory)?))).collect();
        let events = &mut self.events;
        self.armed.retain(|directory, at| {
            let keep = inodes.get(directory) == Some(at);
            if !keep {
                // The watch may be gone with its directory already.
                drop(events.unwatch(directory));
            }
            keep
        });
        let mut result = Armed::default();
        for (directory, at) in inodes {
            if self.armed.contains_key(&directory) {
                continue;
            }
            match self.events.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.armed.insert(directory, at);
                    result.grown = true;
                }
                Err(error) => result.failure = result.failure.or(Some(error)),
            }
        }
        result
    }
}

/// Reading the files raises events too; only what changes something counts.
fn says_change(event: &Event, places: &Places) -> bool {
    let is_change = !matches!(event.kind, EventKind::Access(_));
    event.need_rescan()
        || (is_change && (event.paths.is_empty() || event.paths.iter().any(|path| places::concerns(places, path))))
}

fn inode(directory: &Path) -> Option<Inode> {
    fs::metadata(directory).ok().map(|meta| (meta.dev(), meta.ino()))
}
