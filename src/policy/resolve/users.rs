//! Declared users: what each was given, per tenant.

use super::values;
use crate::{
    document::Diagnostics,
    engine::{Tenancy, Vocabulary},
    model::{Assignment, AssignmentKind, Membership, User},
    policy::{
        catalog::Catalog,
        declared::{self, Assigned, Declared},
        names,
        section::Named,
    },
};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// All declared users, in the order of the files.
pub(super) fn resolve(
    declared: &Declared,
    catalog: &Catalog,
    vocabulary: &Vocabulary,
    problems: &mut Diagnostics,
) -> Vec<User> {
    let modules = catalog.modules.iter().map(|module| (module.id.as_str(), module)).collect();
    let levels = catalog.levels.iter().map(|level| (level.name.as_str(), level)).collect();
    let mut resolver = Resolver { declared, modules, levels, vocabulary, problems };
    declared.users.iter().map(|(id, user)| resolver.user(id, user)).collect()
}

/// What a user was given in each tenant; under `None` where there are no tenants.
type Memberships = BTreeMap<Option<String>, Vec<(Assignment, Named)>>;

struct Resolver<'r> {
    declared: &'r Declared,
    modules: FxHashMap<&'r str, &'r crate::policy::catalog::Module>,
    levels: FxHashMap<&'r str, &'r crate::policy::catalog::Level>,
    vocabulary: &'r Vocabulary,
    problems: &'r mut Diagnostics,
}

impl Resolver<'_> {
    fn user(&mut self, id: &Named, user: &declared::User) -> User {
        if !names::is_visible(&id.name) {
            self.problems.push(id.at.error("bad-name", "this cannot be the id of a user"));
        }
        let mut memberships = Memberships::new();
        self.assigned(AssignmentKind::Role, &user.roles, &mut memberships);
        self.assigned(AssignmentKind::Grant, &user.grants, &mut memberships);
        self.assigned(AssignmentKind::Gate, &user.gates, &mut memberships);
        let memberships = memberships.into_iter().map(|(tenant, given)| Membership {
            tenant,
            assignments: given.into_iter().map(|(assignment, _)| assignment).collect(),
        });
        User {
            id: id.name.clone(),
            name: user.name.clone(),
            email: user.email.as_ref().map(|email| email.name.clone()),
            status: user.status,
            until: user.until,
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
        values::typed(&name.at.text, node, ty, self.problems).map(|value| (name.name.clone(), value))
    }

    /// Takes what was given in each tenant, or without one, as the set's tenancy has it.
    fn assigned(&mut self, kind: AssignmentKind, assigned: &Assigned, memberships: &mut Memberships) {
        let required = self.declared.tenancy() == Tenancy::Required;
        if let Some((at, given)) = &assigned.plain {
            if required {
                let message = format!("{} are given per tenant here, since `tenancy` is `required`", plural(kind));
                let example = self.declared.tenants.names().next().unwrap_or("a-tenant");
                let help = format!("name the tenant: `{example}: ...`");
                self.problems.push(at.error("tenancy-mismatch", message).with_help(help));
            }
            self.give(kind, None, given, memberships);
        }
        for (tenant, given) in &assigned.by_tenant {
            if !required {
                let message = format!("{} are given without tenants here, since `tenancy` is `none`", plural(kind));
                let problem = tenant.at.error("tenancy-mismatch", message);
                self.problems.push(problem.with_help("leave the tenant out, or say `tenancy: required`".to_owned()));
            } else if self.declared.tenants_at.is_some() {
                let _found = self.declared.tenants.find(tenant, self.problems);
            }
            self.give(kind, Some(&tenant.name), given, memberships);
        }
    }

    fn give(
        &mut self,
        kind: AssignmentKind,
        tenant: Option<&String>,
        given: &[declared::Assignment],
        memberships: &mut Memberships,
    ) {
        let list = memberships.entry(tenant.cloned()).or_default();
        for assignment in given {
            let Some(name) = self.name(kind, assignment) else { continue };
            let twice = list.iter().find(|(first, _)| first.kind == kind && first.name == name);
            if let Some((_, first)) = twice {
                let message = format!("the {} `{name}` is given twice", noun(kind));
                let problem = assignment.name.at.error("duplicate-assignment", message);
                self.problems.push(problem.with_related("first given", &first.at.text, first.at.span.clone()));
                continue;
            }
            let (until, why) = (assignment.until, assignment.why.clone());
            list.push((Assignment { kind, name, until, why }, assignment.name.clone()));
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
