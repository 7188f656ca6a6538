//! What is allowed in a module, in the few words that fit into a matrix.

use super::{ActionAccess, ModuleAccess, Way};
use crate::policy::catalog::{Level, Module};

/// Actions that are allowed under the same limits.
struct Group<'a, 's> {
    limits: Option<&'a Way<'s>>,
    unless: &'a [&'s str],
    actions: Vec<&'s str>,
}

/// Puts what is allowed into words.
pub(super) fn summarize<'s>(access: &mut ModuleAccess<'s>, module: &'s Module, levels: &'s [Level]) {
    let groups = group(&access.actions);
    let words: Vec<_> = groups.iter().map(|group| group.words(module, levels)).collect();
    let level = match groups.as_slice() {
        [Group { limits: None, unless: [], actions }] => exact(actions, module, levels),
        _ => None,
    };
    access.summary = words.join("; ");
    access.level = level;
}

fn group<'a, 's>(actions: &'a [ActionAccess<'s>]) -> Vec<Group<'a, 's>> {
    let mut groups: Vec<Group<'a, 's>> = Vec::new();
    let mut add = |limits: Option<&'a Way<'s>>, unless: &'a [&'s str], action: &'s str| {
        let same = |group: &&mut Group<'_, '_>| match (group.limits, limits) {
            _ if group.unless != unless => false,
            (None, None) => true,
            (Some(one), Some(other)) => one.has_limits_of(other),
            _ => false,
        };
        match groups.iter_mut().find(same) {
            Some(group) if group.actions.contains(&action) => {}
            Some(group) => group.actions.push(action),
            None => groups.push(Group { limits, unless, actions: vec![action] }),
        }
    };
    for action in actions {
        for way in &action.ways {
            add(Some(way).filter(|way| !way.is_free()), &action.unless, action.action);
        }
    }
    // What is always allowed comes first.
    groups.sort_by_key(|group| (group.limits.is_some(), !group.unless.is_empty()));
    groups
}

impl Group<'_, '_> {
    fn words(&self, module: &Module, levels: &[Level]) -> String {
        let mut words = named(&self.actions, module, levels);
        if let Some(limits) = self.limits {
            if !limits.resources.is_empty() {
                words.push_str(" on ");
                words.push_str(&some(&limits.resources));
            }
            for (before, names, between) in
                [(" on ", &limits.types, ", "), (" in ", &limits.areas, ", "), (" when ", &limits.conditions, " and ")]
            {
                if !names.is_empty() {
                    words.push_str(before);
                    words.push_str(&names.join(between));
                }
            }
        }
        if !self.unless.is_empty() {
            words.push_str(" unless ");
            words.push_str(&some(self.unless));
        }
        words
    }
}

/// The first of many names.
fn some<T: AsRef<str>>(names: &[T]) -> String {
    /// Names that fit.
    const MOST: usize = 3;
    let shown = names.iter().take(MOST).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Actions by the largest level that they contain, and what is left beside it.
fn named(actions: &[&str], module: &Module, levels: &[Level]) -> String {
    if let Some(level) = exact(actions, module, levels) {
        return level.to_owned();
    }
    if actions.len() == module.actions.len() {
        return "all".to_owned();
    }
    let contained = levels.iter().map(|level| (level, module.actions_of(level))).filter(|(_, of_level)| {
        !of_level.is_empty() && of_level.iter().all(|action| actions.contains(&action.as_str()))
    });
    let Some((level, of_level)) = contained.max_by_key(|(_, of_level)| of_level.len()) else {
        return actions.join(", ");
    };
    let rest = actions.iter().filter(|action| !of_level.iter().any(|known| known == *action)).copied();
    std::iter::once(level.name.as_str()).chain(rest).collect::<Vec<_>>().join(" + ")
}

/// The level that has exactly these actions.
fn exact<'s>(actions: &[&str], module: &Module, levels: &'s [Level]) -> Option<&'s str> {
    let same = |level: &&Level| {
        let of_level = module.actions_of(level);
        of_level.len() == actions.len() && of_level.iter().all(|action| actions.contains(&action.as_str()))
    };
    levels.iter().find(same).map(|level| level.name.as_str())
}
