//! The paths of the authorize listener, as data.

use super::{ApiError, ErrorCode, authzen::Sought, grpc, questions::About};
use crate::config::CallerScope;
use hyper::Method;

/// What a path takes and who answers it.
#[derive(Debug)]
pub(super) struct Route {
    /// The method; of a door for proxies any.
    pub(super) method: Method,
    /// The path; it also labels the route's metrics. `{id}` and `{tenant}` stand for one segment, `{path}` for all that follows,
    /// which may be nothing.
    pub(super) path: &'static str,
    /// Who answers it.
    pub(super) handler: Handler,
    /// The codes that are to be expected.
    codes: &'static [u16],
}

/// Who answers a route. A closed list, so that no route needs a boxed future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handler {
    /// `POST /v1/authorize`
    Authorize,
    /// AuthZEN's Access Evaluation.
    Evaluation,
    /// AuthZEN's Access Evaluations.
    Evaluations,
    /// AuthZEN's searches.
    Search(Sought),
    /// AuthZEN's metadata.
    Metadata,
    /// A question about a user.
    OfUser(About),
    /// A question about a configuration that is not saved.
    OfConfiguration(About),
    /// Forward auth of nginx, Traefik and Caddy.
    ForwardAuth,
    /// The HTTP service of Envoy's filter.
    ExtAuthz,
}

impl Handler {
    /// Whether a proxy asks, with the method and the path of the request that it asks about.
    pub(super) const fn is_door(self) -> bool {
        matches!(self, Self::ForwardAuth | Self::ExtAuthz)
    }
}

const DECIDING: &[u16] = &[200, 400, 405, 413, 500, 503];
const DECIDING_IN: &[u16] = &[200, 400, 404, 405, 413, 500, 503];
const READING: &[u16] = &[200, 400, 404, 405, 500, 503];
const FORWARDED: &[u16] = &[200, 401, 403, 413, 500, 503];
const REPORTING: &[u16] = &[200, 400, 404, 405, 413, 422, 500, 503];
/// Of every route, where there are callers.
const OF_CALLERS: &[u16] = &[401, 403, 429];

static ROUTES: [Route; 18] = [
    // First: what stands behind a door is the path of an application, and none of these that follow.
    Route::new(Method::GET, "/auth-request", Handler::ForwardAuth, FORWARDED),
    Route::new(Method::GET, "/ext-authz{path}", Handler::ExtAuthz, FORWARDED),
    Route::new(Method::POST, "/v1/authorize", Handler::Authorize, DECIDING),
    Route::new(Method::POST, "/access/v1/evaluation", Handler::Evaluation, DECIDING),
    Route::new(Method::POST, "/access/v1/evaluations", Handler::Evaluations, DECIDING),
    Route::new(Method::POST, "/access/v1/search/subject", Handler::Search(Sought::Subjects), DECIDING),
    Route::new(Method::POST, "/access/v1/search/resource", Handler::Search(Sought::Resources), DECIDING),
    Route::new(Method::POST, "/access/v1/search/action", Handler::Search(Sought::Actions), DECIDING),
    Route::new(Method::POST, "/{tenant}/access/v1/evaluation", Handler::Evaluation, DECIDING_IN),
    Route::new(Method::POST, "/{tenant}/access/v1/evaluations", Handler::Evaluations, DECIDING_IN),
    Route::new(Method::POST, "/{tenant}/access/v1/search/subject", Handler::Search(Sought::Subjects), DECIDING_IN),
    Route::new(Method::POST, "/{tenant}/access/v1/search/resource", Handler::Search(Sought::Resources), DECIDING_IN),
    Route::new(Method::POST, "/{tenant}/access/v1/search/action", Handler::Search(Sought::Actions), DECIDING_IN),
    Route::new(Method::GET, "/.well-known/authzen-configuration{path}", Handler::Metadata, READING),
    Route::new(Method::GET, "/v1/users/{id}/access", Handler::OfUser(About::Access), READING),
    Route::new(Method::GET, "/v1/users/{id}/menu", Handler::OfUser(About::Menu), READING),
    Route::new(Method::POST, "/v1/access", Handler::OfConfiguration(About::Access), REPORTING),
    Route::new(Method::POST, "/v1/menu", Handler::OfConfiguration(About::Menu), REPORTING),
];

