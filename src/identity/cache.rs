//! What is known about tokens that were verified, by the hash of their text. Bounded, and without a list that has to be kept in order.

use ring::digest::{SHA256, digest};
use std::collections::HashMap;

/// A bounded map from texts to what is known about them. The texts themselves are not kept.
///
/// There are two halves. New entries go into the young one, and so do old ones that are used. Once it is full, it becomes the old one
/// and what was that is forgotten, so that what is used stays.
#[derive(Debug)]
pub struct Cache<V> {
    half: usize,
    young: HashMap<Hash, V>,
    old: HashMap<Hash, V>,
}

/// SHA-256: two texts with the same hash are not found, and with one whoever looks could be taken for somebody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mut bytes = [0; 32];
        // The digest is as long.
        for (to, from) in bytes.iter_mut().zip(digest(&SHA256, text.as_bytes()).as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

impl<V> Cache<V> {
    /// One that holds at most so many entries.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { half: capacity.div_ceil(2), young: HashMap::new(), old: HashMap::new() }
    }

    /// What is known under a hash.
    pub fn get(&mut self, hash: Hash) -> Option<&mut V> {
        if !self.young.contains_key(&hash) {
            let value = self.old.remove(&hash)?;
            self.put(hash, value);
        }
        self.young.get_mut(&hash)
    }

    /// Remembers something.
    pub fn put(&mut self, hash: Hash, value: V) {
        if self.half == 0 {
            return;
        }
        if self.young.len() >= self.half && !self.young.contains_key(&hash) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, value);
    }

    /// Forgets what is known under a hash.
    pub fn forget(&mut self, hash: Hash) {
        self.young.remove(&hash);
        self.old.remove(&hash);
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::new(10);
        let hash = |n: usize| Hash::of(&n.to_string());
        for n in 0..1000 {
            cache.put(hash(n), n);
            assert_eq!(cache.get(hash(0)), Some(&mut 0), "used all the time, after {n}");
            assert!(cache.len() <= 11, "{}", cache.len());
        }
        assert_eq!(cache.get(hash(500)), None);
        assert_eq!(cache.get(hash(999)), Some(&mut 999));
        cache.forget(hash(999));
        assert_eq!(cache.get(hash(999)), None);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let mut cache = Cache::new(0);
        cache.put(Hash::of("a"), 1);
        assert_eq!(cache.get(Hash::of("a")), None);
    }
}
