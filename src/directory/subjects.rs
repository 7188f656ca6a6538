//! The users of one program, as deciders read them: immutable, and cheap to make anew with a few users changed.

use crate::{
    engine::{Binder, BoundUser, Outcome, Program, Prospects, Subject, decide},
    model::{Request, User},
};
use std::{
    borrow::Borrow,
    collections::HashSet,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::Arc,
};

/// Users are found by hash in one of so many parts: whoever changes a user copies one part and shares the others.
const SHARDS: usize = 256;
/// Users that stand together in order at most; what is changed is copied with its neighbours.
const CHUNK: usize = 256;

/// The users of one program, bound to it.
#[derive(Debug, Clone)]
pub struct Subjects {
    hasher: RandomState,
    // INVARIANT: a user is in the shard of its id and in exactly one chunk; `SHARDS` shards.
    shards: Vec<Arc<HashSet<ById>>>,
    // INVARIANT: no chunk is empty; ids ascend within chunks and from one to the next.
    chunks: Vec<Arc<Vec<Arc<BoundUser>>>>,
    len: usize,
}

/// A user, found by its id.
#[derive(Debug, Clone)]
struct ById {
    user: Arc<BoundUser>,
    declared: bool,
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.user.id() == other.user.id()
    }
}

impl Eq for ById {}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.user.id().hash(state);
    }
}

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        self.user.id()
    }
}

impl Default for Subjects {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Arc::default()).collect();
        Self { hasher: RandomState::new(), shards, chunks: Vec::new(), len: 0 }
    }
}

impl Subjects {
    /// Binds the users that a policy set declares to its program.
    pub fn bind<'u>(program: &Program, declared: impl IntoIterator<Item = &'u Arc<User>>) -> Self {
        let mut binder = Binder::new(program);
        Self::of(declared.into_iter().map(|user| binder.bind(user)), [])
    }

    /// Of bound users: those that the policy set declares, and others. Where both have an id, the declared user counts.
    pub fn of(declared: impl IntoIterator<Item = BoundUser>, others: impl IntoIterator<Item = BoundUser>) -> Self {
        let entry = |declared| move |user| ById { user: Arc::new(user), declared };
        let mut users: Vec<ById> = declared.into_iter().map(entry(true)).collect();
        users.extend(others.into_iter().map(entry(false)));
        // Stable: a declared user comes before another of the same id.
        users.sort_by(|one, other| one.user.id().cmp(other.user.id()));
        users.dedup_by(|later, earlier| later.user.id() == earlier.user.id());
        let hasher = RandomState::new();
        let mut shards = vec![HashSet::new(); SHARDS];
        for entry in &users {
            if let Some(shard) = shards.get_mut(shard_of(&hasher, entry.user.id())) {
                shard.insert(entry.clone());
            }
        }
        let len = users.len();
        let ordered: Vec<_> = users.into_iter().map(|entry| entry.user).collect();
        let chunks = ordered.chunks(CHUNK).map(|chunk| Arc::new(chunk.to_vec())).collect();
        Self { hasher, shards: shards.into_iter().map(Arc::new).collect(), chunks, len }
    }

    /// The user with this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&BoundUser> {
        Some(&self.entry(id)?.user)
    }

    /// Whether the policy set declares this user.
    #[must_use]
    pub fn is_declared(&self, id: &str) -> bool {
        self.entry(id).is_some_and(|entry| entry.declared)
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
        let declared = self.is_declared(id);
        let shard = shard_of(&self.hasher, id);
        if let Some(shard) = self.shards.get_mut(shard) {
            Arc::make_mut(shard).replace(ById { user: Arc::clone(&user), declared });
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
        if self.entry(id).is_none_or(|entry| entry.declared) {
            return;
        }
        let shard = shard_of(&self.hasher, id);
        if let Some(shard) = self.shards.get_mut(shard) {
            Arc::make_mut(shard).remove(id);
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

    fn entry(&self, id: &str) -> Option<&ById> {
        self.shards.get(shard_of(&self.hasher, id))?.get(id)
    }
}

fn shard_of(hasher: &RandomState, id: &str) -> usize {
    usize::try_from(hasher.hash_one(id) % SHARDS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests;
