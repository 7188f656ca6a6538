//! Declared users: what each was given, per tenant.

use super::values;
use crate::{
    document::Diagnostics,
    engine::{Tenancy, Vocabulary},
    model::{Assignment, AssignmentKind, Membership, User},
    policy::{
        catalog::Catalog,
        declared::{self, Assigned, Declared},
        names::{self, EVERY_MODULE},
        section::{Named, Section, Spot},
    },
};
use rustc_hash::FxHashMap;
use std::{collections::BTreeMap, sync::Arc};

/// The users of a section, in the order of the files: the declared ones, or those of the tests. Each is dropped as it was declared
/// once it is resolved, so that a hundred thousand of them are not there twice. The places of their names are left.
pub(in crate::policy) fn resolve(
    users: Section<declared::User>,
    declared: &Declared,
    catalog: &Catalog,
    vocabulary: &Vocabulary,
    problems: &mut Diagnostics,
) -> (Vec<Arc<User>>, Places) {
    let modules = catalog.modules.iter().map(|module| (module.id.as_str(), module)).collect();
    let levels = catalog.levels.iter().map(|level| (level.name.as_str(), level)).collect();
    let families = catalog.roles.iter().filter_map(|role| Some((role.id.as_str(), role.family.as_deref()?))).collect();
    let mut resolver = Resolver { declared, catalog, modules, levels, families, vocabulary, problems };
    let mut list = Vec::with_capacity(users.len());
    let mut places = Places::default();
    for (id, user) in users.into_items() {
        list.push(Arc::new(resolver.user(&id, user)));
        places.insert(id.name, id.at);
    }
    (list, places)
}

/// Where each user is declared.
pub(in crate::policy) type Places = FxHashMap<String, Spot>;

/// What a user was given in each tenant; under `None` where there are no tenants.
type Memberships = BTreeMap<Option<String>, Vec<(Assignment, Named)>>;

struct Resolver<'r> {
    declared: &'r Declared,
    catalog: &'r Catalog,
    modules: FxHashMap<&'r str, &'r crate::policy::catalog::Module>,
    levels: FxHashMap<&'r str, &'r crate::policy::catalog::Level>,
    /// The families of roles.
    families: FxHashMap<&'r str, &'r str>,
    vocabulary: &'r Vocabulary,
    problems: &'r mut Diagnostics,
}

impl<'r> Resolver<'r> {
    fn user(&mut self, id: &Named, user: declared::User) -> User {
        if !names::is_visible(&id.name) {
            self.problems.push(id.at.error("bad-name", "this cannot be the id of a user"));
        }
        let mut memberships = Memberships::new();
        self.assigned(AssignmentKind::Role, &user.roles, &mut memberships);
        self.assigned(AssignmentKind::Grant, &user.grants, &mut memberships);
        self.assigned(AssignmentKind::Gate, &user.gates, &mut memberships);
        self.presets(&user.preset, &mut memberships);
        let family = self.family(&user, &memberships);
        let memberships = memberships.into_iter().map(|(tenant, given)| Membership {
            tenant,
            assignments: given.into_iter().map(|(assignment, _)| assignment).collect(),
            values: Vec::new(),
        });
        User {
            id: id.name.clone(),
            name: user.name,
            email: user.email.map(|email| email.name),
            status: user.status,
            until: user.until,
            family,
            attributes: user.attributes.iter().filter_map(|(name, node)| self.attribute(name, node)).collect(),
            memberships: memberships.collect(),
        }
    }

    fn attribute(
        &mut self,
        name: &Named,
        node: &crate::document::Node,
    ) -> Option<(String, crate::model::Value<'static>)> {
        self.declared.user_attributes.find(name, self.problems)?;
        let (_, ty) = self.vocabulary.user_attributes.iter().find(|(known, _)| *known == name.name)?;
        values::typed(&name.at.text, node, ty, self.declared, self.problems).map(|value| (name.name.clone(), value))
    }

