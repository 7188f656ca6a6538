//! From files to a snapshot.

use super::{
    Options, Snapshot, cases, cedar,
    declared::Declared,
    decode,
    files::{Files, Sort},
    handwritten::{self, Handwritten, Numbering},
    plain,
    resolve::{self, Resolved},
    section::Spot,
};
use crate::{
    document::{Diagnostic, Diagnostics, Text},
    engine::{Dialect, Program, Source},
};
use cedar_policy::{PolicySet, Schema};
use rustc_hash::FxHashMap;
use std::{fmt::Write as _, sync::Arc};

/// Compiles a policy set.
///
/// # Errors
/// Fails with every problem of the set, sorted by file and place, where at least one of them is an error.
pub fn compile(files: &Files, options: &Options) -> Result<Snapshot, Diagnostics> {
    if !files.has(Sort::Yaml) && !files.has(Sort::Cedar) {
        let problem = Diagnostic::whole("empty-set", &files.root(), "there is no policy file here");
        let help = "a policy set holds *.yaml or *.cedar files; `sidegate init` writes one to begin with".to_owned();
        return Err(problem.with_help(help).into());
    }
    let mut problems = Diagnostics::default();
    let made = if files.has(Sort::Yaml) {
        declared(files, options, &mut problems)
    } else {
        plain::compile(files, options, &mut problems)
    };
    let tests = tests(files, made.as_ref(), &mut problems);
    let warnings = problems.finish()?;
    let Some(made) = made else { return Err(internal(files, "nothing was made of the files")) };
    let entities = made.source.entities.clone();
    let program = Program::build(made.source).map_err(|error| internal(files, &error.to_string()))?;
    Ok(Snapshot {
        revision: files.revision(),
        name: made.name,
        description: made.description,
        files: files.len(),
        program,
        users: made.users.into_iter().map(Arc::new).collect(),
        catalog: made.catalog,
        tests: tests.list,
        test_users: tests.users.into_iter().map(Arc::new).collect(),
        warnings,
        schema: made.schema,
        cedar: made.cedar,
        entities,
    })
}

/// The set's tests. Their names can be looked up once the set itself is sound.
fn tests(files: &Files, made: Option<&Made>, problems: &mut Diagnostics) -> cases::Tests {
    let ground = match made.map(|made| (made, &made.declared, &made.source.dialect)) {
        Some((made, Some(declared), Dialect::Declared(vocabulary))) => {
            cases::Ground::Declared { declared, users: &made.users, catalog: &made.catalog, vocabulary }
        }
        Some(_) => cases::Ground::Plain,
        None => cases::Ground::Unsound,
    };
    cases::read(files, &ground, problems)
}

