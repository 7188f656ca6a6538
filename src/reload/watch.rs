//! File events, as hints that something changed. Nothing is concluded from what an event says.

use super::{
    Cause,
    cause::Slot,
    places::{self, Places},
    workshop::Workshop,
};
use crate::telemetry::events;
use arc_swap::ArcSwap;
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

/// Keeps the watches of one loop in place.
#[derive(Debug)]
pub(super) struct Watch {
    roots: Arc<[PathBuf]>,
    slot: Arc<Slot>,
    watcher: Option<Watcher>,
    told_of_failure: bool,
}

impl Watch {
    /// Nothing is watched yet; what is heard will go to `slot`.
    pub(super) fn new(root: &Path, slot: Arc<Slot>) -> Self {
        Self::of_several([root.to_owned()].into(), slot)
    }

    /// The same for several directories or files.
    pub(super) fn of_several(roots: Arc<[PathBuf]>, slot: Arc<Slot>) -> Self {
        Self { roots, slot, watcher: None, told_of_failure: false }
    }

    /// Brings the watches in line with the directories, or ends them where they are not wanted. Whatever changed before they were
    /// in place is looked for. Whether events are heard.
    pub(super) async fn arm(&mut self, wanted: bool, workshop: &Workshop) -> bool {
        if !wanted {
            self.watcher = None;
            return false;
        }
        let (roots, slot, watcher) = (Arc::clone(&self.roots), Arc::clone(&self.slot), self.watcher.take());
        let armed = workshop.ask(move || {
            let mut watcher = watcher.map_or_else(|| Watcher::new(roots, slot), Ok)?;
            let armed = watcher.arm();
            Ok::<_, notify::Error>((watcher, armed))
        });
        let failure: Option<Box<dyn std::error::Error + Send + Sync>> = match armed.await {
            Ok(Ok((watcher, armed))) => {
                self.watcher = Some(watcher);
                if armed.grown {
                    self.slot.put(Cause::FileEvent);
                }
                armed.failure.map(Into::into)
            }
            Ok(Err(error)) => Some(error.into()),
            Err(broken) => Some(broken.into()),
        };
        let watching = failure.is_none();
        if let Some(error) = failure.filter(|_| !self.told_of_failure) {
            events::watch_failed(&*error);
        }
        self.told_of_failure = !watching;
        watching
    }
}

/// Watches directories or files, and all that leads to them.
#[derive(Debug)]
struct Watcher {
    events: RecommendedWatcher,
    roots: Arc<[PathBuf]>,
    places: Arc<ArcSwap<Places>>,
    // Which directory each watch was last put on.
    armed: BTreeMap<PathBuf, Inode>,
    // A watched directory was removed or moved, and with it went its watch, and those of all below it.
    lost: Arc<AtomicBool>,
}

/// What came of arming.
#[derive(Debug, Default)]
struct Armed {
    /// A directory is watched that may not have been before: what happened to it until now was not heard.
    grown: bool,
    /// The first failure. What could be watched is watched nevertheless.
    failure: Option<notify::Error>,
}

/// Tells a directory from one that was made anew in its place, which some file systems give the same number.
type Inode = (u64, u64, Option<SystemTime>);

impl Watcher {
    /// A watcher that is not armed yet; what it hears goes to `slot`.
    fn new(roots: Arc<[PathBuf]>, slot: Arc<Slot>) -> notify::Result<Self> {
        let places = Arc::new(ArcSwap::from_pointee(Places::new()));
        let of_interest = Arc::clone(&places);
        let lost = Arc::<AtomicBool>::default();
        let tell = Arc::clone(&lost);
        let hear = move |event: notify::Result<Event>| {
            if event.as_ref().map_or(true, |event| takes_watch(event, &of_interest.load())) {
                tell.store(true, Ordering::Release);
            }
            // An error, like an overflow, means that events were lost: look.
            if event.map_or(true, |event| says_change(&event, &of_interest.load())) {
                slot.changed();
            }
        };
        let watcher = RecommendedWatcher::new(hear, Config::default())?;
        Ok(Self { events: watcher, roots, places, armed: BTreeMap::new(), lost })
    }

    /// Brings the watches in line with the directories as they are now.
    fn arm(&mut self) -> Armed {
        let wanted = Arc::new(places::all_places(&self.roots));
        self.places.store(Arc::clone(&wanted));
        let inodes: BTreeMap<PathBuf, Inode> =
            wanted.keys().filter_map(|directory| Some((directory.clone(), inode(directory)?))).collect();
        let events = &mut self.events;
        self.armed.retain(|directory, _| {
            let keep = inodes.contains_key(directory);
            if !keep {
                // The watch may be gone with its directory already.
                drop(events.unwatch(directory));
            }
            keep
        });
        let mut result = Armed { grown: self.lost.swap(false, Ordering::AcqRel), failure: None };
        // All of them, every time: a watch that is there stays as it is, and one that was lost with its directory is there again.
        for (directory, at) in inodes {
            match self.events.watch(&directory, RecursiveMode::NonRecursive) {
                Ok(()) => result.grown |= self.armed.insert(directory, at) != Some(at),
                Err(error) => {
                    self.armed.remove(&directory);
                    result.failure = result.failure.or(Some(error));
                }
            }
        }
        result
    }
}

/// Whether a watched directory has left its place: `notify` then ends its watch and those below it.
fn takes_watch(event: &Event, places: &Places) -> bool {
    let leaves = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
    leaves && event.paths.iter().any(|path| places.contains_key(path))
}

/// Reading the files raises events too; only what changes something counts.
fn says_change(event: &Event, places: &Places) -> bool {
    let is_change = !matches!(event.kind, EventKind::Access(_));
    event.need_rescan()
        || (is_change && (event.paths.is_empty() || event.paths.iter().any(|path| places::concerns(places, path))))
}

fn inode(directory: &Path) -> Option<Inode> {
    fs::metadata(directory).ok().map(|meta| (meta.dev(), meta.ino(), meta.created().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind, Flag, RemoveKind, RenameMode};

    #[test]
    fn what_changes_something_or_tells_of_lost_events_makes_it_look() {
        let here = PathBuf::from("/here");
        let places = Places::from([(here.clone(), places::Interest::All)]);
        let of = |kind, name: &str| Event::new(kind).add_path(here.join(name));
        let created = EventKind::Create(CreateKind::File);
        for (event, looks) in [
            (of(created, "roles.yaml"), true),
            (of(created, "..data"), true),
            (of(created, ".roles.yaml.swp"), false),
            (of(EventKind::Access(AccessKind::Any), "roles.yaml"), false),
            (Event::new(created).add_path("/elsewhere/roles.yaml".into()), false),
            // An overflow of the kernel's queue.
            (Event::new(EventKind::Other).set_flag(Flag::Rescan), true),
            (Event::new(EventKind::Any), true),
        ] {
            assert_eq!(says_change(&event, &places), looks, "{event:?}");
        }
    }

    #[test]
    fn what_leaves_its_place_takes_its_watch_with_it() {
        let here = PathBuf::from("/here");
        let places = Places::from([(here.clone(), places::Interest::All)]);
        let moved = EventKind::Modify(ModifyKind::Name(RenameMode::From));
        for (kind, path, takes) in [
            (EventKind::Remove(RemoveKind::Folder), here.clone(), true),
            (moved, here.clone(), true),
            (EventKind::Remove(RemoveKind::File), here.join("roles.yaml"), false),
            (EventKind::Create(CreateKind::Folder), here, false),
        ] {
            let event = Event::new(kind).add_path(path);
            assert_eq!(takes_watch(&event, &places), takes, "{event:?}");
        }
    }
}
