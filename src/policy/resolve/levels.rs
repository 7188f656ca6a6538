//! Levels: named sets of actions that may include each other.

use super::order::inclusion_order;
use crate::{
    document::Diagnostics,
    policy::{catalog, declared::Level, names::NO_LEVEL, section::Section},
};

/// All levels with the actions of those they include, in the order of the files.
pub(super) fn resolve(section: &Section<Level>, problems: &mut Diagnostics) -> Vec<catalog::Level> {
    for (name, level) in section.iter() {
        if name.name == NO_LEVEL {
            let message = format!("`{NO_LEVEL}` is what a cell says to grant nothing; no level can be called so");
            problems.push(name.at.error("reserved-name", message));
        }
        for include in &level.includes {
            let _found = section.find(include, problems);
        }
    }
    let order = inclusion_order(section, "level", |level| &level.includes, problems);
    let items: Vec<_> = section.iter().collect();
    let mut resolved: Vec<Option<catalog::Level>> = vec![None; items.len()];
    let index: rustc_hash::FxHashMap<&str, usize> = section.names().enumerate().map(|(at, name)| (name, at)).collect();
    for at in order {
        let Some((name, level)) = items.get(at) else { continue };
        let mut whole =
            catalog::Level { name: name.name.clone(), actions: Vec::new(), module_actions: level.module_actions };
        for include in &level.includes {
            let included = index.get(include.name.as_str()).and_then(|&at| resolved.get(at)).and_then(Option::as_ref);
            if let Some(included) = included {
                whole.module_actions |= included.module_actions;
                add(&mut whole.actions, included.actions.iter().map(String::as_str));
            }
        }
        add(&mut whole.actions, level.actions.iter().map(|action| action.name.as_str()));
        if let Some(slot) = resolved.get_mut(at) {
            *slot = Some(whole);
        }
    }
    resolved.into_iter().flatten().collect()
}

/// Adds names that are not there yet.
pub(super) fn add<'n>(list: &mut Vec<String>, names: impl IntoIterator<Item = &'n str>) {
    for name in names {
        if !list.iter().any(|known| known == name) {
            list.push(name.to_owned());
        }
    }
}
