//! HTTP requests with the questions that they are expected to be.

use super::File;
use crate::{
    document::{Entry, Node, Value as Written},
    model::Decision,
    policy::{
        cases::{Expectation, PolicyTest, RouteTest},
        routes::split_resource,
        section::{Named, Spot},
    },
};
use serde_json::{Map, Value as Json};
use std::collections::BTreeSet;

/// A request line: `GET /orders/o-1`, or `GET https://api.example.com/orders/o-1` where the host matters.
struct Line {
    method: String,
    scheme: Option<String>,
    host: Option<String>,
    target: String,
}

impl File<'_> {
    /// A test for each request by each user.
    pub(super) fn route(&mut self, node: &Node) {
        let frame = self.frame(node);
        let reason = super::decisions::reason(node);
        let users = self.names(node, "user");
        self.check_who(&users, &frame, reason);
        let text = |key: &str| node.get(key).and_then(|node| Named::value(self.text, node));
        let [route, action, resource, ip] = ["route", "action", "resource", "ip"].map(text);
        self.check_expected(route.as_ref(), action.as_ref(), resource.as_ref());
        let client = ip.and_then(|ip| {
            let client = ip.name.parse().ok();
            if client.is_none() {
                self.problems.push(ip.at.error("bad-value", format!("`{}` is no IP address", ip.name)));
            }
            client
        });
        let entries = |key: &str| node.get(key).and_then(Node::as_map).into_iter().flatten();
        let headers: Vec<(String, String)> = entries("headers").filter_map(header).collect();
        let claims: Map<String, Json> = entries("claims").map(|entry| (entry.key.clone(), json(&entry.node))).collect();
        let expect = match node.get("expect").and_then(Node::as_text) {
            Some("allow") => Decision::Allow,
            // Anything else than these two has been reported.
            _ => Decision::Deny,
        };
        let nobody = [String::new()];
        let ids: Vec<String> = users.iter().map(|user| user.name.clone()).collect();
        for request in self.names(node, "request") {
            let Some(line) = Line::read(&request.name) else {
                let problem = request.at.error("bad-request", format!("`{}` is no request line", request.name));
                self.problems.push(problem.with_help("such as `GET /orders/o-1`".to_owned()));
                continue;
            };
            for user in if ids.is_empty() { &nobody[..] } else { &ids } {
                let at = Spot::of(self.text, &node.span);
                if !self.has_room(&at) {
                    return;
                }
                let who = if user.is_empty() { "nobody" } else { user };
                self.tests.push(PolicyTest {
                    name: frame.called(&format!("{who} {}", request.name)),
                    rules: frame.rules.clone(),
                    user: user.clone(),
                    tenant: None,
                    at: frame.at,
                    logged_in: frame.logged_in,
                    expectation: Expectation::Route(RouteTest {
                        method: line.method.clone(),
                        scheme: line.scheme.clone(),
                        host: line.host.clone(),
                        target: line.target.clone(),
                        headers: headers.clone(),
                        client,
                        claims: claims.clone(),
                        has_user: !user.is_empty(),
                        expect,
                        reason,
                        route: route.as_ref().map(|route| route.name.clone()),
                        action: action.as_ref().map(|action| action.name.clone()),
                        resource: resource.as_ref().map(|resource| resource.name.clone()),
                        tenant: frame.tenant.as_ref().map(|tenant| tenant.name.clone()),
                    }),
                    location: at.location(),
                });
            }
        }
    }

    fn check_expected(&mut self, route: Option<&Named>, action: Option<&Named>, resource: Option<&Named>) {
        if let (Some(route), Some(routes)) = (route, self.routes) {
            let all: BTreeSet<&str> = routes.list().iter().map(|route| route.name.as_str()).collect();
            self.one_of("route", "unknown-route", route, &all);
        }
        self.check_actions(action.cloned().as_slice());
        if let Some(resource) = resource {
            let (ty, _) = split_resource(&resource.name);
            self.check_type(&Named { name: ty.to_owned(), at: resource.at.clone() });
        }
    }
}

impl Line {
    fn read(text: &str) -> Option<Self> {
        let (method, rest) = text.split_once(' ')?;
        let method = method.to_owned();
        for scheme in ["https", "http"] {
            let Some(rest) = rest.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) else { continue };
            let (host, target) = rest.split_at_checked(rest.find('/')?)?;
            let (scheme, host) = (Some(scheme.to_owned()), Some(host.to_owned()));
            return Some(Self { method, scheme, host, target: target.to_owned() });
        }
        Some(Self { method, scheme: None, host: None, target: rest.to_owned() })
    }
}

/// A header; anything else than a text has been reported.
fn header(entry: &Entry) -> Option<(String, String)> {
    Some((entry.key.clone(), entry.node.as_text()?.to_owned()))
}

/// A claim as a token would have it.
fn json(node: &Node) -> Json {
    match &node.value {
        Written::Null => Json::Null,
        Written::Bool(value) => Json::from(*value),
        Written::Int(value) => Json::from(*value),
        Written::Float(value) => Json::from(*value),
        Written::Text(value) => Json::from(value.as_str()),
        Written::List(items) => items.iter().map(json).collect(),
        Written::Map(map) => Json::Object(map.iter().map(|entry| (entry.key.clone(), json(&entry.node))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_is_a_method_and_a_target_with_a_host_where_it_matters() {
        for (text, expected) in [
            ("GET /orders", Some(("GET", None, "/orders"))),
            ("GET //orders x", Some(("GET", None, "//orders x"))),
            ("PUT https://a.example:8443/x?y", Some(("PUT", Some("a.example:8443"), "/x?y"))),
            ("GET http://a.example", None),
            ("/orders", None),
        ] {
            let line = Line::read(text);
            let read = line.as_ref().map(|line| (line.method.as_str(), line.host.as_deref(), line.target.as_str()));
            assert_eq!(read, expected, "{text}");
        }
    }
}
