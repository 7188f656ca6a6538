//! The users of the book, each in a slot that it keeps as long as it is there.
//!
//! What users can be found by stands side by side, some dozens of users in one text: whoever looks through all of them reads memory from
//! one end to the other, and waits for it once a block instead of once a user.

use super::Filed;
use crate::directory::Account;
use memchr::memmem::Finder;
use std::sync::Arc;

/// The number of a slot.
pub(in crate::directory) type Slot = u32;
/// Slots of a block. Whether each of them fits a search is one bit of a number.
pub(in crate::directory) const BLOCK: usize = 64;

/// Users by slot.
#[derive(Debug, Default)]
pub(in crate::directory) struct Shelf {
    // INVARIANT: all blocks but the last one are full.
    blocks: Vec<Block>,
    /// Slots that nobody has any more.
    free: Vec<Slot>,
}

#[derive(Debug, Default)]
struct Block {
    /// The facts of its users, one after the other; nothing where a slot is free.
    facts: Box<str>,
    // INVARIANT: one for each of `accounts`, ascending; each is where the facts of one user end, the last is the length of `facts`.
    ends: Vec<u32>,
    accounts: Vec<Option<Arc<Account>>>,
}

impl Shelf {
    /// Users in the order in which they come, with their facts.
    pub(super) fn of(users: impl Iterator<Item = (Arc<Account>, String)>) -> Self {
        let mut users = users.peekable();
        let mut blocks = Vec::new();
        while users.peek().is_some() {
            let (mut block, mut facts) = (Block::default(), String::new());
            for (account, of_user) in users.by_ref().take(BLOCK) {
                facts.push_str(&of_user);
                block.ends.push(end(facts.len()));
                block.accounts.push(Some(account));
            }
            block.facts = facts.into();
            blocks.push(block);
        }
        Self { blocks, free: Vec::new() }
    }

    /// All slots, whether somebody has them or not.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        let last = self.blocks.last().map_or(0, |last| last.accounts.len());
        0..end(self.blocks.len().saturating_sub(1) * BLOCK + last)
    }

    /// Who has a slot.
    pub(in crate::directory) fn get(&self, slot: Slot) -> Option<Filed<'_>> {
        let (block, number) = parts(slot);
        self.blocks.get(block)?.get(number)
    }

    /// Puts a user into a slot that is free.
    pub(super) fn add(&mut self, account: Arc<Account>, facts: &str) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            if self.blocks.last().is_none_or(|last| last.accounts.len() == BLOCK) {
                self.blocks.push(Block::default());
            }
            let before = (self.blocks.len() - 1) * BLOCK;
            let Some(last) = self.blocks.last_mut() else { return 0 };
            last.ends.push(end(last.facts.len()));
            last.accounts.push(None);
            end(before + last.accounts.len() - 1)
        });
        self.set(slot, Some(account), facts);
        slot
    }

    /// Puts a user into a slot, for the one that has it.
    pub(super) fn replace(&mut self, slot: Slot, account: Arc<Account>, facts: &str) {
        self.set(slot, Some(account), facts);
    }

    /// Gives a slot free.
    pub(super) fn remove(&mut self, slot: Slot) {
        self.set(slot, None, "");
        self.free.push(slot);
    }

    fn set(&mut self, slot: Slot, account: Option<Arc<Account>>, facts: &str) {
        let (block, number) = parts(slot);
        let Some(block) = self.blocks.get_mut(block) else { return };
        let (start, old) = block.bounds(number);
        let before = block.facts.get(..start).unwrap_or_default();
        let behind = block.facts.get(old..).unwrap_or_default();
        let new = start + facts.len();
        block.facts = [before, facts, behind].concat().into();
        for at in block.ends.iter_mut().skip(number) {
            *at = end(*at as usize - old + new);
        }
        if let Some(known) = block.accounts.get_mut(number) {
            *known = account;
        }
    }

    /// Which users of a block fit, the first in the lowest bit; all of them have this text among their facts. `None` behind the last block.
    pub(in crate::directory) fn fitting(
        &self,
        block: usize,
        text: &Finder<'_>,
        fits: impl Fn(Filed<'_>) -> bool,
    ) -> Option<u64> {
        let block = self.blocks.get(block)?;
        let (mut found, mut from) = (0, 0);
        while let Some(at) = block.facts.as_bytes().get(from..).and_then(|rest| text.find(rest)) {
            // A text that begins with one user and ends with the next is that of neither.
            let number = block.ends.partition_point(|end| *end as usize <= from + at);
            if block.get(number).is_some_and(&fits) {
                found |= 1 << number;
            }
            (_, from) = block.bounds(number);
        }
        Some(found)
    }
}

