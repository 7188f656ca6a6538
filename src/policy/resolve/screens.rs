//! Presets and menu items.

use crate::{
    document::Diagnostics,
    policy::{
        catalog::{Catalog, MenuItem, Preset},
        declared::{self, Declared},
        names::{EVERY_MODULE, NO_LEVEL},
        section::Named,
    },
};
use rustc_hash::FxHashSet;

/// Looks up what presets and menu items name.
pub(super) fn resolve(declared: &Declared, catalog: &mut Catalog, problems: &mut Diagnostics) {
    let presets = declared.presets.iter().map(|(id, preset)| self::preset(id, preset, declared, catalog, problems));
    let presets = presets.collect();
    catalog.presets = presets;
    for (id, item) in declared.menu.iter() {
        if let Some(gate) = &item.gate {
            let _found = declared.gates.find(gate, problems);
        }
        for module in &item.modules {
            let _found = declared.modules.find(module, problems);
        }
        catalog.menu.push(MenuItem {
            id: id.name.clone(),
            label: item.label.clone(),
            gate: item.gate.as_ref().map(|gate| gate.name.clone()),
            modules: item.modules.iter().map(|module| module.name.clone()).collect(),
        });
    }
}

fn preset(
    id: &Named,
    preset: &declared::Preset,
    declared: &Declared,
    catalog: &Catalog,
    problems: &mut Diagnostics,
) -> Preset {
    for gate in &preset.gates {
        let _found = declared.gates.find(gate, problems);
    }
    let mut levels = Vec::new();
    let named: FxHashSet<&str> = preset.modules.iter().map(|(module, _)| module.name.as_str()).collect();
    for (module, level) in &preset.modules {
        if level.name == NO_LEVEL || declared.levels.find(level, problems).is_none() {
            continue;
        }
        if module.name == EVERY_MODULE {
            let others = catalog.grants_of_level(&level.name).map(|(module, _)| module);
            let others = others.filter(|module| !named.contains(module.id.as_str()));
            levels.extend(others.map(|module| (module.id.clone(), level.name.clone())));
        } else if declared.modules.find(module, problems).is_some() {
            let known = catalog.grants_of_level(&level.name).any(|(found, _)| found.id == module.name);
            if !known && catalog.module(&module.name).is_some() {
                let message = format!("the level `{}` has no action of the module `{}`", level.name, module.name);
                problems.push(level.at.error("level-without-effect", message));
            }
            levels.push((module.name.clone(), level.name.clone()));
        }
    }
    Preset {
        id: id.name.clone(),
        label: preset.label.clone(),
        gates: preset.gates.iter().map(|gate| gate.name.clone()).collect(),
        levels,
    }
}
