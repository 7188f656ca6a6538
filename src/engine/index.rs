//! The slicing index: which policies have a scope that fits a request.
//!
//! A policy's scope is a triple of constraints on principal, action and resource. Each constraint on a principal or a
//! resource becomes a key; an entity has the keys of all constraints that it meets. A request's candidates are the
//! policies filed under (action, resource key, principal key) for its keys. Scope constraints cannot error, so leaving
//! the other policies out changes nothing.

use super::{
    PolicyIndex,
    uid::{TypeIndex, UidIndex},
};
use rustc_hash::{FxHashMap, FxHashSet};
use smallvec::SmallVec;

/// What a scope asks of a principal or a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Constraint {
    Any,
    Eq(UidIndex),
    In(UidIndex),
    Is(TypeIndex),
    IsIn(TypeIndex, UidIndex),
}

/// The number of a constraint within its [`KeySpace`].
pub(super) type Key = u32;
/// The keys of one entity, sorted.
pub(super) type Keys = SmallVec<[Key; 8]>;
/// The candidates of one request, in policy order.
pub(super) type Candidates = SmallVec<[Entry; 8]>;

/// An entity, as far as scopes look at it. What does not occur in the program has no number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) ty: Option<TypeIndex>,
    pub(super) own: Option<UidIndex>,
    pub(super) ancestors: &'a [UidIndex],
}

/// All constraints on one side, principal or resource.
#[derive(Debug, Default)]
pub(super) struct KeySpace {
    keys: FxHashMap<Constraint, Key>,
    has_is_in: bool,
}

impl KeySpace {
    fn intern(&mut self, constraint: Constraint) -> Key {
        self.has_is_in |= matches!(constraint, Constraint::IsIn(..));
        let next = Key::try_from(self.keys.len()).unwrap_or(Key::MAX);
        *self.keys.entry(constraint).or_insert(next)
    }

    /// The entities that scopes name, in no order and some of them twice.
    pub(super) fn named(&self) -> impl Iterator<Item = UidIndex> {
        self.keys.keys().filter_map(|constraint| match *constraint {
            Constraint::Eq(uid) | Constraint::In(uid) | Constraint::IsIn(_, uid) => Some(uid),
            Constraint::Any | Constraint::Is(_) => None,
        })
    }

    /// The entities within which a scope with one of these keys wants to see somebody, in no order and some of them twice.
    pub(super) fn groups(&self, keys: &FxHashSet<Key>) -> impl Iterator<Item = UidIndex> {
        self.keys.iter().filter_map(|(constraint, key)| match *constraint {
            Constraint::In(uid) | Constraint::IsIn(_, uid) => keys.contains(key).then_some(uid),
            Constraint::Any | Constraint::Eq(_) | Constraint::Is(_) => None,
        })
    }

    /// The keys of an entity.
    pub(super) fn keys_of(&self, place: Place<'_>) -> Keys {
        let mut keys = Keys::new();
        let mut push = |constraint| keys.extend(self.keys.get(&constraint).copied());
        push(Constraint::Any);
        if let Some(ty) = place.ty {
            push(Constraint::Is(ty));
        }
        if let Some(own) = place.own {
            push(Constraint::Eq(own));
        }
        for uid in place.own.into_iter().chain(place.ancestors.iter().copied()) {
            push(Constraint::In(uid));
            if self.has_is_in
                && let Some(ty) = place.ty
            {
                push(Constraint::IsIn(ty, uid));
            }
        }
        keys.sort_unstable();
        keys
    }
}

/// Where a policy is filed: its actions, `None` for a policy that is about any action.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) principal: Constraint,
    pub(super) actions: Option<Vec<UidIndex>>,
    pub(super) resource: Constraint,
}

/// A policy in the index, with all that a decision needs of it, so that the policy itself is not touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) policy: PolicyIndex,
    pub(super) rule: Rule,
}

/// Effect and condition of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule {
    pub(super) forbids: bool,
    /// The place of the condition among the program's; policies with the same condition share it.
    pub(super) condition: u32,
}

/// The index of one program, while it is filled.
#[derive(Debug, Default)]
pub(super) struct IndexBuilder {
    principals: KeySpace,
    resources: KeySpace,
    filed: Vec<(File, Entry)>,
}

/// The index of one program.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) principals: KeySpace,
    pub(super) resources: KeySpace,
    drawers: FxHashMap<Drawer, Vec<Key>>,
    files: FxHashMap<File, Filed>,
    // What does not fit into `Filed`.
    more: Vec<Entry>,
    has_any_action: bool,
}

/// A drawer holds the policies of one action and one resource key; `action` 0 is any action, others are shifted by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Drawer {
    action: u32,
    resource: Key,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct File {
    drawer: Drawer,
    principal: Key,
}

/// The policies of one file. Mostly there is one, and it is found where the file is.
#[derive(Debug, Clone, Copy)]
struct Filed {
    first: Entry,
    start: u32,
    count: u32,
}

