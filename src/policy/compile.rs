//! From files to a snapshot.

use super::{
    Options, Snapshot,
    cache::Cache,
    cases, cedar,
    declared::Declared,
    decode,
    files::{Files, Sort},
    handwritten::{self, Numbering},
    plain,
    resolve::{self, Resolved, Rule},
    section::Spot,
};
use crate::{
    document::{Diagnostic, Diagnostics, Text},
    engine::{Dialect, PolicyFacts, Program, Source},
};
use cedar_policy::{Policy, Schema};
use rustc_hash::{FxHashMap, FxHashSet};
use std::{fmt::Write as _, sync::Arc};

/// Compiles a policy set, with what the last compilation has left.
pub(super) fn compile(files: &Files, options: &Options, cache: &mut Cache) -> Result<Snapshot, Diagnostics> {
    if !files.has(Sort::Yaml) && !files.has(Sort::Cedar) {
        let problem = Diagnostic::whole("empty-set", &files.root(), "there is no policy file here");
        let help = "a policy set holds *.yaml or *.cedar files".to_owned();
        return Err(problem.with_help(help).into());
    }
    let mut problems = Diagnostics::default();
    let made = if files.has(Sort::Yaml) && !plain::has_routes_alone(files) {
        declared(files, options, cache, &mut problems)
    } else {
        plain::compile(files, options, cache, &mut problems)
    };
    let tests = tests(files, made.as_ref(), &mut problems);
    let warnings = problems.finish()?;
    let Some(mut made) = made else { return Err(internal(files, "nothing was made of the files")) };
    let user_places = made.users.iter().filter_map(|user| made.places.get(&user.id)).map(Spot::location).collect();
    // The room that it took is there for what is built now.
    (made.declared, made.places) = (None, resolve::Places::default());
    let entities = made.source.entities.clone();
    let program = Program::build(made.source).map_err(|error| internal(files, &error.to_string()))?;
    Ok(Snapshot {
        revision: files.revision(),
        name: made.name,
        description: made.description,
        files: files.len(),
        program,
        users: made.users,
        user_places,
        catalog: Arc::new(made.catalog),
        routes: made.routes,
        tests: tests.list,
        test_users: tests.users,
        warnings,
        schema: made.schema,
        cedar: made.texts,
        entities,
    })
}

/// The set's tests. Their names can be looked up once the set itself is sound.
fn tests(files: &Files, made: Option<&Made>, problems: &mut Diagnostics) -> cases::Tests {
    let ground = match made.map(|made| (made, &made.declared, &made.source.dialect)) {
        Some((made, Some(declared), Dialect::Declared(vocabulary))) => {
            let (users, places, catalog, routes) = (&made.users, &made.places, &made.catalog, &made.routes);
            cases::Ground::Declared { declared, users, places, catalog, vocabulary, routes }
        }
        Some((made, ..)) => cases::Ground::Plain { routes: &made.routes },
        None => cases::Ground::Unsound,
    };
    cases::read(files, &ground, problems)
}

/// What a set is compiled to, before it is a program.
pub(super) struct Made {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) source: Source,
    pub(super) users: Vec<Arc<crate::model::User>>,
    /// Where each of them is declared.
    pub(super) places: resolve::Places,
    pub(super) catalog: super::Catalog,
    pub(super) routes: super::Routes,
    pub(super) schema: String,
    pub(super) texts: Vec<Arc<str>>,
    /// What the files declare; nothing in a set of plain Cedar.
    pub(super) declared: Option<Declared>,
}

/// A policy with what is known about it and its text.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) policy: Policy,
    pub(super) facts: PolicyFacts,
    pub(super) text: Arc<str>,
}

/// The directory's name stands in for a set's.
pub(super) fn directory_name(files: &Files) -> String {
    let root = files.root();
    root.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned()
}

fn internal(files: &Files, message: &str) -> Diagnostics {
    Diagnostic::whole("cannot-compile", &files.root(), message).into()
}

