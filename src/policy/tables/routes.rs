//! The section `routes`.

use super::{ATTRIBUTE_VALUES, DESCRIPTION};
use crate::document::{Field, Shape, Table};

const METHODS: Shape = Shape::one_of(
    &[Shape::text("an HTTP method"), Shape::list(&Shape::text("an HTTP method"), "a list of HTTP methods")],
    "an HTTP method, or a list of them",
);
const HOSTS: Shape = Shape::one_of(
    &[Shape::text("a host"), Shape::list(&Shape::text("a host"), "a list of hosts")],
    "a host such as `api.example.com` or `*.example.com`, or a list of them",
);

/// A route, or several that have something in common.
pub(super) static ROUTE: Table = Table {
    name: "route",
    noun: "a route",
    meaning: "HTTP requests, and the question that they are. With `routes` it says for those what they do not say themselves.",
    fields: &[
        Field::new("name", Shape::TEXT, "What it is called. Otherwise its methods, host and path: `GET /orders/{id}`."),
        DESCRIPTION,
        Field::new(
            "host",
            HOSTS,
            "The hosts that it is for. Hosts that have routes have no others. Otherwise all others.",
        ),
        Field::new(
            "path",
            Shape::text("a path such as `/orders/{id}`"),
            "The path: `{name}` or `*` stands for a segment, `**` at the end for any rest. With `routes`: what their paths begin with.",
        ),
        Field::new("method", METHODS, "The methods; `GET` covers `HEAD`, `\"*\"` stands for all."),
        Field::new("public", Shape::BOOL, "Whether everybody may, and nobody is asked who it is."),
        Field::new("action", Shape::text("the name of an action"), "The action."),
        Field::new(
            "resource",
            Shape::text("a resource such as `order` or `order:{id}`"),
            "The resource type or module, with an id behind a colon. In braces: a parameter of the path, or `query.`, `header.`, `claim.` or `request.` with a name; a `?` at the end lets it be absent.",
        ),
        Field::new("tenant", Shape::text("a tenant such as `{tenant}`"), "The tenant, as the id of `resource`."),
        Field::new(
            "attributes",
            ATTRIBUTE_VALUES,
            "Attributes of the resource: values, or texts as the id of `resource`.",
        ),
        Field::new("context", ATTRIBUTE_VALUES, "What the request says about its circumstances, as `attributes`."),
        Field::new("routes", ROUTES, "Routes for which the other keys hold where they do not say it themselves."),
    ],
};

/// Routes stand in a list: what they are called follows from what they say.
pub(super) static ROUTES: Shape = Shape::list(&ONE, "a list of routes");

static ONE: Shape = Shape::record(&ROUTE);
