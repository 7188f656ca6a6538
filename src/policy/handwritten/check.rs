//! What hand-written policies say, held against the schema and against the names that the set declares.

use super::{Handwritten, Static, parse::mentions, shape};
use crate::{
    document::{Diagnostics, hint},
    policy::{cache::Cache, cedar, resolve::Resolved, section::Spot},
};
use cedar_policy::{
    Policy, PolicyId, PolicySet, ValidationError, ValidationMode, ValidationResult, ValidationWarning, Validator,
};
use cedar_policy_core::ast::EntityUID;
use std::{
    collections::{BTreeSet, HashSet},
    num::NonZero,
    panic::resume_unwind,
    sync::Arc,
    thread,
};

impl Handwritten {
    /// Checks everything against a schema, in strict mode. `under` is the schema's text. Policies in which nothing was found under
    /// it before are not looked at again: Cedar checks each for itself. Of those that are alike the first is checked, and the
    /// others where something is found in it.
    pub(in crate::policy) fn check(
        &self,
        validator: &Validator,
        under: &str,
        cache: &mut Cache,
        problems: &mut Diagnostics,
    ) {
        let sound = cache.sound_policies(under);
        let open = self.statics.iter().filter(|policy| !sound.contains(&policy.source));
        let alike = shape::alike(open, validator.schema());
        let firsts: Vec<&Static> = alike.iter().filter_map(|alike| alike.first().copied()).collect();
        let mut results = validate(validator, &firsts);
        results.extend(self.validate_linked(validator));
        let found = found_in(&results);
        let is_found = |policy: &&Static| found.contains(policy.ready.policy.id());
        let others = alike.iter().filter(|alike| alike.first().is_some_and(is_found));
        let others: Vec<&Static> = others.flat_map(|alike| alike.iter().skip(1).copied()).collect();
        results.extend(validate(validator, &others));
        for result in &results {
            self.report(result, problems);
        }
        let found = found_in(&results);
        // What is there no more is forgotten.
        let statics = self.statics.iter().filter(|policy| !found.contains(policy.ready.policy.id()));
        *sound = statics.map(|policy| Arc::clone(&policy.source)).collect();
    }

    /// Templates and their links, which are few, are looked at each time.
    fn validate_linked(&self, validator: &Validator) -> Option<ValidationResult> {
        let is_empty = self.linked.templates().next().is_none();
        (!is_empty).then(|| validator.validate(&self.linked, ValidationMode::Strict))
    }

    fn report(&self, result: &ValidationResult, problems: &mut Diagnostics) {
        for error in result.validation_errors() {
            let code = match error {
                ValidationError::UnrecognizedActionId(_) => "unknown-action",
                ValidationError::UnrecognizedEntityType(_) => "unknown-type",
                _ => "cedar-validation",
            };
            let Some(at) = self.place(error.policy_id(), error) else { continue };
            let label = cedar::part(error).and_then(|(_, label)| label);
            let mut problem = at.error(code, cedar::plain_message(&error.to_string()));
            if let Some(label) = label {
                problem = problem.with_label(label);
            }
            problems.push(problem.with_help(miette::Diagnostic::help(error).map(|help| help.to_string())));
        }
        // Of a policy that never applies, Cedar says so in several ways; of one with an error it is no wonder.
        let mut told: HashSet<&PolicyId> = result.validation_errors().map(ValidationError::policy_id).collect();
        for warning in result.validation_warnings() {
            let code = match warning {
                ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
                    if !told.insert(warning.policy_id()) {
                        continue;
                    }
                    "policy-never-applies"
                }
                _ => "confusable-text",
            };
            let Some(at) = self.place(warning.policy_id(), warning) else { continue };
            problems.push(at.warning(code, cedar::plain_message(&warning.to_string())));
        }
    }

    /// Where Cedar's message belongs: the part it marks, or the policy. The marks of a link are those of its template.
    fn place(&self, id: &PolicyId, error: &dyn miette::Diagnostic) -> Option<Spot> {
        let key: &str = id.as_ref();
        let own = self.places.get(key)?;
        let template = self.linked.policy(id).and_then(Policy::template_id);
        let at = template.and_then(|id| self.places.get(<PolicyId as AsRef<str>>::as_ref(id))).unwrap_or(own);
        let part = cedar::part(error).map_or_else(|| at.span.clone(), |(part, _)| part);
        Some(Spot::of(&at.text, &part))
    }

    /// Reports roles, gates, modules, areas and grants that the YAML files do not declare. Roles that are named are not idle.
    pub(in crate::policy) fn check_names(&self, resolved: &mut Resolved, problems: &mut Diagnostics) {
        let known = Known::of(resolved);
        let mut roles: HashSet<String> = HashSet::new();
        let mut look = |uid: &EntityUID, at: &dyn Fn() -> Spot| {
            let ty = uid.entity_type().to_string();
            known.check(&ty, uid, at, problems);
            if ty == "Role" {
                roles.insert(AsRef::<str>::as_ref(uid.eid()).to_owned());
            }
        };
        for policy in &self.statics {
            let Some(own) = self.places.get(&policy.ready.facts.id) else { continue };
            for (uid, span) in policy.mentions.iter() {
                look(uid, &|| span.as_ref().map_or_else(|| own.clone(), |span| Spot::of(&own.text, span)));
            }
        }
        for template in self.linked.templates() {
            let Some(own) = self.places.get(<PolicyId as AsRef<str>>::as_ref(template.id())) else { continue };
            for (uid, span) in mentions(&template.as_ref().condition()) {
                look(&uid, &|| span.as_ref().map_or_else(|| own.clone(), |span| Spot::of(&own.text, span)));
            }
        }
        for link in self.linked.policies() {
            let Some(own) = self.places.get(<PolicyId as AsRef<str>>::as_ref(link.id())) else { continue };
            for (_, uid) in link.template_links().into_iter().flatten() {
                look(&uid.into(), &|| own.clone());
            }
        }
        resolved.idle_roles.retain(|idle| !roles.contains(&idle.name));
    }
}