    /// The family of a user: that of all roles, or the one that is named.
    fn family(&mut self, user: &declared::User, memberships: &Memberships) -> Option<String> {
        let named = user.family.as_ref().filter(|family| self.declared.families.find(family, self.problems).is_some());
        let of_roles = self.family_of_roles(memberships);
        if let (Some(named), Some((family, at))) = (named, of_roles)
            && named.name != family
        {
            let message = format!(
                "the user is of the family `{}`, and `{}` is a role of the family `{family}`",
                named.name, at.name
            );
            let problem = named.at.error("two-families", message);
            self.problems.push(problem.with_related("given", &at.at.text, at.at.span.clone()));
        }
        named.map(|named| named.name.clone()).or_else(|| of_roles.map(|(family, _)| family.to_owned()))
    }

    /// A user has roles of one family alone.
    fn family_of_roles<'m>(&mut self, memberships: &'m Memberships) -> Option<(&'r str, &'m Named)> {
        let given = memberships.values().flatten().filter(|(assignment, _)| assignment.kind == AssignmentKind::Role);
        let mut first: Option<(&'r str, &'m Named)> = None;
        for (assignment, at) in given {
            let Some(&family) = self.families.get(assignment.name.as_str()) else { continue };
            match first {
                None => first = Some((family, at)),
                Some((known, _)) if known == family => {}
                Some((known, earlier)) => {
                    let message = format!(
                        "`{}` is a role of the family `{family}`, `{}` one of `{known}`; a user belongs to one family",
                        at.name, earlier.name
                    );
                    let problem = at.at.error("two-families", message);
                    self.problems.push(problem.with_related("given", &earlier.at.text, earlier.at.span.clone()));
                }
            }
        }
        first
    }

    /// What was given in each tenant, or without one, as the set's tenancy has it.
    fn by_tenant<'a>(
        &mut self,
        what: &str,
        assigned: &'a Assigned,
    ) -> Vec<(Option<&'a String>, &'a [declared::Assignment])> {
        let required = self.declared.tenancy() == Tenancy::Required;
        let mut found = Vec::new();
        if let Some((at, given)) = &assigned.plain {
            if required {
                let message = format!("{what} are given per tenant here, since `tenancy` is `required`");
                let example = self.declared.tenants.names().next().unwrap_or("a-tenant");
                let help = format!("name the tenant: `{example}: ...`");
                self.problems.push(at.error("tenancy-mismatch", message).with_help(help));
            }
            found.push((None, given.as_slice()));
        }
        for (tenant, given) in &assigned.by_tenant {
            if !required {
                let message = format!("{what} are given without tenants here, since `tenancy` is `none`");
                let problem = tenant.at.error("tenancy-mismatch", message);
                self.problems.push(problem.with_help("leave the tenant out, or say `tenancy: required`".to_owned()));
            } else if self.declared.tenants_at.is_some() {
                let _found = self.declared.tenants.find(tenant, self.problems);
            }
            found.push((Some(&tenant.name), given.as_slice()));
        }
        found
    }

    fn assigned(&mut self, kind: AssignmentKind, assigned: &Assigned, memberships: &mut Memberships) {
        for (tenant, given) in self.by_tenant(plural(kind), assigned) {
            let list = memberships.entry(tenant.cloned()).or_default();
            for assignment in given {
                if kind == AssignmentKind::Grant && assignment.name.name == EVERY_MODULE {
                    list.extend(self.every_module(assignment, given));
                } else if let Some(name) = self.name(kind, assignment) {
                    self.give(kind, name, assignment, list);
                }
            }
        }
    }

    fn give(
        &mut self,
        kind: AssignmentKind,
        name: String,
        given: &declared::Assignment,
        list: &mut Vec<(Assignment, Named)>,
    ) {
        let twice = list.iter().find(|(first, _)| first.kind == kind && first.name == name);
        if let Some((_, first)) = twice {
            let message = format!("the {} `{name}` is given twice", noun(kind));
            let problem = given.name.at.error("duplicate-assignment", message);
            self.problems.push(problem.with_related("first given", &first.at.text, first.at.span.clone()));
            return;
        }
        list.push(assignment(kind, name, given));
    }

    /// `"*"`: the level on every module that is not named and has an action of it.
    fn every_module(
        &mut self,
        given: &declared::Assignment,
        beside: &[declared::Assignment],
    ) -> Vec<(Assignment, Named)> {
        let Some(level) = given.level.as_ref().filter(|level| level.name != names::NO_LEVEL) else { return Vec::new() };
        if self.declared.levels.find(level, self.problems).is_none() {
            return Vec::new();
        }
        let grants = self.catalog.grants_of_level(&level.name);
        let others = grants.filter(|(module, _)| !beside.iter().any(|named| named.name.name == module.id));
        others.map(|(_, grant)| assignment(AssignmentKind::Grant, grant, given)).collect()
    }

    /// A preset gives its gates and levels. Beside others in the same tenant it would say less than it seems to.
    fn presets(&mut self, assigned: &Assigned, memberships: &mut Memberships) {
        for (tenant, given) in self.by_tenant("presets", assigned) {
            let list = memberships.entry(tenant.cloned()).or_default();
            for given in given {
                let found = self.declared.presets.find(&given.name, self.problems).is_some();
                if let Some((_, other)) = list.iter().find(|(first, _)| first.kind != AssignmentKind::Role) {
                    let problem = given.name.at.error("contradiction", "a user has a preset, or gates and grants");
                    let problem = problem.with_related("given too", &other.at.text, other.at.span.clone());
                    self.problems
                        .push(problem.with_help("write out what the user has, or leave it at the preset".to_owned()));
                    continue;
                }
                let preset = self.catalog.presets.iter().find(|known| found && known.id == given.name.name);
                let Some(preset) = preset else { continue };
                let gates = preset.gates.iter().map(|gate| assignment(AssignmentKind::Gate, gate.clone(), given));
                list.extend(gates.chain(preset.grants().map(|grant| assignment(AssignmentKind::Grant, grant, given))));
            }
        }
    }

    /// The name of what is given, where it exists. `none` gives nothing.
    fn name(&mut self, kind: AssignmentKind, given: &declared::Assignment) -> Option<String> {
        let name = &given.name;
        match kind {
            AssignmentKind::Role => self.declared.roles.find(name, self.problems).map(|_| name.name.clone()),
            AssignmentKind::Gate => self.declared.gates.find(name, self.problems).map(|_| name.name.clone()),
            AssignmentKind::Grant => {
                let level = given.level.as_ref()?;
                let module = self.declared.modules.find(name, self.problems);
                if level.name == names::NO_LEVEL {
                    return None;
                }
                self.declared.levels.find(level, self.problems)?;
                module?;
                let (module, known) = (self.modules.get(name.name.as_str())?, self.levels.get(level.name.as_str())?);
                if module.actions_of(known).is_empty() {
                    let message = format!("the level `{}` has no action of the module `{}`", level.name, module.id);
                    self.problems.push(level.at.error("level-without-effect", message));
                }
                Some(format!("{}/{}", name.name, level.name))
            }
        }
    }
}

fn assignment(kind: AssignmentKind, name: String, given: &declared::Assignment) -> (Assignment, Named) {
    (Assignment { kind, name, until: given.until, why: given.why.clone() }, given.name.clone())
}

const fn noun(kind: AssignmentKind) -> &'static str {
    match kind {
        AssignmentKind::Role => "role",
        AssignmentKind::Grant => "grant",
        AssignmentKind::Gate => "gate",
    }
}

const fn plural(kind: AssignmentKind) -> &'static str {
    match kind {
        AssignmentKind::Role => "roles",
        AssignmentKind::Grant => "grants",
        AssignmentKind::Gate => "gates",
    }
}
