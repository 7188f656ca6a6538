//! The users of one program, as deciders read them: immutable, and cheap to make anew with a few users changed.

use crate::{
    engine::{Binder, BoundUser, Outcome, Program, Prospects, Subject, decide},
    model::{Request, User},
};
use hashbrown::HashTable;
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

/// Users are found by hash in one of so many parts: whoever changes a user copies one part and shares the others.
const SHARDS: usize = 1024;
/// Users that stand together in order at most; what is changed is copied with its neighbours.
const CHUNK: usize = 128;

/// The users of one program, bound to it.
#[derive(Debug, Clone)]
pub struct Subjects {
    /// Ids come from requests: nobody may choose them so that many fall together.
    hasher: RandomState,
    // INVARIANT: a user is in the shard of its id and in exactly one chunk; `SHARDS` shards.
    shards: Vec<Arc<HashTable<Entry>>>,
    // INVARIANT: no chunk is empty; ids ascend within chunks and from one to the next.
    chunks: Vec<Arc<Vec<Arc<BoundUser>>>>,
    /// Whom the policy set declares: for good, since another set has other subjects.
    declared: Arc<HashSet<Box<str>>>,
    len: usize,
}

/// A user, found by the hash of its id.
#[derive(Debug, Clone)]
struct Entry {
    // Kept here, so that only the user that is meant is looked at, and nobody is hashed twice.
    hash: u64,
    user: Arc<BoundUser>,
}

impl Entry {
    fn is(&self, hash: u64, id: &str) -> bool {
        self.hash == hash && self.user.id() == id
    }
}

impl Default for Subjects {
    fn default() -> Self {
        // One empty part serves for all until somebody is put into it.
        Self {
            hasher: RandomState::new(),
            shards: vec![Arc::default(); SHARDS],
            chunks: Vec::new(),
            declared: Arc::default(),
            len: 0,
        }
    }
}