impl Route {
    const fn new(method: Method, path: &'static str, handler: Handler, codes: &'static [u16]) -> Self {
        Self { method, path, handler, codes }
    }

    /// What a caller must be allowed to ask; nothing where everybody may.
    pub(super) const fn scope(&self) -> Option<CallerScope> {
        match self.handler {
            Handler::Search(_) => Some(CallerScope::Search),
            Handler::OfUser(_) | Handler::OfConfiguration(_) => Some(CallerScope::Access),
            Handler::Authorize
            | Handler::Evaluation
            | Handler::Evaluations
            | Handler::ForwardAuth
            | Handler::ExtAuthz => Some(CallerScope::Decide),
            // It says where to ask, and nothing of who may do what.
            Handler::Metadata => None,
        }
    }

    /// What stands for the part in braces, empty where the path has none; `None` where the path is another one.
    fn takes<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some((before, rest)) = self.path.split_once('{') else { return (self.path == path).then_some("") };
        let (part, after) = rest.split_once('}')?;
        let given = path.strip_prefix(before)?.strip_suffix(after)?;
        let fits = match part {
            "path" => given.is_empty() || given.starts_with('/'),
            _ => !given.is_empty() && !given.contains('/'),
        };
        fits.then_some(given)
    }
}

/// Labels the metrics of requests for paths that do not exist.
pub(super) const NO_ROUTE: &str = "other";

/// The same for the codes that callers may be answered with.
pub(super) fn labels_of_callers() -> impl Iterator<Item = (&'static str, &'static [u16])> {
    ROUTES.iter().map(|route| route.path).chain(grpc::labels().map(|(path, _)| path)).map(|path| (path, OF_CALLERS))
}

/// The values of the label `route`, each with the codes that are to be expected.
pub(super) fn labels() -> impl Iterator<Item = (&'static str, &'static [u16])> {
    let own = ROUTES.iter().map(|route| (route.path, route.codes));
    own.chain(grpc::labels()).chain([(NO_ROUTE, &[404, 501, 503][..])])
}

/// The route of a request with what stands for the part in braces, or the label and the error of one that has none.
pub(super) fn find<'p>(method: &Method, path: &'p str) -> Result<(&'static Route, &'p str), (&'static str, ApiError)> {
    let fitting = || ROUTES.iter().filter_map(|route| Some((route, route.takes(path)?)));
    if let Some(found) = fitting().find(|(route, _)| route.handler.is_door() || route.method == *method) {
        return Ok(found);
    }
    let allowed: Vec<&Route> = fitting().map(|(route, _)| route).collect();
    let Some(first) = allowed.first() else {
        return Err((NO_ROUTE, ApiError::new(ErrorCode::NotFound, "no such path")));
    };
    let allow = allowed.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
    let message = format!("this path takes {allow} only");
    Err((first.path, ApiError { allow: Some(allow), ..ApiError::new(ErrorCode::MethodNotAllowed, message) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands behind a door is somebody else's path, whatever it looks like.
    #[test]
    fn behind_a_door_every_path_is_the_applications() {
        let handler =
            |method: Method, path: &str| find(&method, path).map(|(route, part)| (route.handler, part.to_owned())).ok();
        for path in ["", "/", "/access/v1/evaluation", "/v1/authorize", "/auth-request", "/x/access/v1/search/subject"]
        {
            for method in [Method::GET, Method::POST, Method::DELETE] {
                let found = handler(method.clone(), &format!("/ext-authz{path}"));
                assert_eq!(found, Some((Handler::ExtAuthz, path.to_owned())), "{method} {path}");
            }
        }
        assert_eq!(handler(Method::PUT, "/auth-request"), Some((Handler::ForwardAuth, String::new())));
        assert_eq!(
            handler(Method::POST, "/north/access/v1/evaluation"),
            Some((Handler::Evaluation, "north".to_owned()))
        );
        assert_eq!(handler(Method::GET, "/ext-authzz"), None);
    }
}
