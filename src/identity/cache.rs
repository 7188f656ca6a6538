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
    half_bytes: usize,
    young: HashMap<Hash, Entry<V>>,
    /// What the young ones take up together.
    bytes: usize,
    old: HashMap<Hash, Entry<V>>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
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
    /// One that holds at most so many entries, and at most so many bytes of them.
    #[must_use]
    pub fn new(capacity: usize, bytes: usize) -> Self {
        let (half, half_bytes) = (capacity.div_ceil(2), bytes / 2);
        Self { half, half_bytes, young: HashMap::new(), bytes: 0, old: HashMap::new() }
    }

    /// What is known under a hash.
    pub fn get(&mut self, hash: Hash) -> Option<&mut V> {
        if !self.young.contains_key(&hash) {
            let Entry { value, bytes } = self.old.remove(&hash)?;
            self.put(hash, value, bytes);
        }
        self.young.get_mut(&hash).map(|entry| &mut entry.value)
    }

    /// Remembers something that takes up so many bytes.
    pub fn put(&mut self, hash: Hash, value: V, bytes: usize) {
        self.forget(hash);
        if self.half == 0 || bytes > self.half_bytes {
            return;
        }
        if self.young.len() >= self.half || self.bytes + bytes > self.half_bytes {
            self.old = std::mem::take(&mut self.young);
            self.bytes = 0;
        }
        self.young.insert(hash, Entry { value, bytes });
        self.bytes += bytes;
    }

    /// Forgets what is known under a hash.
    pub fn forget(&mut self, hash: Hash) {
        if let Some(entry) = self.young.remove(&hash) {
            self.bytes -= entry.bytes;
        }
        self.old.remove(&hash);
    }

    #[cfg(test)]
    fn len(&self) -> (usize, usize) {
        let all = || self.young.values().chain(self.old.values());
        (all().count(), all().map(|entry| entry.bytes).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_what_is_used() {
        let mut cache = Cache::new(10, 1000);
        let hash = |n: usize| Hash::of(&n.to_string());
        for n in 0..1000 {
            cache.put(hash(n), n, 1);
            assert_eq!(cache.get(hash(0)), Some(&mut 0), "used all the time, after {n}");
            assert!(cache.len().0 <= 11, "{:?}", cache.len());
        }
        assert_eq!(cache.get(hash(500)), None);
        assert_eq!(cache.get(hash(999)), Some(&mut 999));
        cache.forget(hash(999));
        assert_eq!(cache.get(hash(999)), None);
    }

    #[test]
    fn what_is_large_takes_the_room_of_others() {
        let mut cache = Cache::new(1000, 1000);
        let hash = |n: usize| Hash::of(&n.to_string());
        for n in 0..100 {
            cache.put(hash(n), n, 100);
            // The same again is not twice there.
            cache.put(hash(n), n, 90);
            assert_eq!(cache.get(hash(n)), Some(&mut n.clone()));
            assert!(cache.len().1 <= 1000, "{:?}", cache.len());
        }
        assert!(cache.len().0 >= 5, "{:?}", cache.len());
        cache.put(hash(99), 99, 501);
        assert_eq!(cache.get(hash(99)), None, "more than there is room for");
    }

    #[test]
    fn without_room_nothing_is_kept() {
        for mut cache in [Cache::new(0, 1000), Cache::new(10, 0)] {
            cache.put(Hash::of("a"), 1, 1);
            assert_eq!(cache.get(Hash::of("a")), None);
        }
    }
}