/// A set with YAML files.
fn declared(files: &Files, options: &Options, cache: &mut Cache, problems: &mut Diagnostics) -> Option<Made> {
    let mut declared = Declared::default();
    let all_read = decode::files(&files.of(Sort::Yaml).collect::<Vec<_>>(), &mut declared, problems);
    unexpected(files, problems);
    let cedar_files: Vec<Text> = files.of(Sort::Cedar).collect();
    if !all_read {
        // What the others refer to may stand in the file that could not be read: to look it up would be to report what nobody
        // has done wrong. What cannot be read in other files is told at once.
        handwritten::read(&cedar_files, Numbering::ByFile, &FxHashMap::default(), cache, problems);
        return None;
    }
    let mut resolved = resolve::resolve(&mut declared, problems);
    let conditions = cedar::conditions(&declared, &resolved.rules, problems);
    unused_conditions(&declared, problems);
    cache.conditions(&conditions);

    let taken = if cedar_files.is_empty() { FxHashMap::default() } else { taken(&resolved) };
    let mut by_hand = handwritten::read(&cedar_files, Numbering::ByFile, &taken, cache, problems);
    by_hand.link(&files.of(Sort::Links).collect::<Vec<_>>(), &taken, problems);
    by_hand.check_names(&mut resolved, problems);
    // A policy that could not be read may name the role.
    for idle in resolved.idle_roles.iter().filter(|_| by_hand.is_whole) {
        let problem = idle.at.error("role-without-effect", format!("the role `{}` grants nothing", idle.name));
        problems.push(problem.with_help("give it `grants`, or let it include a role that has some".to_owned()));
    }

    let schema_text = cedar::schema_text(&resolved.catalog, &resolved.vocabulary);
    let make = || schema(&schema_text, files, problems);
    let validator = if resolved.types_are_sound { cache.schema(&schema_text, make) } else { None };
    let Resolved { rules, catalog, vocabulary, routes, users, places, .. } = resolved;
    let drafts = cedar::Drafts::new(&catalog, &conditions)?;
    if let Some(validator) = &validator {
        let compiled = cedar::Compiled { rules: &rules, drafts: &drafts, vocabulary: &vocabulary };
        cedar::check(compiled, cache, problems);
        by_hand.check(validator, &schema_text, cache, problems);
    }
    let validator = validator.filter(|_| !problems.has_errors())?;
    let entities = match cedar::entities(&catalog, &rules, validator.schema()) {
        Ok(entities) => entities,
        Err(error) => {
            problems.append(internal(files, &cedar::chain(&error)));
            return None;
        }
    };
    let expected = rules.len();
    let module = |rule: &Rule| catalog.module_at(rule.module).map(|module| module.id.as_str());
    let make = |rule: &Rule| drafts.draft(rule).and_then(|draft| Ready::compiled(&draft));
    let mut ready = cache.rules(rules, module, make);
    ready.extend(by_hand.ready().cloned());
    is_whole(&ready, expected + by_hand.len(), files, problems)?;
    let (policies, facts, texts) = apart(ready);
    Some(Made {
        name: declared.name.as_ref().map_or_else(|| directory_name(files), |name| name.name.clone()),
        description: declared.description.as_ref().map(|description| description.name.clone()),
        source: Source {
            policies,
            entities,
            facts,
            dialect: Dialect::Declared(Arc::new(vocabulary)),
            forbid_errors: options.forbid_errors,
        },
        users,
        places,
        catalog,
        routes,
        schema: schema_text,
        texts,
        declared: Some(declared),
    })
}

/// The ids of rules, which hand-written policies must not take.
fn taken(resolved: &Resolved) -> FxHashMap<Arc<str>, Spot> {
    resolved.rules.iter().map(|rule| (Arc::clone(&rule.id), rule.at.clone())).collect()
}

/// The generated schema. What Cedar refuses there has slipped past our own checks.
fn schema(text: &str, files: &Files, problems: &mut Diagnostics) -> Option<Schema> {
    match Schema::from_cedarschema_str(text) {
        Ok((schema, _warnings)) => Some(schema),
        Err(error) => {
            problems.append(internal(files, &format!("the generated schema is not valid: {}", cedar::chain(&error))));
            None
        }
    }
}

/// Files of plain Cedar sets that a set with YAML has no use for. To ignore them would be to guess.
fn unexpected(files: &Files, problems: &mut Diagnostics) {
    let schemas = files.of(Sort::Schema).chain(files.of(Sort::SchemaJson)).map(|text| {
        (text, "a set with YAML files has its schema generated", "declare modules, attributes and context in YAML")
    });
    let entities = files
        .of(Sort::Entities)
        .map(|text| (text, "a set with YAML files has no stored entities", "declare roles and users in YAML"));
    for (text, message, help) in schemas.chain(entities) {
        problems.push(Diagnostic::whole("unexpected-file", &text, message).with_help(help.to_owned()));
    }
}

