//! Routes: which question of the policy set an HTTP request is.
//!
//! A proxy asks with a request line and headers. [`Routes::find`] finds the route, [`Match::question`] takes action, resource,
//! tenant, attributes and context from the request. What has no route, what may mean another path to the application, and what
//! lacks a value that its route needs is a [`Miss`]: denied with a reason of its own, before any policy is asked.

mod path;
mod take;
mod template;
mod tree;

pub(super) use take::{Given, Question, Scalar};
pub use take::{Headers, Taken, are_twins};
pub(super) use template::{Flaw, PathTemplate, TextTemplate};

use crate::{engine::Location, model::ReasonCode};
use path::{Target, folded, read_host};
use rustc_hash::FxHashMap;
use std::net::IpAddr;
use tree::{Clash, Tree};

/// The most routes of a set.
pub(super) const MOST_ROUTES: usize = 5000;

/// Conflicts between routes that are told at the most.
pub(super) const MOST_CONFLICTS: usize = 100;

/// Pairs of routes that are compared at the most. As many routes as there may be make half of that where all are of one host.
pub(super) const MOST_PAIRS: usize = MOST_ROUTES * MOST_ROUTES;

/// Stands for every method.
pub(super) const EVERY_METHOD: &str = "*";

/// Whether a route may have such a method. Others, such as `delete`, have no route: an application may take them for what they resemble.
pub(super) fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-')
}

/// An HTTP request, as far as routes look at it.
#[derive(Debug, Clone, Copy)]
pub struct HttpRequest<'a> {
    /// The method.
    pub method: &'a str,
    /// `http` or `https`, where it is known.
    pub scheme: Option<&'a str>,
    /// The host, with or without a port, where it is known.
    pub host: Option<&'a str>,
    /// Path and query as the client has sent them.
    pub target: &'a [u8],
    /// The headers.
    pub headers: &'a dyn Headers,
    /// Where the client is, where it is known.
    pub client: Option<IpAddr>,
}

/// The routes of a policy set.
#[derive(Debug, Default)]
pub struct Routes {
    list: Vec<Route>,
    /// Those of routes that name no host.
    any: Host,
    /// By name.
    exact: FxHashMap<String, Host>,
    /// By the end of the name with its dot in front; the longest first.
    endings: Vec<(String, Host)>,
}

/// One route.
#[derive(Debug)]
pub struct Route {
    /// What it is called: `GET /orders/{id}`, unless the file says otherwise.
    pub name: String,
    /// Where it is declared.
    pub location: Location,
    pub(super) hosts: Vec<String>,
    pub(super) methods: Vec<String>,
    pub(super) path: PathTemplate,
    /// What is asked; `None` where the route is public.
    pub(super) question: Option<Question>,
}

/// What one host has.
#[derive(Debug, Default)]
struct Host {
    tree: Tree,
    /// For each template of the tree the routes by their methods.
    methods: Vec<Vec<(String, usize)>>,
}

/// A route that fits a request.
#[derive(Debug)]
pub struct Match<'r, 't> {
    /// The route.
    pub route: &'r Route,
    /// Its place among the routes of the set.
    pub place: usize,
    target: Target<'t>,
}

/// Why a request is denied before any policy is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// The code.
    pub code: ReasonCode,
    /// More than the code says.
    pub why: String,
}

/// A route that cannot stand beside another one.
#[derive(Debug)]
pub(super) struct Conflict {
    /// The later of both, by its place.
    pub(super) route: usize,
    /// The other one.
    pub(super) with: usize,
    /// The stable code of the problem.
    pub(super) code: &'static str,
    /// What is wrong.
    pub(super) message: String,
    /// What to do.
    pub(super) help: String,
}

impl Route {
    /// Whether everybody may, without anybody being asked who it is.
    #[must_use]
    pub const fn is_public(&self) -> bool {
        self.question.is_none()
    }

    /// The name of a route that is given none.
    pub(super) fn default_name(hosts: &[String], methods: &[String], path: &PathTemplate) -> String {
        let host = match hosts {
            [] => String::new(),
            [host] => host.clone(),
            hosts => format!("{{{}}}", hosts.join(",")),
        };
        format!("{} {host}{path}", methods.join(","))
    }
}

impl Routes {
    /// Every route, in the order of the files.
    #[must_use]
    pub fn list(&self) -> &[Route] {
        &self.list
    }

    /// Adds a route. One that cannot stand beside the others is not there.
    ///
    /// # Errors
    /// Fails with all that is against it.
    pub(super) fn add(&mut self, route: Route) -> Result<(), Vec<Conflict>> {
        let new = self.list.len();
        let mut conflicts = Vec::new();
        if route.hosts.is_empty() {
            conflicts.extend(self.any.add(&route, new).err());
        }
        for host in &route.hosts {
            conflicts.extend(self.host(host).add(&route, new).err());
        }
        self.list.push(route);
        if conflicts.is_empty() { Ok(()) } else { Err(conflicts) }
    }

    /// The host that a pattern stands for.
    fn host(&mut self, pattern: &str) -> &mut Host {
        let Some(ending) = pattern.strip_prefix('*') else { return self.exact.entry(pattern.to_owned()).or_default() };
        let place = if let Some(place) = self.endings.iter().position(|(known, _)| known == ending) {
            place
        } else {
            let place = self.endings.partition_point(|(known, _)| known.len() >= ending.len());
            self.endings.insert(place, (ending.to_owned(), Host::default()));
            place
        };
        // The place was found or made just now.
        self.endings.get_mut(place).map_or(&mut self.any, |(_, host)| host)
    }

    fn hosts(&self) -> impl Iterator<Item = &Host> {
        std::iter::once(&self.any).chain(self.exact.values()).chain(self.endings.iter().map(|(_, host)| host))
    }

