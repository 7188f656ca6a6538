//! Routes: every action, type, tenant and attribute that they name is looked up, and none may exclude or cross another.

use super::{known, values};
use crate::{
    document::{Diagnostic, Diagnostics, Node, Text, hint},
    engine::{AttributeType, Tenancy, Vocabulary},
    policy::{
        cases::plain_value,
        catalog::{Catalog, Module},
        declared::{self, Declared},
        names::is_identifier,
        routes::{
            self, Flaw, Given, MOST_CONFLICTS, MOST_PAIRS, MOST_ROUTES, PathTemplate, Question, Route, Routes, Scalar,
            TextTemplate, host_pattern,
        },
        section::{Named, Spot},
    },
};
use rustc_hash::FxHashMap;

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", routes::EVERY_METHOD];

/// The key under which a resource says which tenant it belongs to.
const TENANT: &str = "tenant";

/// Looks the routes up. `ground` is what a set with modules declares; a set of plain Cedar declares no names to look up.
pub(in crate::policy) fn resolve(
    declared: &Declared,
    ground: Option<(&Catalog, &Vocabulary)>,
    problems: &mut Diagnostics,
) -> Routes {
    let mut found = Routes::default();
    if let Some(beyond) = declared.routes.get(MOST_ROUTES) {
        problems.push(beyond.at.error("too-many-routes", format!("a set has at most {MOST_ROUTES} routes")));
        return found;
    }
    let mut names: FxHashMap<String, Spot> = FxHashMap::default();
    let (mut spots, mut told) = (Vec::new(), 0);
    let mut resolver = Resolver { declared, ground, problems };
    for written in &declared.routes {
        let Some(route) = resolver.route(written) else { continue };
        let at = written.name.as_ref().map_or(&written.at, |name| &name.at);
        if let (Some(first), true) = (names.get(&route.name), written.name.is_some()) {
            let problem = at.error("duplicate-name", format!("the route `{}` is defined twice", route.name));
            resolver.problems.push(problem.with_related("first defined", &first.text, first.span.clone()));
        }
        names.entry(route.name.clone()).or_insert_with(|| at.clone());
        spots.push(written.path.as_ref().map_or(&written.at, |path| &path.at));
        for conflict in found.add(route).err().into_iter().flatten() {
            told = tell(conflict, told, &spots, resolver.problems);
        }
    }
    if found.pairs() > MOST_PAIRS {
        let message = format!("the hosts of these routes make more than {MOST_PAIRS} pairs of them to compare");
        let problem = spots.last().map(|at| at.error("too-many-routes", message));
        problems.extend(problem.map(|problem| problem.with_help("name fewer hosts, or use `*.`".to_owned())));
        return found;
    }
    for conflict in found.ambiguities().take((MOST_CONFLICTS + 1).saturating_sub(told)) {
        told = tell(conflict, told, &spots, problems);
    }
    found
}

/// Tells a conflict, unless so many have been told that one more helps nobody. How many there have been.
fn tell(conflict: routes::Conflict, told: usize, spots: &[&Spot], problems: &mut Diagnostics) -> usize {
    let (Some(at), Some(other)) = (spots.get(conflict.route), spots.get(conflict.with)) else { return told };
    if told >= MOST_CONFLICTS {
        if told == MOST_CONFLICTS {
            let message = format!("there are more conflicts between routes than these {MOST_CONFLICTS}");
            problems.push(at.error(conflict.code, message));
        }
        return told + 1;
    }
    let problem = at.error(conflict.code, conflict.message).with_help(conflict.help);
    problems.push(problem.with_related("the other is", &other.text, other.span.clone()));
    told + 1
}

struct Resolver<'r> {
    declared: &'r Declared,
    ground: Option<(&'r Catalog, &'r Vocabulary)>,
    problems: &'r mut Diagnostics,
}

