//! Modules, their resource types and actions, and the attributes that requests and users may have.

use super::levels::add;
use crate::{
    document::{Diagnostics, hint},
    engine::{self, AttributeType, ResourceType, Sessions, Tenancy, Vocabulary},
    policy::{
        catalog,
        declared::{Attribute, Declared, Module},
        names::EVERY_VALUE,
        section::{Named, Section, Spot},
        types,
    },
};
use rustc_hash::{FxHashMap, FxHashSet};

/// The attribute by which a resource says which tenant it belongs to.
const TENANT: &str = "tenant";

/// All modules, and the vocabulary that they make.
pub(super) fn resolve(
    declared: &Declared,
    levels: &[catalog::Level],
    problems: &mut Diagnostics,
) -> (Vec<catalog::Module>, Vocabulary) {
    let types = type_names(declared, problems);
    let mut level_actions = Vec::new();
    for level in levels {
        add(&mut level_actions, level.actions.iter().map(String::as_str));
    }
    let listed_types = declared.values.names().collect();
    let mut reader = Reader { types: &types, listed: listed_types, tenancy: declared.tenancy(), problems };
    let mut vocabulary = Vocabulary {
        tenancy: declared.tenancy(),
        sessions: declared.sessions.as_ref().map_or(Sessions::None, |(sessions, _)| *sessions),
        tenants: declared.tenants_at.as_ref().map(|_| {
            let mut tenants: Vec<String> = declared.tenants.names().map(str::to_owned).collect();
            tenants.sort();
            tenants
        }),
        context: reader.attributes(&declared.context),
        user_attributes: reader.attributes(&declared.user_attributes),
        ..Vocabulary::default()
    };
    for (_, ty) in declared.conditions.iter().flat_map(|(_, condition)| &condition.parameters) {
        let _known = ty.as_ref().and_then(|ty| reader.known(ty));
    }
    listed(declared, &types, reader.problems);
    let mut modules = Vec::with_capacity(declared.modules.len());
    let mut actions = Actions::default();
    for (index, (id, module)) in declared.modules.iter().enumerate() {
        for (ty, attributes) in &module.resources {
            // A type of two modules belongs to the first; the second has been reported.
            if types.get(ty.name.as_str()).is_some_and(|first| first.module == index) {
                let attributes = reader.resource_attributes(ty, attributes);
                vocabulary.resource_types.push(ResourceType { name: ty.name.clone(), module: index, attributes });
            }
        }
        let resolved = reader.module(id, module, &level_actions, declared);
        actions.add(&resolved.actions);
        vocabulary.modules.push(engine::Module { id: resolved.id.clone(), areas: resolved.areas.clone() });
        modules.push(resolved);
    }
    vocabulary.actions = actions.list;
    (modules, vocabulary)
}

/// Names without repeats, in their order.
#[derive(Default)]
struct Actions {
    list: Vec<String>,
    seen: FxHashSet<String>,
}

impl Actions {
    fn add(&mut self, names: &[String]) {
        self.list.extend(names.iter().filter(|name| self.seen.insert((*name).clone())).cloned());
    }
}

/// Where a resource type is declared first.
struct Declaration<'d> {
    module: usize,
    owner: &'d str,
    at: &'d Spot,
}

type Types<'d> = FxHashMap<&'d str, Declaration<'d>>;

/// Resource types by name. One that two modules declare, or that is called like a module, is reported.
fn type_names<'d>(declared: &'d Declared, problems: &mut Diagnostics) -> Types<'d> {
    let mut types = Types::default();
    for (module, (owner, declaration)) in declared.modules.iter().enumerate() {
        for (ty, _) in &declaration.resources {
            if let Some(first) = types.get(ty.name.as_str()) {
                let message =
                    format!("the resource type `{}` belongs to `{}` and to `{}`", ty.name, first.owner, owner.name);
                let problem = ty.at.error("duplicate-type", message);
                problems.push(problem.with_related("first declared", &first.at.text, first.at.span.clone()));
                continue;
            }
            if let Some(other) = declared.modules.declared(&ty.name) {
                let message =
                    format!("`{}` is a module and a resource type; requests could not tell them apart", ty.name);
                let problem = ty.at.error("ambiguous-type", message);
                problems.push(problem.with_related("the module is", &other.text, other.span.clone()));
            }
            types.insert(&ty.name, Declaration { module, owner: &owner.name, at: &ty.at });
        }
    }
    types
}

