//! The orders in which users are listed: of each user the number of its slot on the shelf, and nothing else.

use super::{Filed, Shelf, Slot};
use crate::{directory::Sort, model::Timestamp};

/// Slots that stand together at most: whoever moves one moves its neighbours.
const CHUNK: usize = 512;

/// Slots in an order.
#[derive(Debug, Default)]
pub(in crate::directory) struct Order {
    // INVARIANT: no chunk is empty.
    chunks: Vec<Vec<Slot>>,
    len: usize,
}

/// Where a user stands in an order: by a key, and by the id among equal ones, so that no two are equal.
pub(in crate::directory) type Spot<'b> = (By<'b>, &'b str);

/// The key of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::directory) enum By<'b> {
    /// None but the id.
    None,
    /// A folded name.
    Text(&'b str),
    /// A time.
    Time(Timestamp),
}

/// Where a user stands.
pub(in crate::directory) fn spot(filed: Filed<'_>, sort: Sort) -> Spot<'_> {
    let account = filed.account;
    let key = match sort {
        Sort::Id => By::None,
        Sort::Name => By::Text(filed.name()),
        Sort::Created => By::Time(account.created),
        Sort::Updated => By::Time(account.updated),
        // Who never logged in comes first.
        Sort::LastLogin => By::Time(account.last_login.unwrap_or(Timestamp::from_micros(i64::MIN))),
    };
    (key, &account.id)
}

impl Order {
    fn of(slots: &[Slot]) -> Self {
        // Room to insert some without cutting a chunk in two.
        let chunks = slots.chunks(CHUNK / 2).map(<[Slot]>::to_vec).collect();
        Self { chunks, len: slots.len() }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The first slot that `is_before` does not hold for: it holds for those up to some slot.
    pub(super) fn first(&self, is_before: &dyn Fn(Slot) -> bool) -> Option<Slot> {
        let (chunk, at) = self.find(is_before);
        self.chunks.get(chunk)?.get(at).copied()
    }

    /// All slots.
    pub(super) fn iter(&self) -> impl Iterator<Item = Slot> {
        self.chunks.iter().flatten().copied()
    }

    /// The slots that `is_before` does not hold for.
    pub(in crate::directory) fn behind<'o>(
        &'o self,
        is_before: &dyn Fn(Slot) -> bool,
    ) -> impl Iterator<Item = Slot> + use<'o> {
        let (chunk, at) = self.find(is_before);
        self.chunks.iter().skip(chunk).flatten().skip(at).copied()
    }

    /// The slots that `is_before` holds for, the last one first.
    pub(in crate::directory) fn before<'o>(
        &'o self,
        is_before: &dyn Fn(Slot) -> bool,
    ) -> impl Iterator<Item = Slot> + use<'o> {
        let (chunk, at) = self.find(is_before);
        let part = self.chunks.get(chunk).and_then(|chunk| chunk.get(..at)).unwrap_or_default();
        let whole = self.chunks.iter().take(chunk).rev().flat_map(|chunk| chunk.iter().rev());
        part.iter().rev().chain(whole).copied()
    }

    fn insert(&mut self, slot: Slot, is_before: &dyn Fn(Slot) -> bool) {
        let (number, at) = self.find(is_before);
        self.len += 1;
        let Some(chunk) = self.chunks.get_mut(number) else {
            self.chunks.push(vec![slot]);
            return;
        };
        chunk.insert(at, slot);
        if chunk.len() > CHUNK {
            let rest = chunk.split_off(CHUNK / 2);
            self.chunks.insert(number + 1, rest);
        }
    }

    fn remove(&mut self, slot: Slot, is_before: &dyn Fn(Slot) -> bool) {
        let (number, at) = self.find(is_before);
        let Some(chunk) = self.chunks.get_mut(number).filter(|chunk| chunk.get(at) == Some(&slot)) else { return };
        chunk.remove(at);
        self.len -= 1;
        if chunk.is_empty() {
            self.chunks.remove(number);
        }
    }

    /// The chunk and the number in it of the first slot that `is_before` does not hold for; the end of the last chunk where there is none.
    fn find(&self, is_before: &dyn Fn(Slot) -> bool) -> (usize, usize) {
        let ends_before = |chunk: &Vec<Slot>| chunk.last().is_some_and(|last| is_before(*last));
        let number = self.chunks.partition_point(ends_before).min(self.chunks.len().saturating_sub(1));
        (number, self.chunks.get(number).map_or(0, |chunk| chunk.partition_point(|slot| is_before(*slot))))
    }
}