const ANY_ACTION: u32 = 0;

impl IndexBuilder {
    /// Files a policy. Policies come in their order.
    pub(super) fn insert(&mut self, entry: Entry, scope: &Scope) {
        let principal = self.principals.intern(scope.principal);
        let resource = self.resources.intern(scope.resource);
        let mut file = |action| {
            let drawer = Drawer { action, resource };
            self.filed.push((File { drawer, principal }, entry));
        };
        match &scope.actions {
            None => file(ANY_ACTION),
            Some(actions) => {
                let mut actions: SmallVec<[UidIndex; 16]> = actions.iter().copied().collect();
                actions.sort_unstable();
                actions.dedup();
                actions.into_iter().for_each(|action| file(action + 1));
            }
        }
    }

    /// Lays everything out for reading.
    pub(super) fn finish(self) -> Index {
        let Self { principals, resources, mut filed } = self;
        let mut index = Index { principals, resources, ..Index::default() };
        index.files.reserve(filed.len());
        // What belongs together stands together, in policy order.
        filed.sort_unstable();
        for entries in filed.chunk_by(|(a, _), (b, _)| a == b) {
            let [(file, first), rest @ ..] = entries else { continue };
            let (file, place) = (*file, |length: usize| u32::try_from(length).unwrap_or(u32::MAX));
            let filed = Filed { first: *first, start: place(index.more.len()), count: place(rest.len()) };
            index.more.extend(rest.iter().map(|(_, entry)| *entry));
            index.files.insert(file, filed);
            index.drawers.entry(file.drawer).or_default().push(file.principal);
            index.has_any_action |= file.drawer.action == ANY_ACTION;
        }
        index
    }
}

impl Index {
    /// The keys of which a principal needs one, so that some permit has a scope that fits: the index read backwards. Permits that
    /// `may_hold` rules out do not count.
    pub(super) fn permitted_principals(
        &self,
        action: Option<UidIndex>,
        resource: &[Key],
        may_hold: impl Fn(&Entry) -> bool,
    ) -> FxHashSet<Key> {
        let permits = |filed| self.entries(filed).any(|entry| !entry.rule.forbids && may_hold(entry));
        self.files_of(action, resource).filter(|(_, filed)| permits(filed)).map(|(key, _)| key).collect()
    }

    /// The permits of an action on a resource, whoever the principal is, in no order.
    pub(super) fn permits(&self, action: Option<UidIndex>, resource: &[Key]) -> Vec<PolicyIndex> {
        let entries = self.files_of(action, resource).flat_map(|(_, filed)| self.entries(filed));
        entries.filter(|entry| !entry.rule.forbids).map(|entry| entry.policy).collect()
    }

    /// The files of an action and a resource, each with the key of its principals.
    fn files_of(&self, action: Option<UidIndex>, resource: &[Key]) -> impl Iterator<Item = (Key, &Filed)> {
        let any = self.has_any_action.then_some(ANY_ACTION);
        let actions = any.into_iter().chain(action.map(|action| action + 1));
        let drawers = actions.flat_map(move |action| resource.iter().map(move |&resource| Drawer { action, resource }));
        drawers.flat_map(move |drawer| {
            let principals = self.drawers.get(&drawer).into_iter().flatten();
            principals.filter_map(move |&principal| Some((principal, self.files.get(&File { drawer, principal })?)))
        })
    }

    fn entries<'i>(&'i self, filed: &'i Filed) -> impl Iterator<Item = &'i Entry> {
        let (start, count) = (filed.start as usize, filed.count as usize);
        std::iter::once(&filed.first).chain(self.more.get(start..start + count).unwrap_or_default())
    }

    /// The policies whose scope fits, in policy order.
    pub(super) fn candidates(&self, principal: &[Key], action: Option<UidIndex>, resource: &[Key]) -> Candidates {
        let mut found = Candidates::new();
        let any = self.has_any_action.then_some(ANY_ACTION);
        for action in action.map(|action| action + 1).into_iter().chain(any) {
            for &resource in resource {
                self.collect(Drawer { action, resource }, principal, &mut found);
            }
        }
        if found.len() > 1 {
            found.sort_unstable();
        }
        found
    }

    fn collect(&self, drawer: Drawer, principal: &[Key], found: &mut Candidates) {
        let Some(filed) = self.drawers.get(&drawer) else { return };
        let mut take = |principal| {
            if let Some(filed) = self.files.get(&File { drawer, principal }) {
                found.push(filed.first);
                let (start, count) = (filed.start as usize, filed.count as usize);
                found.extend_from_slice(self.more.get(start..start + count).unwrap_or_default());
            }
        };
        // The cost is that of the shorter side, however many roles a user has or a drawer knows.
        if filed.len() < principal.len() {
            filed.iter().copied().filter(|key| principal.binary_search(key).is_ok()).for_each(&mut take);
        } else {
            principal.iter().copied().for_each(&mut take);
        }
    }
}
