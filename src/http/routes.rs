//! The paths of the authorize listener, as data.

use super::{ApiError, ErrorCode};
use hyper::Method;

/// What a path takes and who answers it.
#[derive(Debug)]
pub(super) struct Route {
    /// The method.
    pub(super) method: Method,
    /// The path; it also labels the route's metrics.
    pub(super) path: &'static str,
    /// Who may call it.
    pub(super) access: Access,
    /// Who answers it.
    pub(super) handler: Handler,
}

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// The applications beside which the sidecar runs: whoever reaches the listener.
    Application,
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
}

static ROUTES: [Route; 3] = [
    Route { method: Method::POST, path: "/v1/authorize", access: Access::Application, handler: Handler::Authorize },
    Route {
        method: Method::POST,
        path: "/access/v1/evaluation",
        access: Access::Application,
        handler: Handler::Evaluation,
    },
    Route {
        method: Method::POST,
        path: "/access/v1/evaluations",
        access: Access::Application,
        handler: Handler::Evaluations,
    },
];

/// Labels the metrics of requests for paths that do not exist.
const NO_ROUTE: &str = "other";

/// The values of the label `route`, each with the codes that are to be expected.
pub(super) fn labels() -> impl Iterator<Item = (&'static str, &'static [u16])> {
    let routes = ROUTES.iter().map(|route| (route.path, &[200, 400, 405, 413, 500, 503][..]));
    routes.chain([(NO_ROUTE, &[404][..])])
}

/// The route of a request, or the label and the error of one that has none.
pub(super) fn find(method: &Method, path: &str) -> Result<&'static Route, (&'static str, ApiError)> {
    if let Some(route) = ROUTES.iter().find(|route| route.path == path && route.method == *method) {
        return Ok(route);
    }
    let allowed: Vec<&Route> = ROUTES.iter().filter(|route| route.path == path).collect();
    let Some(first) = allowed.first() else {
        return Err((NO_ROUTE, ApiError::new(ErrorCode::NotFound, "no such path")));
    };
    let allow = allowed.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
    let message = format!("this path takes {allow} only");
    Err((first.path, ApiError { allow: Some(allow), ..ApiError::new(ErrorCode::MethodNotAllowed, message) }))
}