impl Resolver<'_> {
    fn route(&mut self, written: &declared::Route) -> Option<Route> {
        let path = self.needed(written.path.as_ref(), &written.at, "path", "such as `path: /orders/{id}`")?;
        let template = PathTemplate::read(&path.name).map_err(|flaw| self.flaw(&path.at, flaw)).ok();
        let methods = self.methods(written);
        let hosts = self.hosts(&written.hosts);
        let template = template?;
        let question = if written.public.as_ref().is_some_and(|(public, _)| *public) {
            None
        } else {
            Some(self.question(written, &template)?)
        };
        let (methods, hosts) = (methods?, hosts?);
        let name = written.name.as_ref().map(|name| name.name.clone());
        Some(Route {
            name: name.unwrap_or_else(|| Route::default_name(&hosts, &methods, &template)),
            location: written.at.location(),
            hosts,
            methods,
            path: template,
            question,
        })
    }

    fn needed<'n>(&mut self, named: Option<&'n Named>, at: &Spot, key: &str, help: &str) -> Option<&'n Named> {
        if named.is_none() {
            let problem = at.error("missing-key", format!("a route says its `{key}`"));
            self.problems.push(problem.with_help(help.to_owned()));
        }
        named
    }

    fn flaw(&mut self, at: &Spot, flaw: Flaw) {
        self.problems.push(at.error(flaw.code, flaw.message).with_help(flaw.help));
    }

    fn methods(&mut self, written: &declared::Route) -> Option<Vec<String>> {
        if written.methods.is_empty() {
            let problem = written.at.error("missing-key", "a route says its `method`");
            self.problems.push(problem.with_help("such as `method: GET`, or `method: \"*\"` for all".to_owned()));
            return None;
        }
        let mut sound = true;
        for method in &written.methods {
            if !routes::is_method(&method.name) && method.name != routes::EVERY_METHOD {
                let problem = method.at.error("bad-method", format!("`{}` is no HTTP method", method.name));
                self.problems.push(problem.with_help(hint(&method.name, METHODS)));
                sound = false;
            }
        }
        sound.then(|| written.methods.iter().map(|method| method.name.clone()).collect())
    }

    fn hosts(&mut self, hosts: &[Named]) -> Option<Vec<String>> {
        let mut patterns = Vec::new();
        for host in hosts {
            match host_pattern(&host.name) {
                Ok(pattern) => patterns.push(pattern),
                Err(why) => {
                    let problem =
                        host.at.error("bad-host", format!("`{}` cannot be the host of a route: {why}", host.name));
                    let help = "such as `api.example.com` or `*.example.com`".to_owned();
                    self.problems.push(problem.with_help(help));
                }
            }
        }
        (patterns.len() == hosts.len()).then_some(patterns)
    }

    fn question(&mut self, written: &declared::Route, path: &PathTemplate) -> Option<Question> {
        let help = "or `public: true`, where nobody is asked who it is";
        let action = self.needed(written.action.as_ref(), &written.at, "action", help);
        let resource = self.needed(written.resource.as_ref(), &written.at, "resource", help);
        let (action, resource) = (action?, resource?);
        let (ty, id) = routes::split_resource(&resource.name);
        let id = TextTemplate::read(id, path).map_err(|flaw| self.flaw(&resource.at, flaw)).ok();
        if self.ground.is_none() && !ty.split("::").all(is_identifier) {
            self.problems.push(resource.at.error("unknown-type", format!("`{ty}` cannot be a Cedar type")));
        }
        let module = self.ground.map(|(catalog, _)| self.module(catalog, ty, &resource.at));
        if let Some(Some(module)) = module {
            let message = || format!("the module `{}` has no action `{}`", module.id, action.name);
            known(action, module.actions.iter().map(String::as_str), "unknown-action", message, self.problems);
        }
        let tenant = written.tenant.as_ref().and_then(|tenant| self.tenant(tenant, path));
        let types = self.ground.map(|(_, vocabulary)| attributes_of(vocabulary, ty));
        let attributes = self.values(&written.attributes, types.as_deref(), &format!("the type `{ty}`"), path);
        let types = self.ground.map(|(_, vocabulary)| vocabulary.context.as_slice());
        let context = self.values(&written.context, types, "the context", path);
        if matches!(module, Some(None)) {
            return None;
        }
        Some(Question {
            action: action.name.clone(),
            resource_type: ty.to_owned(),
            resource_id: id?,
            tenant,
            attributes,
            context,
        })
    }

    fn module<'c>(&mut self, catalog: &'c Catalog, ty: &str, at: &Spot) -> Option<&'c Module> {
        let mut modules = catalog.modules.iter();
        let module = modules.find(|module| module.id == ty || module.resource_types.iter().any(|known| known == ty));
        if module.is_none() {
            let types = catalog.modules.iter().flat_map(|module| &module.resource_types);
            let all: Vec<&str> =
                types.chain(catalog.modules.iter().map(|module| &module.id)).map(String::as_str).collect();
            let problem = at.error("unknown-type", format!("no resource type or module `{ty}`"));
            self.problems.push(problem.with_help(hint(ty, all)));
        }
        module
    }

    fn tenant(&mut self, tenant: &Named, path: &PathTemplate) -> Option<TextTemplate> {
        let template = TextTemplate::read(&tenant.name, path).map_err(|flaw| self.flaw(&tenant.at, flaw)).ok()?;
        let Some((_, vocabulary)) = self.ground else { return Some(template) };
        if vocabulary.tenancy == Tenancy::None {
            let problem = tenant.at.error("tenancy-mismatch", "a route names a tenant, but `tenancy` is `none`");
            self.problems.push(problem.with_help("say `tenancy: required`".to_owned()));
        }
        if let (Some(constant), Some(_)) = (template.constant(), &vocabulary.tenants)
            && !self.declared.tenants.contains(constant)
        {
            self.declared.tenants.find(tenant, self.problems);
        }
        Some(template)
    }

    /// Values with the types that are declared for them; any values where nothing is declared.
    fn values(
        &mut self,
        written: &[(Named, Text, Node)],
        types: Option<&[(String, AttributeType)]>,
        whose: &str,
        path: &PathTemplate,
    ) -> Vec<(String, Given)> {
        let mut values = Vec::new();
        for (name, text, node) in written {
            let ty = match types {
                None => None,
                Some(types) => {
                    if let Some((_, ty)) = types.iter().find(|(known, _)| *known == name.name) {
                        Some(ty)
                    } else {
                        let message = format!("{whose} has no attribute `{}`", name.name);
                        let help = hint(&name.name, types.iter().map(|(known, _)| known.as_str()));
                        self.problems.push(name.at.error("unknown-attribute", message).with_help(help));
                        continue;
                    }
                }
            };
            values.extend(self.value(text, node, ty, path).map(|given| (name.name.clone(), given)));
        }
        values
    }

    fn value(&mut self, text: &Text, node: &Node, ty: Option<&AttributeType>, path: &PathTemplate) -> Option<Given> {
        let template = node.as_text().filter(|written| written.contains(['{', '}']));
        match (template, ty) {
            (Some(template), ty) => {
                let at = Spot::of(text, &node.span);
                let template = TextTemplate::read(template, path).map_err(|flaw| self.flaw(&at, flaw)).ok()?;
                let scalar = match ty {
                    Some(AttributeType::Long) => Scalar::Long,
                    Some(AttributeType::Bool) => Scalar::Bool,
                    Some(AttributeType::Set(_) | AttributeType::Record(_)) => {
                        let message = "a list or a mapping cannot be taken from a request";
                        self.problems.push(Diagnostic::error("wrong-type", text, node.span.clone(), message));
                        return None;
                    }
                    _ => Scalar::Text,
                };
                Some(Given::From(template, scalar))
            }
            (None, Some(ty)) => values::typed(text, node, ty, self.declared, self.problems).map(Given::Constant),
            (None, None) => Some(Given::Constant(plain_value(node))),
        }
    }
}

/// What resources of a type may have, the tenant they belong to among it. A module as a whole has no more than that.
fn attributes_of(vocabulary: &Vocabulary, ty: &str) -> Vec<(String, AttributeType)> {
    let resource = vocabulary.resource_types.iter().find(|resource| resource.name == ty);
    let mut attributes = resource.map(|resource| resource.attributes.clone()).unwrap_or_default();
    if vocabulary.tenancy == Tenancy::Required {
        attributes.push((TENANT.to_owned(), AttributeType::String));
    }
    attributes
}
