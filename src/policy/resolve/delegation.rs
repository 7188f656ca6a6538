//! Who may administer whom: every type, action, role and family that the section names is looked up.

use super::{Effect, Rule, known, levels::add};
use crate::{
    document::{Diagnostics, hint},
    engine::{self, ResourceType, Tenancy, Vocabulary},
    model::AssignmentKind,
    policy::{
        catalog::{Catalog, Label, Module},
        cedar,
        declared::{self, Declared, Needed},
        delegation::{self, Administrator, Ask, DIRECTORY, Delegation, Questions, Rule as Holding, TYPES, Target},
        routes::split_resource,
        section::{Named, Spot},
    },
};

/// Looks the section up, where there is one. The directory's own module goes behind those of the files, its rules behind theirs.
pub(super) fn resolve(
    declared: &Declared,
    catalog: &mut Catalog,
    vocabulary: &mut Vocabulary,
    rules: &mut Vec<Rule>,
    problems: &mut Diagnostics,
) {
    let Some(section) = &declared.delegation else { return };
    taken(declared, catalog, section, problems);
    let mut names = Resolver { declared, catalog, vocabulary, problems };
    let administrators = names.administrators(section);
    let questions = names.questions(section);
    let actions: Vec<String> = delegation::actions().into_iter().map(str::to_owned).collect();
    let module = Module {
        id: DIRECTORY.to_owned(),
        label: Label::default(),
        own_actions: actions.clone(),
        resource_types: TYPES.map(str::to_owned).to_vec(),
        areas: Vec::new(),
        gates: Vec::new(),
        actions,
    };
    let place = catalog.modules.len();
    add(&mut vocabulary.actions, module.actions.iter().map(String::as_str));
    vocabulary.modules.push(engine::Module { id: module.id.clone(), areas: Vec::new() });
    vocabulary.resource_types.extend(TYPES.map(|name| ResourceType {
        name: name.to_owned(),
        module: place,
        attributes: delegation::attributes(),
    }));
    let resolved = Delegation { administrators, questions, off: section.off.clone(), module };
    let rulings = delegation::rulings(&resolved, catalog, declared.tenancy() == Tenancy::Required);
    rules.extend(rulings.into_iter().map(|ruling| Rule {
        id: ruling.id.into(),
        summary: ruling.summary.into(),
        at: section.at.clone(),
        module: place,
        effect: Effect::Directory(ruling),
    }));
    catalog.delegation = Some(resolved);
}

/// Reports a module or a type that is called as the directory's own.
fn taken(declared: &Declared, catalog: &Catalog, section: &declared::Delegation, problems: &mut Diagnostics) {
    let types = catalog.modules.iter().flat_map(|module| &module.resource_types);
    let mut names =
        catalog.modules.iter().map(|module| &module.id).chain(types).chain(catalog.values.iter().map(|ty| &ty.name));
    if let Some(name) = names.find(|name| *name == DIRECTORY || TYPES.contains(&name.as_str())) {
        let message = format!("with a `delegation`, `{name}` is the directory's own name");
        let at = declared.modules.declared(name).unwrap_or(&section.at);
        problems.push(at.error("reserved-name", message).with_help("call it something else".to_owned()));
    }
}

struct Resolver<'r> {
    declared: &'r Declared,
    catalog: &'r Catalog,
    vocabulary: &'r Vocabulary,
    problems: &'r mut Diagnostics,
}