/// Users in the orders in which they can be listed.
#[derive(Debug, Default)]
pub(in crate::directory) struct Orders {
    // INVARIANT: each holds every slot that somebody has once.
    id: Order,
    name: Order,
    created: Order,
    updated: Order,
    last_login: Order,
}

impl Orders {
    /// The orders of many users at once, who stand on the shelf in order of their ids.
    pub(super) fn of(shelf: &Shelf) -> Self {
        let ids: Vec<Slot> = shelf.slots().collect();
        let order = |sort| {
            let mut slots = ids.clone();
            // Stable, so that ids stay in order where keys are equal.
            slots.sort_by_cached_key(|slot| shelf.get(*slot).map(|filed| spot(filed, sort).0));
            Order::of(&slots)
        };
        Self {
            id: Order::of(&ids),
            name: order(Sort::Name),
            created: order(Sort::Created),
            updated: order(Sort::Updated),
            last_login: order(Sort::LastLogin),
        }
    }

    pub(in crate::directory) const fn by(&self, sort: Sort) -> &Order {
        match sort {
            Sort::Id => &self.id,
            Sort::Name => &self.name,
            Sort::Created => &self.created,
            Sort::Updated => &self.updated,
            Sort::LastLogin => &self.last_login,
        }
    }

    /// Takes a user out of the orders in which it stands elsewhere than `new`; out of all of them where it is gone.
    pub(super) fn remove(&mut self, on: &Shelf, slot: Slot, new: Option<Filed<'_>>) {
        let Some(old) = on.get(slot) else { return };
        for (sort, order) in self.each() {
            let known = spot(old, sort);
            if new.is_none_or(|new| spot(new, sort) != known) {
                order.remove(slot, &|other| is_before(on, other, known, sort));
            }
        }
    }

    /// Puts a user into the orders in which it stood elsewhere than now; into all of them where it is new.
    pub(super) fn insert(&mut self, on: &Shelf, slot: Slot, old: Option<Filed<'_>>) {
        let Some(new) = on.get(slot) else { return };
        for (sort, order) in self.each() {
            let wanted = spot(new, sort);
            if old.is_none_or(|old| spot(old, sort) != wanted) {
                order.insert(slot, &|other| is_before(on, other, wanted, sort));
            }
        }
    }

    fn each(&mut self) -> [(Sort, &mut Order); 5] {
        [
            (Sort::Id, &mut self.id),
            (Sort::Name, &mut self.name),
            (Sort::Created, &mut self.created),
            (Sort::Updated, &mut self.updated),
            (Sort::LastLogin, &mut self.last_login),
        ]
    }
}

/// Whether who has a slot stands before a spot.
fn is_before(shelf: &Shelf, slot: Slot, spot_of: Spot<'_>, sort: Sort) -> bool {
    shelf.get(slot).is_some_and(|filed| spot(filed, sort) < spot_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers stand for themselves here: a slot is before another where its number is.
    #[test]
    fn an_order_is_that_of_a_sorted_list_whatever_goes_in_and_out() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut known: Vec<Slot> = (0..4000).filter(|_| random.bool()).collect();
        let mut order = Order::of(&known);
        for round in 0..6000 {
            let slot = random.u32(..4000);
            let before = |other: Slot| other < slot;
            match known.binary_search(&slot) {
                Ok(at) if round % 3 > 0 => {
                    known.remove(at);
                    order.remove(slot, &before);
                }
                Ok(_) => order.remove(slot + 4000, &|other| other < slot + 4000),
                Err(at) if round < 3000 || round % 8 == 0 => {
                    known.insert(at, slot);
                    order.insert(slot, &before);
                }
                Err(_) => {}
            }
            if round % 100 == 0 {
                let at = known.partition_point(|other| *other < slot);
                assert!(order.behind(&before).eq(known[at..].iter().copied()));
                assert!(order.before(&before).eq(known[..at].iter().rev().copied()));
                assert_eq!(order.first(&before), known.get(at).copied());
                assert!(order.iter().eq(known.iter().copied()));
                assert_eq!(order.len(), known.len());
                assert!(order.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
            }
        }
        for slot in known {
            order.remove(slot, &|other| other < slot);
        }
        assert!(order.chunks.is_empty() && order.len() == 0);
        order.insert(7, &|_| true);
        assert!(order.iter().eq([7]));
    }
}
