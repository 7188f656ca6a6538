//! What was made of one generation of a policy set, kept for the next one.
//!
//! Everything here is found again by its whole content, never by a digest or a time, so what comes out of a cache is what would be
//! made anew. What one generation did not use is forgotten with it.

use super::{
    Options, Snapshot, cedar,
    compile::{self, Ready},
    files::Files,
    handwritten::{Numbering, Parsed},
    resolve::{Effect, Rule},
};
use crate::document::{Diagnostics, Text};
use cedar_policy::{Schema, Validator};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// Bytes of YAML whose parsed form is kept for the next generation. That form takes some fifteen times as much memory; sets that
/// are larger, which is to say sets with very many users, are parsed anew beyond it.
pub(super) const MOST_PARSED: usize = 2 * 1024 * 1024;

/// Compiles one generation of a policy set after the other. What has not changed is neither parsed nor checked nor made again.
#[derive(Debug, Default)]
pub struct Compiler {
    files: Option<Files>,
    cache: Cache,
}

impl Compiler {
    /// One that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Compiles a policy set. The result is the one of [`super::compile()`].
    ///
    /// # Errors
    /// Fails with every problem of the set, sorted by file and place, where at least one of them is an error.
    pub fn compile(&mut self, mut files: Files, options: &Options) -> Result<Snapshot, Diagnostics> {
        if let Some(earlier) = &self.files {
            files.adopt(earlier);
        }
        let compiled = compile::compile(&files, options, &mut self.cache);
        files.forget_beyond(MOST_PARSED);
        self.files = Some(files);
        compiled
    }
}

/// What a compilation may use again.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Cedar files by their paths.
    parsed: FxHashMap<String, (Text, Arc<Parsed>)>,
    /// The generated schema with its text, ready to check against.
    schema: Option<(String, Arc<Validator>)>,
    /// What the check of each module has left.
    modules: FxHashMap<String, CheckedModule>,
    /// Hand-written policies in which nothing was found, under the schema of this text.
    sound_policies: (String, FxHashSet<Arc<str>>),
    /// The sources of conditions, by the keys of their uses.
    conditions: FxHashMap<String, String>,
    /// Policies made of rules, by their ids.
    rules: FxHashMap<Arc<str>, Box<Kept>>,
}

/// What the check of a module has left.
#[derive(Debug, Default)]
pub(super) struct CheckedModule {
    /// The part of the schema that concerns it, as text.
    text: String,
    /// The same, ready to check against, which takes longer than most checks.
    validator: Option<Arc<Validator>>,
    /// The cells in which nothing was found under it, each with all that was looked at.
    sound: FxHashSet<String>,
}

/// A policy that was made of a rule.
#[derive(Debug)]
struct Kept {
    rule: Rule,
    module: String,
    ready: Ready,
}

impl Cache {
    /// A Cedar file, parsed unless it has not changed. What cannot be parsed is reported.
    pub(super) fn parsed(
        &mut self,
        text: &Text,
        numbering: Numbering,
        before: usize,
        problems: &mut Diagnostics,
    ) -> Option<Arc<Parsed>> {
        let known = self.parsed.get(text.path()).filter(|(known, _)| known.is_same(text)).map(|(_, parsed)| parsed);
        let parsed = match known {
            Some(parsed) if parsed.is_named_for(numbering, before) => return Some(Arc::clone(parsed)),
            Some(parsed) => parsed.renamed(text, numbering, before),
            None => Parsed::read(text, numbering, before, problems)?,
        };
        let parsed = Arc::new(parsed);
        self.parsed.insert(text.path().to_owned(), (text.clone(), Arc::clone(&parsed)));
        Some(parsed)
    }

    /// Forgets Cedar files that are no longer there.
    pub(super) fn keep_files(&mut self, files: &[Text]) {
        if self.parsed.len() > files.len() {
            let paths: FxHashSet<&str> = files.iter().map(Text::path).collect();
            self.parsed.retain(|path, _| paths.contains(path.as_str()));
        }
    }