/// What a set is compiled to, before it is a program.
pub(super) struct Made {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) source: Source,
    pub(super) users: Vec<crate::model::User>,
    pub(super) catalog: super::Catalog,
    pub(super) schema: String,
    pub(super) cedar: String,
    /// What the files declare; nothing in a set of plain Cedar.
    pub(super) declared: Option<Declared>,
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
fn declared(files: &Files, options: &Options, problems: &mut Diagnostics) -> Option<Made> {
    let mut declared = Declared::default();
    decode::files(&files.of(Sort::Yaml).collect::<Vec<_>>(), &mut declared, problems);
    unexpected(files, problems);
    let mut resolved = resolve::resolve(&declared, problems);
    let conditions = cedar::conditions(&declared, &resolved.rules, problems);
    unused_conditions(&declared, problems);
    let drafts = cedar::drafts(&resolved.rules, &resolved.catalog, &conditions);

    let taken: FxHashMap<Arc<str>, Spot> =
        resolved.rules.iter().map(|rule| (Arc::clone(&rule.id), rule.at.clone())).collect();
    let cedar_files: Vec<Text> = files.of(Sort::Cedar).collect();
    let mut by_hand = handwritten::read(&cedar_files, Numbering::ByFile, &taken, problems);
    by_hand.link(&files.of(Sort::Links).collect::<Vec<_>>(), &taken, problems);
    by_hand.check_names(&mut resolved, problems);
    for idle in &resolved.idle_roles {
        let problem = idle.at.error("role-without-effect", format!("the role `{}` grants nothing", idle.name));
        problems.push(problem.with_help("give it `grants`, or let it include a role that has some".to_owned()));
    }

    let schema_text = cedar::schema_text(&resolved.catalog, &resolved.vocabulary);
    let schema = if resolved.types_are_sound { schema(&schema_text, files, problems) } else { None };
    if let Some(schema) = &schema {
        let Resolved { rules, catalog, vocabulary, .. } = &resolved;
        let compiled = cedar::Compiled { rules, drafts: &drafts, catalog, vocabulary, conditions: &conditions };
        cedar::check(compiled, problems);
        by_hand.check(schema.clone(), problems);
    }
    let schema = schema.filter(|_| !problems.has_errors())?;
    let entities = match cedar::entities(&resolved.catalog, &resolved.rules, &schema) {
        Ok(entities) => entities,
        Err(error) => {
            problems.append(internal(files, &cedar::chain(&error)));
            return None;
        }
    };
    let mut made = Policies::new();
    drafts.iter().flatten().for_each(|draft| made.compiled(draft));
    made.by_hand(&by_hand);
    made.is_whole(resolved.rules.len() + by_hand.facts.len(), files, problems)?;
    Some(Made {
        name: declared.name.as_ref().map_or_else(|| directory_name(files), |name| name.name.clone()),
        description: declared.description.as_ref().map(|description| description.name.clone()),
        source: Source {
            policies: made.set,
            entities,
            facts: made.facts,
            dialect: Dialect::Declared(resolved.vocabulary),
            forbid_errors: options.forbid_errors,
        },
        users: resolved.users,
        catalog: resolved.catalog,
        schema: schema_text,
        cedar: made.text,
        declared: Some(declared),
    })
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

/// Policies in their order, what is known about them, and their text.
pub(super) struct Policies {
    pub(super) set: PolicySet,
    pub(super) facts: Vec<crate::engine::PolicyFacts>,
    pub(super) text: String,
}

impl Policies {
    pub(super) fn new() -> Self {
        Self { set: PolicySet::new(), facts: Vec::new(), text: String::new() }
    }

    /// Holds that no policy was lost on the way: without one of them, a set could allow what its files forbid.
    pub(super) fn is_whole(&self, expected: usize, files: &Files, problems: &mut Diagnostics) -> Option<()> {
        let found = self.set.policies().count();
        if found == expected && self.facts.len() == expected {
            return Some(());
        }
        problems.append(internal(files, &format!("{expected} policies were to be made, {found} were")));
        None
    }

    fn compiled(&mut self, draft: &cedar::Draft) {
        // Ids were checked to be unique; a policy that could not be added must not have facts either.
        if draft.policy().is_some_and(|policy| self.set.add(policy).is_ok()) {
            self.facts.push(draft.facts());
            self.text.push('\n');
            draft.write(&mut self.text);
        }
    }

    pub(super) fn by_hand(&mut self, by_hand: &Handwritten) {
        for template in by_hand.policies.templates() {
            let _added = self.set.add_template(template.clone());
        }
        for (policy, (facts, text)) in by_hand.policies.policies().zip(&by_hand.facts) {
            let added = match (policy.template_id(), policy.template_links()) {
                (Some(template), Some(slots)) => self.set.link(template.clone(), policy.id().clone(), slots),
                _ => self.set.add(policy.clone()),
            };
            if added.is_ok() {
                self.facts.push(facts.clone());
                self.text.push('\n');
                self.text.push_str(&annotated(facts, policy, text));
            }
        }
    }
}

/// A hand-written policy with its id and place in front, where it does not say them itself.
fn annotated(facts: &crate::engine::PolicyFacts, policy: &cedar_policy::Policy, text: &str) -> String {
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
    use std::path::Path;

    /// The policies of a set as they were built, and as its printed text says them.
    #[track_caller]
    fn check(directory: &str) {
        let files = files::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)).unwrap();
        let mut problems = Diagnostics::default();
        let made = declared(&files, &Options::default(), &mut problems).unwrap();
        let printed: PolicySet = made.cedar.parse().unwrap();
        let built: Vec<_> = made.source.policies.policies().filter(|policy| policy.is_static()).collect();
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
