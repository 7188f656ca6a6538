//! Who is named most often, in bounded memory whatever names there are.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Names that are counted at once. Who asks chooses the names, so there must be a bound.
const MOST_NAMES: usize = 65_536;

/// A name and how often it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Named {
    /// The name.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// Counts of names. Exact up to a bound; beyond it the rarer half is forgotten, and what that may have cost is known.
#[derive(Debug, Default)]
pub(super) struct Counts {
    // Of the standard library: whoever asks chooses the keys.
    names: HashMap<Box<str>, u64>,
    low_by: u64,
    most: Option<usize>,
}

impl Counts {
    #[cfg(test)]
    fn bounded(most: usize) -> Self {
        Self { most: Some(most), ..Self::default() }
    }

    /// Counts a name; the empty one is none.
    pub(super) fn add(&mut self, name: &str) {
        if name.is_empty() {
            return;
        }
        if let Some(count) = self.names.get_mut(name) {
            *count += 1;
            return;
        }
        if self.names.len() >= self.most.unwrap_or(MOST_NAMES) {
            self.forget_half();
        }
        self.names.insert(name.into(), 1);
    }

    pub(super) fn of(&self, name: &str) -> u64 {
        self.names.get(name).copied().unwrap_or(0)
    }

    /// No count is too low by more than this, that of a name which is not listed included.
    pub(super) const fn low_by(&self) -> u64 {
        self.low_by
    }

    /// The most frequent names, those that are equally frequent in the order of the alphabet.
    pub(super) fn top(&self, listed: usize) -> Vec<Named> {
        let mut all: Vec<(&str, u64)> = self.names.iter().map(|(name, count)| (&**name, *count)).collect();
        all.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        all.into_iter().take(listed).map(|(name, count)| Named { name: name.to_owned(), count }).collect()
    }

    fn forget_half(&mut self) {
        let mut counts: Vec<u64> = self.names.values().copied().collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.names.retain(|_, count| *count > median);
        // A name that is forgotten now and comes again may have been forgotten before.
        self.low_by += median;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_come_first_and_ties_in_order() {
        let mut counts = Counts::default();
        for name in ["b", "a", "c", "a", "", "b", "d"] {
            counts.add(name);
        }
        let top: Vec<(String, u64)> = counts.top(3).into_iter().map(|named| (named.name, named.count)).collect();
        assert_eq!(top, [("a".to_owned(), 2), ("b".to_owned(), 2), ("c".to_owned(), 1)]);
        assert_eq!((counts.of("d"), counts.of(""), counts.low_by()), (1, 0, 0));
    }

    #[test]
    fn names_without_end_cost_bounded_memory_and_a_bounded_error() {
        let mut counts = Counts::bounded(100);
        for n in 0..20_000 {
            counts.add(&format!("user-{n}"));
            if n % 4 == 0 {
                counts.add("sam");
            }
            assert!(counts.names.len() <= 100);
        }
        let top = counts.top(1).remove(0);
        assert_eq!(top.name, "sam");
        assert!(top.count <= 5_000 && top.count + counts.low_by() >= 5_000, "{top:?} {}", counts.low_by());
    }
}