/// Policies that make a further thread worth while.
const WORTH_A_THREAD: usize = 16;

/// As much of a thread's stack as a process begins with: Cedar's checker recurses.
const STACK: usize = 8 * 1024 * 1024;

/// Checks policies, each for itself, on as many threads as there are processors. Threads take over the priority of this one.
fn validate(validator: &Validator, policies: &[&Static]) -> Vec<ValidationResult> {
    let check = |policies: &[&Static]| {
        let mut set = PolicySet::new();
        for policy in policies {
            // Ids were checked to be unique.
            let _added = set.add(policy.ready.policy.clone());
        }
        validator.validate(&set, ValidationMode::Strict)
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = policies.len().div_ceil(threads).max(WORTH_A_THREAD);
    if policies.len() <= share {
        return if policies.is_empty() { Vec::new() } else { vec![check(policies)] };
    }
    thread::scope(|scope| {
        let start = |share| {
            let thread = thread::Builder::new().name("check".to_owned()).stack_size(STACK);
            // Where there is no thread to be had, this one does it.
            thread.spawn_scoped(scope, move || check(share)).map_err(|_| share)
        };
        let started: Vec<_> = policies.chunks(share).map(start).collect();
        let results = started.into_iter().map(|started| match started {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Err(share) => check(share),
        });
        results.collect()
    })
}

/// The policies in which something was found.
fn found_in(results: &[ValidationResult]) -> HashSet<&PolicyId> {
    let errors = results.iter().flat_map(ValidationResult::validation_errors).map(ValidationError::policy_id);
    let warnings = results.iter().flat_map(ValidationResult::validation_warnings).map(ValidationWarning::policy_id);
    errors.chain(warnings).collect()
}

/// The names that a hand-written policy may use, by entity type.
struct Known {
    names: [(&'static str, &'static str, &'static str, BTreeSet<String>); 5],
}

impl Known {
    fn of(resolved: &Resolved) -> Self {
        let catalog = &resolved.catalog;
        let areas = catalog.modules.iter().flat_map(|m| m.areas.iter().map(move |area| format!("{}/{area}", m.id)));
        let grants = catalog.modules.iter().flat_map(|module| {
            let levels = catalog.levels.iter().filter(|level| !module.actions_of(level).is_empty());
            levels.map(move |level| format!("{}/{}", module.id, level.name))
        });
        Self {
            names: [
                ("Role", "role", "unknown-role", catalog.roles.iter().map(|role| role.id.clone()).collect()),
                ("Gate", "gate", "unknown-gate", catalog.gates.iter().map(|gate| gate.id.clone()).collect()),
                (
                    "Module",
                    "module",
                    "unknown-module",
                    catalog.compiled_modules().map(|module| module.id.clone()).collect(),
                ),
                ("Area", "area", "unknown-area", areas.collect()),
                ("Grant", "grant", "unknown-grant", grants.collect()),
            ],
        }
    }

    fn check(&self, ty: &str, uid: &EntityUID, at: &dyn Fn() -> Spot, problems: &mut Diagnostics) {
        let id: &str = uid.eid().as_ref();
        let Some((_, noun, code, names)) = self.names.iter().find(|(known, ..)| *known == ty) else { return };
        if !names.contains(id) {
            let help = hint(id, names.iter().map(String::as_str));
            problems.push(at().error(code, format!("no {noun} `{id}`")).with_help(help));
        }
    }
}
