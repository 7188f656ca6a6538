//! Which allows are kept: one of many, where the operator says so.
//!
//! Denies, evaluation errors and everything that is no decision are always kept. Which one of many is kept is left to chance, so that
//! nobody can place a question between two that are kept.

use super::{Entry, Kind, Texts};
use crate::{config::SampleRule, model::Decision};
use std::sync::atomic::{AtomicU64, Ordering};

/// The rules, and how much they have left out.
#[derive(Debug, Default)]
pub(crate) struct Sampling {
    rules: Vec<SampleRule>,
    left_out: AtomicU64,
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// It is kept; it stands for so many, or 0 where no rule fits.
    Kept(u32),
    /// It is left out, and counted.
    LeftOut,
}

impl Sampling {
    pub(crate) const fn new(rules: Vec<SampleRule>) -> Self {
        Self { rules, left_out: AtomicU64::new(0) }
    }

    /// How many records were left out.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Decides about one record.
    pub(crate) fn choose(&self, entry: &Entry<'_>) -> Chosen {
        let is_allow = entry.kind == Kind::Decision && entry.decision == Some(Decision::Allow);
        if !is_allow || has_any(entry.errors) {
            return Chosen::Kept(0);
        }
        match self.rules.iter().find(|rule| fits(rule, entry)) {
            None => Chosen::Kept(0),
            Some(rule) if rule.keep_one_in <= 1 => Chosen::Kept(0),
            Some(rule) if fastrand::u32(..rule.keep_one_in) == 0 => Chosen::Kept(rule.keep_one_in),
            Some(_) => {
                self.left_out.fetch_add(1, Ordering::Relaxed);
                Chosen::LeftOut
            }
        }
    }
}

fn fits(rule: &SampleRule, entry: &Entry<'_>) -> bool {
    let fits = |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|wanted| wanted == text);
    fits(&rule.user, entry.user)
        && fits(&rule.tenant, entry.tenant)
        && fits(&rule.module, entry.module)
        && fits(&rule.action, entry.action)
        && fits(&rule.resource_type, entry.resource_type)
}

fn has_any(texts: &dyn Texts) -> bool {
    let mut any = false;
    texts.each(&mut |_| any = true);
    any
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn allow<'a>() -> Entry<'a> {
        Entry {
            decision: Some(Decision::Allow),
            module: "catalog",
            action: "view",
            user: "sam",
            ..Entry::blank(Kind::Decision, Timestamp::from_micros(0), [0; 16])
        }
    }

    fn rule(module: &str, keep_one_in: u32) -> SampleRule {
        SampleRule { module: Some(module.to_owned()), keep_one_in, ..SampleRule::default() }
    }

    #[test]
    fn only_allows_that_a_rule_fits_are_left_out_and_those_kept_say_for_how_many_they_stand() {
        let sampling = Sampling::new(vec![
            SampleRule { user: Some("mona".to_owned()), keep_one_in: 1, ..SampleRule::default() },
            rule("catalog", u32::MAX),
        ]);
        // Kept by chance once in four billion.
        assert_eq!(sampling.choose(&allow()), Chosen::LeftOut);
        let always: [Entry<'_>; 5] = [
            Entry { decision: Some(Decision::Deny), ..allow() },
            Entry { errors: &["role/x: broken"], ..allow() },
            Entry { kind: Kind::Activity, ..allow() },
            Entry { module: "orders", ..allow() },
            // The first rule that fits counts.
            Entry { user: "mona", ..allow() },
        ];
        for entry in &always {
            assert_eq!(sampling.choose(entry), Chosen::Kept(0), "{entry:?}");
        }
        assert_eq!(sampling.left_out(), 1);
    }

    #[test]
    fn about_one_of_so_many_is_kept() {
        let sampling = Sampling::new(vec![rule("catalog", 10)]);
        let kept = (0..10_000).filter(|_| sampling.choose(&allow()) == Chosen::Kept(10)).count();
        // Six standard deviations to both sides.
        assert!((820..=1_180).contains(&kept), "{kept}");
        assert_eq!(sampling.left_out(), 10_000 - kept as u64);
    }
}