    /// A schema to check against, made by `make` unless its text is the last one's.
    pub(super) fn schema(&mut self, text: &str, make: impl FnOnce() -> Option<Schema>) -> Option<Arc<Validator>> {
        if let Some((_, validator)) = self.schema.as_ref().filter(|(known, _)| known == text) {
            return Some(Arc::clone(validator));
        }
        let validator = Arc::new(Validator::new(make()?));
        self.schema = Some((text.to_owned(), Arc::clone(&validator)));
        Some(validator)
    }

    /// What the last check of a module has left, as far as it was made under this schema.
    pub(super) fn module(&mut self, module: &str, schema: String) -> &mut CheckedModule {
        let checked = self.modules.entry(module.to_owned()).or_default();
        if checked.text != schema {
            *checked = CheckedModule { text: schema, ..CheckedModule::default() };
        }
        checked
    }

    /// Forgets modules that are no longer there.
    pub(super) fn keep_modules<'m>(&mut self, modules: impl Iterator<Item = &'m str>) {
        let modules: FxHashSet<&str> = modules.collect();
        self.modules.retain(|module, _| modules.contains(module.as_str()));
    }

    /// The hand-written policies in which nothing was found under this schema. Whoever checks leaves there what is sound now.
    pub(super) fn sound_policies(&mut self, schema: &str) -> &mut FxHashSet<Arc<str>> {
        let (known, sound) = &mut self.sound_policies;
        if known != schema {
            schema.clone_into(known);
            sound.clear();
        }
        sound
    }

    /// Takes note of the conditions; policies that were made with another one are forgotten.
    pub(super) fn conditions(&mut self, conditions: &FxHashMap<String, cedar::Condition<'_>>) {
        let changed = |key: &str| {
            self.conditions.get(key).map(String::as_str) != conditions.get(key).map(cedar::Condition::source)
        };
        if self.conditions.keys().any(|key| changed(key)) {
            self.rules.retain(|_, kept| !kept.rule.conditions().any(changed));
        }
        self.conditions =
            conditions.iter().map(|(key, condition)| (key.clone(), condition.source().to_owned())).collect();
    }

    /// The policies of these rules, in their order, made by `make` where a rule has changed. What cannot be made is left out.
    pub(super) fn rules<'m>(
        &mut self,
        rules: Vec<Rule>,
        module_of: impl Fn(&Rule) -> Option<&'m str>,
        make: impl Fn(&Rule) -> Option<Ready>,
    ) -> Vec<Ready> {
        let mut earlier = std::mem::take(&mut self.rules);
        let mut all = Vec::with_capacity(rules.len());
        self.rules.reserve(rules.len());
        for rule in rules {
            let Some(module) = module_of(&rule) else { continue };
            let known = earlier.remove(&rule.id).filter(|kept| kept.module == module && kept.rule.says_the_same(&rule));
            let id = Arc::clone(&rule.id);
            let kept = if let Some(mut kept) = known {
                // The new rule is kept, so that nothing of an old file is.
                kept.rule = rule;
                kept
            } else {
                let Some(ready) = make(&rule) else { continue };
                Box::new(Kept { rule, module: module.to_owned(), ready })
            };
            all.push(kept.ready.clone());
            self.rules.insert(id, kept);
        }
        all
    }
}

impl CheckedModule {
    /// The schema to check against, made by `make` where it is not known.
    pub(super) fn validator(&mut self, make: impl FnOnce(&str) -> Option<Schema>) -> Option<Arc<Validator>> {
        if self.validator.is_none() {
            self.validator = make(&self.text).map(|schema| Arc::new(Validator::new(schema)));
        }
        self.validator.clone()
    }

