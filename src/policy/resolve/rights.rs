//! Rights: actions on modules that have names of their own. Those of a role become one rule for each module and condition.

use super::roles::{Granted, Resolver, Target};
use crate::{
    document::{Diagnostics, hint},
    policy::{
        catalog,
        declared::{Declared, Right, Rights, Role, Use},
        section::{Named, Spot},
    },
};

/// All named rights. One whose module or action does not exist is reported and left out.
pub(super) fn resolve(
    declared: &Declared,
    modules: &[catalog::Module],
    problems: &mut Diagnostics,
) -> Vec<catalog::Right> {
    let mut rights = Vec::new();
    for (name, right) in declared.rights.iter() {
        for used in &right.when {
            let _found = declared.conditions.find(&used.name, problems);
        }
        let found = right.action.as_ref().and_then(|action| find(action, modules, problems));
        let Some((module, action)) = found.and_then(|(at, action)| Some((modules.get(at)?, action))) else { continue };
        rights.push(catalog::Right {
            name: name.name.clone(),
            label: right.label.clone(),
            module: module.id.clone(),
            action,
            when: right.when.iter().map(|used| used.name.name.clone()).collect(),
        });
    }
    rights
}

/// The module and the action of `orders:read`.
fn find(written: &Named, modules: &[catalog::Module], problems: &mut Diagnostics) -> Option<(usize, String)> {
    // Both parts may have colons themselves.
    let splits = written.name.match_indices(':').filter_map(|(at, _)| {
        let (module, action) = (written.name.get(..at)?, written.name.get(at + 1..)?);
        Some((modules.iter().position(|known| known.id == module)?, action))
    });
    for (at, action) in splits {
        let Some(module) = modules.get(at) else { continue };
        if module.actions.iter().any(|known| known == action) {
            return Some((at, action.to_owned()));
        }
        let message = format!("the module `{}` has no action `{action}`", module.id);
        let help = hint(action, module.actions.iter().map(String::as_str));
        problems.push(written.at.error("unknown-action", message).with_help(help));
        return None;
    }
    let (message, help) = match written.name.split_once(':') {
        Some((module, _)) => {
            (format!("no module `{module}`"), hint(module, modules.iter().map(|module| module.id.as_str())))
        }
        None => (format!("no right `{}`", written.name), None),
    };
    let code = if written.name.contains(':') { "unknown-module" } else { "unknown-right" };
    let help = help.unwrap_or_else(|| "a right is written as `module:action`".to_owned());
    problems.push(written.at.error(code, message).with_help(help));
    None
}

/// One right that a role has.
struct Held<'r> {
    at: Spot,
    module: usize,
    action: String,
    when: &'r [Use],
}

impl<'r> Resolver<'r> {
    /// The rules of a role's rights.
    pub(super) fn rights(&mut self, name: &Named, role: &'r Role, cells: &mut Vec<catalog::Cell>) {
        let mut open = self.held(role);
        while !open.is_empty() {
            let key = |held: &Held<'_>| {
                (held.module, held.when.iter().map(|used| used.name.name.clone()).collect::<Vec<_>>())
            };
            let Some(first) = open.first().map(key) else { return };
            let (alike, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(|held| key(held) == first);
            open = rest;
            let Some(held) = alike.first() else { return };
            let Some(when) = super::conditions::apply((name, role), held.when, self.declared, self.problems) else {
                continue;
            };
            let target = Target { role: name, module: held.module, named: true, at: &held.at, areas: &[] };
            let actions = alike.iter().map(|held| held.action.clone()).collect();
            cells.extend(self.rule(&target, when, Granted { level: None, actions }));
        }
    }

    fn held(&mut self, role: &'r Role) -> Vec<Held<'r>> {
        match &role.rights {
            None => Vec::new(),
            Some(Rights::Listed(list)) => self.listed(list),
            Some(Rights::AllBut(at, excluded)) => {
                for right in excluded {
                    let _found = self.declared.rights.find(right, self.problems);
                }
                let declared = self.declared;
                let named =
                    declared.rights.iter().filter(|(name, _)| !excluded.iter().any(|out| out.name == name.name));
                let held: Vec<_> = named.filter_map(|(name, right)| self.named(name, right, at)).collect();
                if held.is_empty() {
                    self.problems.push(at.error("empty-cell", "no right is left"));
                }
                held
            }
        }
    }

    fn listed(&mut self, list: &'r [Named]) -> Vec<Held<'r>> {
        let mut held: Vec<Held<'r>> = Vec::new();
        let mut seen: Vec<&Named> = Vec::new();
        for right in list {
            if let Some(first) = seen.iter().find(|first| first.name == right.name) {
                let message = format!("the right `{}` is given twice", right.name);
                let problem = right.at.error("duplicate-assignment", message);
                self.problems.push(problem.with_related("first given", &first.at.text, first.at.span.clone()));
                continue;
            }
            seen.push(right);
            match self.declared.rights.get(&right.name) {
                Some(known) => held.extend(self.named(right, known, &right.at)),
                // A right without a name of its own.
                None if right.name.contains(':') => {
                    let found = find(right, &self.catalog.modules, self.problems);
                    held.extend(found.map(|(module, action)| Held { at: right.at.clone(), module, action, when: &[] }));
                }
                None => drop(self.declared.rights.find(right, self.problems)),
            }
        }
        held
    }

    /// A right that has a name; `None` where its declaration has been reported.
    fn named(&self, name: &Named, right: &'r Right, at: &Spot) -> Option<Held<'r>> {
        let known = self.catalog.rights.iter().find(|known| known.name == name.name)?;
        let module = self.modules.get(known.module.as_str()).copied()?;
        Some(Held { at: at.clone(), module, action: known.action.clone(), when: &right.when })
    }
}