impl Block {
    fn get(&self, number: usize) -> Option<Filed<'_>> {
        let account = self.accounts.get(number)?.as_ref()?;
        let (start, end) = self.bounds(number);
        Some(Filed { account, facts: self.facts.get(start..end)? })
    }

    /// Where the facts of a user begin and end.
    fn bounds(&self, number: usize) -> (usize, usize) {
        let end = |number: usize| self.ends.get(number).map_or(0, |end| *end as usize);
        (number.checked_sub(1).map_or(0, end), end(number))
    }
}

/// The number of a slot's block, and that of the slot in it.
pub(in crate::directory) const fn parts(slot: Slot) -> (usize, usize) {
    (slot as usize / BLOCK, slot as usize % BLOCK)
}

fn end(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use std::collections::BTreeMap;

    #[test]
    fn the_shelf_holds_what_was_put_there_whatever_comes_and_goes() {
        let account = |id: &str| {
            let blank = Account::blank("", "en", Timestamp::from_micros(0));
            Arc::new(Account { id: id.to_owned(), ..blank })
        };
        let mut random = fastrand::Rng::with_seed(5);
        let facts = |random: &mut fastrand::Rng| format!("{}\0{}", "ab".repeat(random.usize(..4)), random.u8(..9));
        let first: Vec<_> = (0..150).map(|n| (account(&n.to_string()), facts(&mut random))).collect();
        let mut shelf = Shelf::of(first.iter().cloned());
        let first = first.iter().map(|(account, facts)| (account.id.clone(), facts.clone()));
        let mut known: BTreeMap<Slot, (String, String)> = (0..).zip(first).collect();
        assert_eq!(shelf.slots().count(), 150);
        for round in 0..2000 {
            let (id, new) = (format!("new-{round}"), facts(&mut random));
            let some = random.choice(known.keys()).copied().unwrap();
            match random.u8(..3) {
                0 => {
                    let slot = shelf.add(account(&id), &new);
                    assert!(known.insert(slot, (id, new)).is_none(), "nobody has it");
                }
                1 => {
                    shelf.replace(some, account(&id), &new);
                    known.insert(some, (id, new));
                }
                _ => {
                    shelf.remove(some);
                    known.remove(&some);
                }
            }
            if round % 50 > 0 {
                continue;
            }
            let there = shelf.slots().filter_map(|slot| Some((slot, shelf.get(slot)?)));
            let there = there.map(|(slot, filed)| (slot, (filed.account.id.clone(), filed.facts.to_owned())));
            assert_eq!(there.collect::<BTreeMap<_, _>>(), known);
            for text in ["ab", "b\u{0}1", "1a", "\u{0}7", "c"] {
                let finder = Finder::new(text);
                let blocks = (0..).map_while(|block| shelf.fitting(block, &finder, |filed| filed.says(&finder)));
                let bits = blocks.enumerate().flat_map(|(block, bits)| {
                    (0..BLOCK).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| end(block * BLOCK + bit))
                });
                let fitting = known.iter().filter(|(_, (_, facts))| facts.contains(text)).map(|(slot, _)| *slot);
                assert!(bits.eq(fitting), "{text:?}");
            }
        }
    }
}