impl Resolver<'_> {
    fn administrators(&mut self, section: &declared::Delegation) -> Vec<Administrator> {
        let needed = !section.off.contains(&Holding::LastAdministrator);
        let listed = section.administrators.as_deref().unwrap_or_default();
        if listed.is_empty() && needed {
            let problem = section.at.error("missing-key", "a delegation says what makes an administrator");
            let help = "name roles or grants in `administrators`, so that the last one of a tenant can stay one";
            self.problems.push(problem.with_help(help.to_owned()));
        }
        listed.iter().filter_map(|name| self.administrator(name)).collect()
    }

    fn administrator(&mut self, name: &Named) -> Option<Administrator> {
        if !name.name.contains('/') {
            self.declared.roles.find(name, self.problems)?;
            return Some(Administrator { kind: AssignmentKind::Role, name: name.name.clone() });
        }
        let levels = self.catalog.levels.iter();
        let grants: Vec<String> =
            levels.flat_map(|level| self.catalog.grants_of_level(&level.name).map(|(_, grant)| grant)).collect();
        let message = || format!("no grant `{}`", name.name);
        known(name, grants.iter().map(String::as_str), "unknown-grant", message, self.problems)
            .then(|| Administrator { kind: AssignmentKind::Grant, name: name.name.clone() })
    }

    fn questions(&mut self, section: &declared::Delegation) -> Vec<Questions> {
        if section.has_families {
            if let Some(user) = &section.of_all.user {
                let problem = user.at.error("contradiction", "a delegation has either `user` or `families`");
                self.problems.push(problem.with_help("say it for each family".to_owned()));
            }
            let mut questions = Vec::new();
            for (family, delegated) in &section.families {
                if self.declared.families.find(family, self.problems).is_some() {
                    questions.extend(self.delegated(Some(family.name.clone()), delegated));
                }
            }
            return questions;
        }
        self.delegated(None, &section.of_all).into_iter().collect()
    }

    fn delegated(&mut self, family: Option<String>, delegated: &declared::Delegated) -> Option<Questions> {
        let Some(user) = &delegated.user else {
            let problem =
                delegated.at.error("missing-key", "a delegation says what the question about a user is: `user`");
            self.problems
                .push(problem.with_help("name a resource type or module, such as `user: setting:users`".to_owned()));
            return None;
        };
        let user = self.target(user)?;
        let mut target = |named: &Option<Named>| match named {
            Some(named) => self.target(named),
            None => Some(user.clone()),
        };
        let [assignment, invitation, session, log] =
            [&delegated.assignment, &delegated.invitation, &delegated.session, &delegated.log].map(&mut target);
        let mut questions = Questions {
            family,
            assignment: assignment?,
            invitation: invitation?,
            session: session?,
            log: log?,
            user,
            actions: Vec::new(),
        };
        self.actions(delegated, &mut questions);
        Some(questions)
    }

    /// The action of each operation, or of the one that it falls back to. It must be one of the module that the operation is about.
    fn actions(&mut self, delegated: &declared::Delegated, questions: &mut Questions) {
        for ask in Ask::ALL {
            let mut from = ask;
            let named = loop {
                let named = match &delegated.actions {
                    Needed::Always(action) => Some(action),
                    Needed::Each(actions) => {
                        actions.iter().find(|(key, _)| key == from.key()).map(|(_, action)| action)
                    }
                };
                match (named, from.otherwise()) {
                    (None, Some(otherwise)) => from = otherwise,
                    (named, _) => break named,
                }
            };
            let Some(named) = named else { continue };
            let module = self.catalog.module(&questions.target(ask).module);
            let all: Vec<&str> = module.into_iter().flat_map(|module| &module.actions).map(String::as_str).collect();
            if all.contains(&named.name.as_str()) {
                questions.actions.push((ask, named.name.clone()));
            } else {
                self.unknown_action(named, &questions.target(ask).module, &all);
            }
        }
        if matches!(&delegated.actions, Needed::Each(actions) if actions.is_empty()) {
            let problem =
                delegated.at.error("missing-key", "a delegation says which action each operation needs: `actions`");
            self.problems.push(problem.with_help("such as `actions: { view: view, change: edit }`".to_owned()));
        }
    }

    fn unknown_action(&mut self, named: &Named, module: &str, all: &[&str]) {
        let message = format!("the module `{module}` has no action `{}`", named.name);
        let problem = named.at.error("unknown-action", message).with_help(hint(&named.name, all.iter().copied()));
        // Several operations may have the same action from one place.
        if !self.problems.iter().any(|told| *told == problem) {
            self.problems.push(problem);
        }
    }

    /// A resource type or a module, with an id behind a colon.
    fn target(&mut self, named: &Named) -> Option<Target> {
        let (ty, id) = split_resource(&named.name);
        let module = self
            .catalog
            .modules
            .iter()
            .find(|module| module.id == ty || module.resource_types.iter().any(|known| known == ty));
        let Some(module) = module else {
            let types = self.catalog.modules.iter().flat_map(|module| &module.resource_types);
            let all: Vec<&str> =
                types.chain(self.catalog.modules.iter().map(|module| &module.id)).map(String::as_str).collect();
            let problem = named.at.error("unknown-type", format!("no resource type or module `{ty}`"));
            self.problems.push(problem.with_help(hint(ty, all)));
            return None;
        };
        if !module.areas.is_empty() && !module.areas.iter().any(|area| area == id) {
            let message = if id.is_empty() {
                format!("the module `{}` has areas: say which one", module.id)
            } else {
                format!("the module `{}` has no area `{id}`", module.id)
            };
            let help = hint(id, module.areas.iter().map(String::as_str));
            self.problems.push(named.at.error("unknown-area", message).with_help(help));
            return None;
        }
        let attributes = self.attributes(ty, &named.at)?;
        Some(Target { ty: ty.to_owned(), id: id.to_owned(), module: module.id.clone(), attributes })
    }

    /// The attributes of a type that the directory gives. Those that it gives have its types.
    fn attributes(&mut self, ty: &str, at: &Spot) -> Option<Vec<String>> {
        let resource = self.vocabulary.resource_types.iter().find(|known| known.name == ty);
        let given = delegation::attributes();
        let mut names = Vec::new();
        for (name, ty) in resource.into_iter().flat_map(|resource| &resource.attributes) {
            let Some((_, known)) = given.iter().find(|(known, _)| known == name) else { continue };
            if ty != known {
                let message = format!("the directory gives `{name}` as a value of another type");
                let help = format!("declare it as `{}`", cedar::type_name(known));
                self.problems.push(at.error("attribute-type", message).with_help(help));
                return None;
            }
            names.push(name.clone());
        }
        Some(names)
    }
}