fn unused_conditions(declared: &Declared, problems: &mut Diagnostics) {
    let used = declared.roles.iter().flat_map(|(_, role)| &role.grants).flat_map(|(_, cells)| cells);
    let rights = declared.rights.iter().flat_map(|(_, right)| &right.when);
    let used = used.flat_map(|cell| &cell.when).chain(rights);
    let used: rustc_hash::FxHashSet<&str> = used.map(|condition| condition.name.name.as_str()).collect();
    for (name, _) in declared.conditions.iter().filter(|(name, _)| !used.contains(name.name.as_str())) {
        problems.push(name.at.warning("unused-condition", format!("no cell uses the condition `{}`", name.name)));
    }
}

/// Policies, what is known about them, and their texts.
pub(super) fn apart(ready: Vec<Ready>) -> (Vec<Policy>, Vec<PolicyFacts>, Vec<Arc<str>>) {
    let mut parts = (Vec::with_capacity(ready.len()), Vec::with_capacity(ready.len()), Vec::with_capacity(ready.len()));
    for Ready { policy, facts, text } in ready {
        parts.0.push(policy);
        parts.1.push(facts);
        parts.2.push(text);
    }
    parts
}

/// Holds that no policy was lost on the way: without one of them, a set could allow what its files forbid.
pub(super) fn is_whole(ready: &[Ready], expected: usize, files: &Files, problems: &mut Diagnostics) -> Option<()> {
    let ids: FxHashSet<&str> = ready.iter().map(|ready| &*ready.facts.id).collect();
    if ready.len() == expected && ids.len() == expected {
        return Some(());
    }
    problems.append(internal(files, &format!("{expected} policies were to be made, {} were", ids.len())));
    None
}

impl Ready {
    /// A policy made of a rule.
    fn compiled(draft: &cedar::Draft) -> Option<Self> {
        let mut text = String::new();
        draft.write(&mut text);
        Some(Self { policy: draft.policy()?, facts: draft.facts(), text: text.into() })
    }

    /// A policy written by hand, with its source.
    pub(super) fn by_hand(facts: PolicyFacts, policy: Policy, source: &str) -> Self {
        let text = annotated(&facts, &policy, source).into();
        Self { policy, facts, text }
    }
}

/// A hand-written policy with its id and place in front, where it does not say them itself.
fn annotated(facts: &PolicyFacts, policy: &Policy, text: &str) -> String {
    let mut lines = String::new();
    let source = facts.location.as_ref().map(ToString::to_string);
    for (key, value) in [("id", Some(facts.id.to_string())), ("source", source)] {
        let given = policy.annotation(key).filter(|_| policy.is_static() || key != "id");
        if let (None, Some(value)) = (given, value) {
            // Writing to a string cannot fail.
            let _written = writeln!(lines, "@{key}(\"{}\")", value.escape_debug());
        }
    }
    format!("{lines}{}\n", text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::files;
    use cedar_policy::PolicySet;
    use std::path::Path;

    /// The policies of a set as they were built, and as its printed text says them.
    #[track_caller]
    fn check(directory: &str) {
        let files = files::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap();
        let mut problems = Diagnostics::default();
        let made = declared(&files, &Options::default(), &mut Cache::default(), &mut problems).unwrap();
        let printed: PolicySet = made.texts.concat().parse().unwrap();
        let built: Vec<_> = made.source.policies.iter().filter(|policy| policy.is_static()).collect();
        let printed: Vec<_> = printed.policies().collect();
        assert!(built.len() > 5 && printed.len() >= built.len());
        for (built, printed) in built.into_iter().zip(printed) {
            let (built, printed) = (built.as_ref(), printed.as_ref());
            assert_eq!(built.effect(), printed.effect(), "{}", built.id());
            assert_eq!(built.principal_constraint(), printed.principal_constraint(), "{}", built.id());
            assert_eq!(built.action_constraint(), printed.action_constraint(), "{}", built.id());
            assert_eq!(built.resource_constraint(), printed.resource_constraint(), "{}", built.id());
            match (built.non_scope_constraints(), printed.non_scope_constraints()) {
                (Some(built), Some(printed)) => assert!(built.eq_shape(printed), "{built} is not {printed}"),
                (built, printed) => assert_eq!(built.is_none(), printed.is_none(), "{built:?} is not {printed:?}"),
            }
        }
    }

    #[test]
    fn the_printed_text_says_what_the_built_policies_say() {
        check("tests/cases/printed/rich");
        for set in ["demo", "8move", "propeller", "omc", "backbone"] {
            check(&format!("policies/{set}"));
        }
    }
}