/// Checks the types whose values are listed: no value twice, none that means them all, and no name of another thing.
fn listed(declared: &Declared, types: &Types<'_>, problems: &mut Diagnostics) {
    for (name, values) in declared.values.iter() {
        let taken = types.get(name.name.as_str()).map(|ty| ty.at).or_else(|| declared.modules.declared(&name.name));
        if let Some(first) = taken {
            let message = format!("`{}` is a type with listed values and something else", name.name);
            let problem = name.at.error("ambiguous-type", message);
            problems.push(problem.with_related("it is also", &first.text, first.span.clone()));
        }
        let mut section = Section::new("value", "unknown-value");
        for value in values {
            if value.name == EVERY_VALUE {
                let message = format!("`{EVERY_VALUE}` stands for every value; none can be called so");
                problems.push(value.at.error("reserved-name", message));
            }
            section.add(value.clone(), (), problems);
        }
    }
}

struct Reader<'r> {
    types: &'r Types<'r>,
    /// Types whose values are listed.
    listed: FxHashSet<&'r str>,
    tenancy: Tenancy,
    problems: &'r mut Diagnostics,
}

impl Reader<'_> {
    fn module(
        &mut self,
        id: &Named,
        module: &Module,
        level_actions: &[String],
        declared: &Declared,
    ) -> catalog::Module {
        let mut actions = Vec::new();
        if module.only.is_none() {
            add(&mut actions, level_actions.iter().map(String::as_str));
        }
        let own = module.only.as_ref().unwrap_or(&module.actions);
        add(&mut actions, own.iter().map(|action| action.name.as_str()));
        if actions.is_empty() {
            let problem = id.at.error("module-without-action", format!("the module `{}` has no action", id.name));
            self.problems.push(problem.with_help("name its `actions`, or declare levels".to_owned()));
        }
        let gates = module.gates.iter().filter(|gate| declared.gates.find(gate, self.problems).is_some());
        catalog::Module {
            id: id.name.clone(),
            label: module.label.clone(),
            own_actions: actions.iter().filter(|action| !level_actions.contains(action)).cloned().collect(),
            actions,
            resource_types: module.resources.iter().map(|(ty, _)| ty.name.clone()).collect(),
            gates: gates.map(|gate| gate.name.clone()).collect(),
            areas: self.areas(&module.areas),
        }
    }

    fn areas(&mut self, areas: &[Named]) -> Vec<String> {
        let mut section = Section::new("area", "unknown-area");
        for area in areas {
            section.add(area.clone(), (), self.problems);
        }
        section.names().map(str::to_owned).collect()
    }

    fn resource_attributes(&mut self, ty: &Named, declared: &[(Named, Attribute)]) -> Vec<(String, AttributeType)> {
        let mut attributes: Vec<_> = declared
            .iter()
            .filter_map(|(name, attribute)| Some((name.name.clone(), self.known(attribute.as_ref()?)?)))
            .collect();
        if self.tenancy == Tenancy::None {
            return attributes;
        }
        match declared.iter().find(|(name, _)| name.name == TENANT) {
            Some((name, Some((given, _)))) if *given != AttributeType::String => {
                let message = format!("`{TENANT}` of `{}` says which tenant it belongs to: it is a `String`", ty.name);
                self.problems.push(name.at.error("reserved-name", message));
            }
            Some(_) => {}
            None => attributes.push((TENANT.to_owned(), AttributeType::String)),
        }
        attributes
    }

    fn attributes(&mut self, section: &Section<Attribute>) -> Vec<(String, AttributeType)> {
        let known = section.iter().filter_map(|(name, ty)| Some((name.name.clone(), self.known(ty.as_ref()?)?)));
        known.collect()
    }

    /// The type, where all entity types in it are known.
    fn known(&mut self, (ty, at): &(AttributeType, Spot)) -> Option<AttributeType> {
        let mut names = Vec::new();
        types::entities(ty, &mut names);
        let known = |name: &str| name == "User" || self.types.contains_key(name) || self.listed.contains(name);
        let unknown = names.into_iter().find(|name| !known(name));
        let Some(unknown) = unknown else { return Some(ty.clone()) };
        let mut known: Vec<&str> = types::plain_names().chain(["User"]).collect();
        known.extend(self.types.keys().chain(&self.listed));
        known.sort_unstable();
        let problem = at.error("unknown-type", format!("no type `{unknown}`"));
        self.problems.push(problem.with_help(hint(&unknown, known)));
        None
    }
}