    /// Whether nothing was found in a cell when it was last looked at, and it was looked at as it is now.
    pub(super) fn is_sound(&self, looked_at: &str) -> bool {
        self.sound.contains(looked_at)
    }

    /// Notes in which cells nothing is wrong now. Others are forgotten.
    pub(super) fn are_sound(&mut self, looked_at: impl Iterator<Item = String>) {
        self.sound = looked_at.collect();
    }
}

impl Rule {
    /// The keys of its conditions.
    fn conditions(&self) -> impl Iterator<Item = &str> {
        let when = if let Effect::Permit { when, .. } = &self.effect { when.as_slice() } else { &[] };
        when.iter().map(|applied| applied.key.as_str())
    }

    /// Whether the same policy comes of both, where their modules have one name and their conditions one text.
    fn says_the_same(&self, other: &Self) -> bool {
        let effect = match (&self.effect, &other.effect) {
            (
                Effect::Permit { holder, actions, areas, .. },
                Effect::Permit { holder: other_holder, actions: other_actions, areas: other_areas, .. },
            ) => holder == other_holder && actions == other_actions && areas == other_areas,
            (Effect::Gate(gates), Effect::Gate(others)) => gates == others,
            (Effect::Directory(ruling), Effect::Directory(other)) => ruling == other,
            _ => false,
        };
        effect
            && self.summary == other.summary
            && self.conditions().eq(other.conditions())
            && self.at.is_same_place(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{self, files};
    use std::{fs, path::Path};

    const BASE: &str = "policy_set: s\ntenancy: none\nlevels: { view: [view], full: { includes: [view], actions: [edit] } }\n\
        modules: { orders: { resources: { order: { owner: User } } }, docs: { resources: [doc] } }\n\
        conditions: { own: { cedar: resource has owner && resource.owner == principal } }\n";
    const ROLES: &str =
        "roles: { clerk: { grants: { orders: { level: full, when: own } } }, reader: { grants: { docs: view } } }\n";
    const CEDAR: &str =
        "permit (principal in Role::\"clerk\", action == Action::\"view\", resource in Module::\"docs\");\n";

    /// Each step changes one file. However much is used again, the outcome is that of compiling anew.
    #[test]
    fn what_is_used_again_changes_no_outcome() {
        let steps: &[(&str, &str)] = &[
            ("base.yaml", BASE),
            ("roles.yaml", ROLES),
            ("extra.cedar", CEDAR),
            ("roles.yaml", &ROLES.replace("docs: view", "docs: full")),
            ("roles.yaml", &format!("# one line down\n{ROLES}")),
            // The condition changes and the roles that use it do not.
            ("base.yaml", &BASE.replace("resource has owner &&", "resource has owner && context == context &&")),
            ("base.yaml", &BASE.replace("resource.owner ==", "resource.ownr ==")),
            ("base.yaml", BASE),
            // What hand-written policies are checked against changes, and they do not.
            ("base.yaml", &BASE.replace("docs: { resources: [doc] }", "papers: { resources: [doc] }")),
            ("base.yaml", BASE),
            ("extra.cedar", &CEDAR.replace("view", "viewing")),
            ("extra.cedar", "permit ("),
            ("extra.cedar", &CEDAR.repeat(3)),
            ("more.cedar", &CEDAR.replace("clerk", "reader")),
            ("base.yaml", "levels: ["),
            ("base.yaml", BASE),
            ("roles.yaml", &ROLES.replace("clerk:", "keeper:")),
            ("extra.cedar", "// nothing\n"),
            ("roles.yaml", ROLES),
            // One cell of a module changes, the module's schema does not.
            ("roles.yaml", &ROLES.replace("level: full, when: own", "level: view, when: own")),
            ("roles.yaml", &ROLES.replace("docs: view", "docs: { level: view, when: own }")),
            // The cell that was never to hold is sound once the module's schema is another.
            ("base.yaml", &BASE.replace("resources: [doc]", "resources: { doc: { owner: User } }")),
            ("base.yaml", BASE),
            ("roles.yaml", ROLES),
            ("base.yaml", &BASE.replace("resources: [doc]", "resources: [doc], areas: [public]")),
            ("roles.yaml", &ROLES.replace("docs: view", "docs: { level: view, areas: [public] }")),
            ("base.yaml", BASE),
            ("roles.yaml", ROLES),
            // Policies that are alike: sound, wrong in both, wrong in the second, sound again.
            ("extra.cedar", &format!("{CEDAR}{}", CEDAR.replace("clerk", "reader"))),
            (
                "extra.cedar",
                &format!("{CEDAR}{}", CEDAR.replace("clerk", "reader"))
                    .replace(");", ") when { resource.owner == principal };"),
            ),
            ("extra.cedar", &format!("{CEDAR}{}", CEDAR.replace("clerk", "nobody"))),
            ("extra.cedar", &format!("{CEDAR}{}", CEDAR.replace("view", "viewing"))),
            ("extra.cedar", CEDAR),
            // A file that cannot be read leaves what is known of the others.
            ("users.yaml", "users: ["),
            ("roles.yaml", &ROLES.replace("docs: view", "docs: full")),
            ("users.yaml", "users: { ada: { name: Ada, email: ada@demo.example, roles: [clerk] } }\n"),
            ("users.yaml", "users: { ada: { name: Ada, email: ada@demo.example, roles: [clark] } }\n"),
            ("users.yaml", "users: {}\n"),
        ];
        let directory = tempfile::tempdir().unwrap();
        let mut compiler = Compiler::new();
        let mut good = 0;
        for (step, (name, text)) in steps.iter().enumerate() {
            fs::write(directory.path().join(name), text).unwrap();
            good += usize::from(compare(&mut compiler, directory.path(), step));
        }
        assert!(good > 15, "only {good} steps were good sets");
    }

    #[test]
    fn policies_of_plain_cedar_are_numbered_anew_when_a_file_before_them_grows() {
        let directory = tempfile::tempdir().unwrap();
        let mut compiler = Compiler::new();
        for (step, (name, text)) in [
            (
                "b.cedar",
                "permit (principal, action, resource);\nforbid (principal, action, resource) when { false };\n",
            ),
            ("a.cedar", "permit (principal == User::\"a\", action, resource);\n"),
            (
                "a.cedar",
                "permit (principal == User::\"a\", action, resource);\npermit (principal, action, resource);\n",
            ),
            (
                "schema.cedarschema",
                "entity User; entity Doc; action view appliesTo { principal: User, resource: Doc };",
            ),
            ("a.cedar", "permit (principal == User::\"a\", action == Action::\"edit\", resource);\n"),
        ]
        .into_iter()
        .enumerate()
        {
            fs::write(directory.path().join(name), text).unwrap();
            compare(&mut compiler, directory.path(), step);
        }
    }

    /// Whether the set is good.
    #[track_caller]
    fn compare(compiler: &mut Compiler, directory: &Path, step: usize) -> bool {
        let files = files::read(directory).unwrap();
        let options = Options::default();
        let (again, anew) = (compiler.compile(files.clone(), &options), policy::compile(&files, &options));
        match (again, anew) {
            (Ok(again), Ok(anew)) => {
                assert_eq!(again.to_cedar(), anew.to_cedar(), "step {step}");
                assert_eq!(again.entities_json(), anew.entities_json(), "step {step}");
                assert_eq!(again.warnings, anew.warnings, "step {step}");
                let facts = |snapshot: &Snapshot| format!("{:?}", snapshot.program.policies());
                assert_eq!(facts(&again), facts(&anew), "step {step}");
                true
            }
            (Err(again), Err(anew)) => {
                assert_eq!(again, anew, "step {step}");
                false
            }
            (again, anew) => panic!("step {step}: {again:?} is not {anew:?}"),
        }
    }
}