    /// Pairs of routes that a search for [`Routes::ambiguities`] looks at: routes of many hosts are looked at once for each.
    pub(super) fn pairs(&self) -> usize {
        self.hosts().fold(0, |pairs, host| pairs.saturating_add(host.tree.pairs()))
    }

    /// Pairs of routes that fit some path in common without one of them being the more specific one. Each is looked for when it is
    /// asked for.
    pub(super) fn ambiguities(&self) -> impl Iterator<Item = Conflict> {
        self.hosts().flat_map(|host| {
            let clashes = host.tree.ambiguities();
            clashes.filter_map(move |(later, clash)| Some(host.conflict(host.first(later)?, "ambiguous-route", clash)))
        })
    }

    /// The route of a request.
    ///
    /// A request belongs to the most specific host that has routes, and there to the most specific path; that path must then have
    /// a route for the method. It never falls through to a wider one.
    ///
    /// # Errors
    /// Fails with the reason to deny it.
    pub fn find<'t>(&self, request: &HttpRequest<'t>) -> Result<Match<'_, 't>, Miss> {
        if !is_method(request.method) {
            let why = format!("`{}` is no method of a route", shown(request.method));
            return Err(miss(ReasonCode::RouteUnknown, why));
        }
        let target = Target::read(request.target).map_err(|why| {
            miss(ReasonCode::PathNotCanonical, format!("the path can be taken for another one: {why}"))
        })?;
        let host = match request.host.filter(|host| !host.is_empty()).map(read_host) {
            Some(Ok(host)) => self.host_of(&host),
            Some(Err(why)) => {
                return Err(miss(
                    ReasonCode::PathNotCanonical,
                    format!("the host can be taken for another one: {why}"),
                ));
            }
            None => &self.any,
        };
        let path = shown(target.path);
        let Some(fit) = host.tree.find(&target) else {
            return Err(miss(ReasonCode::RouteUnknown, format!("there is no route for the path `{path}`")));
        };
        let methods = host.methods.get(fit.template).map(Vec::as_slice).unwrap_or_default();
        if !fit.exact {
            let template =
                methods.first().and_then(|(_, place)| self.list.get(*place)).map(|route| route.path.to_string());
            let template = template.unwrap_or_default();
            let why =
                format!("the path can be taken for another one: `{path}` is not written as the route `{template}` is");
            return Err(miss(ReasonCode::PathNotCanonical, why));
        }
        let of = |method: &str| methods.iter().find(|(known, _)| known == method).map(|(_, place)| *place);
        let place = of(request.method)
            .or_else(|| if request.method == "HEAD" { of("GET") } else { None })
            .or_else(|| of(EVERY_METHOD));
        if let Some((place, route)) = place.and_then(|place| Some((place, self.list.get(place)?))) {
            Ok(Match { route, place, target })
        } else {
            let why = format!("the path `{path}` has no route for the method `{}`", shown(request.method));
            Err(miss(ReasonCode::RouteUnknown, why))
        }
    }

    fn host_of(&self, name: &str) -> &Host {
        let ending = || self.endings.iter().find(|(ending, _)| name.ends_with(ending.as_str())).map(|(_, host)| host);
        self.exact.get(name).or_else(ending).unwrap_or(&self.any)
    }
}

impl Host {
    fn add(&mut self, route: &Route, place: usize) -> Result<(), Conflict> {
        let template = match self.tree.add(&route.path) {
            Ok(template) => template,
            Err(clash) => return Err(self.conflict(place, "ambiguous-route", clash)),
        };
        if self.methods.len() <= template {
            self.methods.resize_with(template + 1, Vec::new);
        }
        let Some(methods) = self.methods.get_mut(template) else { return Ok(()) };
        for method in &route.methods {
            if let Some(&(_, with)) = methods.iter().find(|(known, _)| known == method) {
                return Err(Conflict {
                    route: place,
                    with,
                    code: "duplicate-route",
                    message: format!("the path `{}` has two routes for the method `{method}`", route.path),
                    help: "leave one of them".to_owned(),
                });
            }
            methods.push((method.clone(), place));
        }
        Ok(())
    }

    /// Some route of a template.
    fn first(&self, template: usize) -> Option<usize> {
        self.methods.get(template).and_then(|methods| methods.first()).map(|(_, place)| *place)
    }

    fn conflict(&self, route: usize, code: &'static str, clash: Clash) -> Conflict {
        let Clash { with, why: message, help } = clash;
        Conflict { route, with: self.first(with).unwrap_or(route), code, message, help }
    }
}

/// The pattern of a host, as routes name it: a name, or `*.` with a name.
///
/// # Errors
/// Fails with what is wrong.
pub(super) fn host_pattern(text: &str) -> Result<String, &'static str> {
    let (star, name) = text.strip_prefix("*.").map_or(("", text), |name| ("*.", name));
    let read = read_host(name)?;
    if read != folded(name) {
        return Err("routes name hosts without a port");
    }
    Ok(format!("{star}{read}"))
}

/// Type and id of a resource as it is written. The `::` of a Cedar namespace is no border between them.
pub(crate) fn split_resource(text: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(':')).map(|at| from + at) {
        if text.get(at..).is_some_and(|rest| rest.starts_with("::")) {
            from = at + 2;
        } else {
            return (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        }
    }
    (text, "")
}

pub(super) fn miss(code: ReasonCode, why: String) -> Miss {
    Miss { code, why }
}

/// A text of the client, cut to what a message bears.
pub(super) fn shown(text: &str) -> &str {
    const MOST: usize = 200;
    text.get(..text.floor_char_boundary(MOST)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