impl Subjects {
    /// Binds the users that a policy set declares to its program.
    pub fn bind<'u>(program: &Program, declared: impl IntoIterator<Item = &'u Arc<User>>) -> Self {
        let mut binder = Binder::new(program);
        Self::of(declared.into_iter().map(|user| Arc::new(binder.bind(user))), [])
    }

    /// Of bound users: those that the policy set declares, and others. Where both have an id, the declared user counts.
    pub fn of(
        declared: impl IntoIterator<Item = Arc<BoundUser>>,
        others: impl IntoIterator<Item = Arc<BoundUser>>,
    ) -> Self {
        let hasher = RandomState::new();
        let entry = |user: Arc<BoundUser>| Entry { hash: hasher.hash_one(user.id()), user };
        let mut users: Vec<Entry> = declared.into_iter().map(entry).collect();
        let declared = users.iter().map(|entry| entry.user.id().into()).collect();
        users.extend(others.into_iter().map(entry));
        // Stable: a declared user comes before another of the same id.
        users.sort_by(|one, other| one.user.id().cmp(other.user.id()));
        users.dedup_by(|later, earlier| later.user.id() == earlier.user.id());
        let ordered: Vec<_> = users.iter().map(|entry| Arc::clone(&entry.user)).collect();
        let chunks: Vec<_> = ordered.chunks(CHUNK).map(|chunk| Arc::new(chunk.to_vec())).collect();
        let mut subjects = Self { hasher, chunks, declared: Arc::new(declared), len: users.len(), ..Self::default() };
        for entry in users {
            if let Some(shard) = subjects.shards.get_mut(shard_of(entry.hash)) {
                Arc::make_mut(shard).insert_unique(entry.hash, entry, |entry| entry.hash);
            }
        }
        subjects
    }

    /// The user with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&BoundUser> {
        Some(&self.entry(id)?.user)
    }

    /// Whether the policy set declares this user.
    #[must_use]
    pub fn is_declared(&self, id: &str) -> bool {
        self.declared.contains(id)
    }

    /// All users, in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &BoundUser> {
        self.chunks.iter().flat_map(|chunk| chunk.iter().map(AsRef::as_ref))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The users behind an id, in order of their ids.
    pub fn after(&self, id: Option<&str>) -> impl Iterator<Item = &BoundUser> {
        let behind = |user: &BoundUser| id.is_none_or(|id| user.id() > id);
        let first = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| !behind(last)));
        let chunks = self.chunks.iter().skip(first);
        let start = self.chunks.get(first).map_or(0, |chunk| chunk.partition_point(|user| !behind(user)));
        chunks.flat_map(|chunk| chunk.iter()).skip(start).map(AsRef::as_ref)
    }

    /// The users behind an id that are allowed a request, in order of their ids, each with the decision.
    ///
    /// Each is decided about as if it had asked itself; who has no role, grant or name in any permit is not asked about.
    pub fn allowed<'s>(
        &'s self,
        program: &'s Program,
        request: &'s Request<'s>,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'s BoundUser, Outcome<'s>)> {
        let prospects = Prospects::of(program, request);
        self.after(after).filter(move |user| prospects.include(user)).filter_map(move |user| {
            let outcome = decide(program, Subject::User(user), request);
            outcome.decision.is_allow().then_some((user, outcome))
        })
    }

    /// Puts a user in the place of the one with its id, or beside the others. A declared user stays declared.
    pub(super) fn put(&mut self, user: BoundUser) {
        let user = Arc::new(user);
        let id = user.id();
        let hash = self.hasher.hash_one(id);
        if let Some(shard) = self.shards.get_mut(shard_of(hash)) {
            let shard = Arc::make_mut(shard);
            let user = Arc::clone(&user);
            match shard.find_mut(hash, |entry| entry.is(hash, user.id())) {
                Some(entry) => entry.user = user,
                None => drop(shard.insert_unique(hash, Entry { hash, user }, |entry| entry.hash)),
            }
        }
        let place = self.chunk_of(id);
        let Some(chunk) = self.chunks.get_mut(place) else {
            self.chunks.push(Arc::new(vec![user]));
            self.len += 1;
            return;
        };
        let chunk = Arc::make_mut(chunk);
        match chunk.binary_search_by(|known| known.id().cmp(user.id())) {
            Ok(at) => chunk.splice(at..=at, [user]).for_each(drop),
            Err(at) => {
                chunk.insert(at, user);
                self.len += 1;
            }
        }
        if chunk.len() > CHUNK * 2 {
            let rest = chunk.split_off(CHUNK);
            self.chunks.insert(place + 1, Arc::new(rest));
        }
    }

    /// Removes a user. One that the policy set declares stays.
    pub(super) fn remove(&mut self, id: &str) {
        if self.is_declared(id) || self.entry(id).is_none() {
            return;
        }
        let hash = self.hasher.hash_one(id);
        if let Some(shard) = self.shards.get_mut(shard_of(hash))
            && let Ok(entry) = Arc::make_mut(shard).find_entry(hash, |entry| entry.is(hash, id))
        {
            drop(entry.remove());
        }
        let place = self.chunk_of(id);
        let Some(chunk) = self.chunks.get_mut(place) else { return };
        let chunk = Arc::make_mut(chunk);
        if let Ok(at) = chunk.binary_search_by(|known| known.id().cmp(id)) {
            chunk.remove(at);
            self.len -= 1;
        }
        if chunk.is_empty() {
            self.chunks.remove(place);
        }
    }

    /// The chunk that an id belongs into: the first that ends at it or behind it, or else the last one.
    fn chunk_of(&self, id: &str) -> usize {
        let place = self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| last.id() < id));
        place.min(self.chunks.len().saturating_sub(1))
    }

    fn entry(&self, id: &str) -> Option<&Entry> {
        let hash = self.hasher.hash_one(id);
        self.shards.get(shard_of(hash))?.find(hash, |entry| entry.is(hash, id))
    }
}

/// The part of a hash that its table looks at neither first nor last.
fn shard_of(hash: u64) -> usize {
    usize::try_from((hash >> 32) % SHARDS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests;
