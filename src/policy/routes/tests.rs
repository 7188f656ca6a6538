use super::*;
use crate::model::Value;
use serde_json::json;
use std::sync::Arc;

fn route(method: &str, hosts: &[&str], path: &str, question: Option<&str>) -> Route {
    let path = PathTemplate::read(path).unwrap();
    let methods = vec![method.to_owned()];
    let hosts: Vec<String> = hosts.iter().map(|host| host_pattern(host).unwrap()).collect();
    let question = question.map(|id| Question {
        action: "view".to_owned(),
        resource_type: "order".to_owned(),
        resource_id: TextTemplate::read(id, &path).unwrap(),
        tenant: None,
        attributes: Vec::new(),
        context: Vec::new(),
    });
    Route {
        name: Route::default_name(&hosts, &methods, &path),
        location: Location { file: Arc::from("routes.yaml"), line: 1, column: 1 },
        hosts,
        methods,
        path,
        question,
    }
}

fn routes(list: impl IntoIterator<Item = Route>) -> Routes {
    let mut routes = Routes::default();
    for route in list {
        let name = route.name.clone();
        assert!(routes.add(route).is_ok(), "{name}");
    }
    routes
}

static NONE: Vec<(String, String)> = Vec::new();

fn request<'a>(method: &'a str, host: Option<&'a str>, target: &'a str) -> HttpRequest<'a> {
    HttpRequest { method, scheme: None, host, target: target.as_bytes(), headers: &NONE, client: None }
}

#[track_caller]
fn check(routes: &Routes, method: &str, host: Option<&str>, target: &str, expected: &str) {
    let found = match routes.find(&request(method, host, target)) {
        Ok(found) => found.route.name.clone(),
        Err(miss) => miss.code.to_string(),
    };
    assert_eq!(found, expected, "{method} {host:?} {target}");
}

#[test]
fn the_path_is_found_first_and_must_have_the_method() {
    let routes = routes([
        route("GET", &[], "/orders/{id}", Some("{id}")),
        route("DELETE", &[], "/orders/{order}", Some("{order}")),
        route("*", &[], "/orders/**", Some("")),
        route("GET", &[], "/health", None),
        route("*", &[], "/any", Some("")),
        route("DELETE", &[], "/both/{id}", Some("{id}")),
        route("*", &[], "/both/{id}", Some("{id}")),
    ]);
    for (method, target, expected) in [
        ("GET", "/orders/o-1", "GET /orders/{id}"),
        ("HEAD", "/orders/o-1", "GET /orders/{id}"),
        ("DELETE", "/orders/o-1", "DELETE /orders/{order}"),
        ("PUT", "/orders/o-1", "route_unknown"),
        ("get", "/orders/o-1", "route_unknown"),
        ("", "/orders/o-1", "route_unknown"),
        ("PUT", "/orders/o-1/x", "* /orders/**"),
        ("PUT", "/any", "* /any"),
        ("M-SEARCH", "/any", "* /any"),
        ("DELETE", "/both/o-1", "DELETE /both/{id}"),
        ("PUT", "/both/o-1", "* /both/{id}"),
        // What an application may take for another method has no route, not even that of every method.
        ("put", "/any", "route_unknown"),
        ("*", "/any", "route_unknown"),
        ("", "/any", "route_unknown"),
        ("delete", "/both/o-1", "route_unknown"),
        ("Delete", "/both/o-1", "route_unknown"),
        ("DELETE ", "/both/o-1", "route_unknown"),
        ("DELETE\0", "/both/o-1", "route_unknown"),
        ("D\u{130}LETE", "/both/o-1", "route_unknown"),
        ("GET", "/health", "GET /health"),
        ("GET", "/Health", "path_not_canonical"),
        ("GET", "/health/", "path_not_canonical"),
        ("GET", "/health/..", "path_not_canonical"),
        ("GET", "/healthz", "route_unknown"),
    ] {
        check(&routes, method, None, target, expected);
        check(&routes, method, Some("anything.example:80"), target, expected);
    }
}

#[test]
fn a_host_with_routes_of_its_own_has_no_others() {
    let routes = routes([
        route("GET", &[], "/**", None),
        route("GET", &["admin.example.com"], "/users/{id}", Some("{id}")),
        route("GET", &["*.example.com"], "/orders", Some("")),
        route("GET", &["*.eu.example.com", "eu.example.org"], "/orders", Some("")),
    ]);
    for (host, target, expected) in [
        (None, "/users/7", "GET /**"),
        (Some(""), "/users/7", "GET /**"),
        (Some("example.com"), "/users/7", "GET /**"),
        (Some("notexample.com"), "/orders", "GET /**"),
        (Some("admin.example.com"), "/users/7", "GET admin.example.com/users/{id}"),
        (Some("ADMIN.example.com:8443"), "/users/7", "GET admin.example.com/users/{id}"),
        (Some("admin.example.com"), "/orders", "route_unknown"),
        (Some("shop.example.com"), "/orders", "GET *.example.com/orders"),
        (Some("shop.example.com"), "/users/7", "route_unknown"),
        (Some("shop.eu.example.com"), "/orders", "GET {*.eu.example.com,eu.example.org}/orders"),
        (Some("eu.example.org"), "/orders", "GET {*.eu.example.com,eu.example.org}/orders"),
        (Some("admin.example.com."), "/users/7", "path_not_canonical"),
        (Some("admin.example.com\\@x"), "/users/7", "path_not_canonical"),
    ] {
        check(&routes, "GET", host, target, expected);
    }
}

#[test]
fn routes_that_exclude_each_other_are_told_with_both_places() {
    let mut routes = Routes::default();
    for (method, hosts, path, expected) in [
        ("GET", &[][..], "/orders/{id}", None),
        ("PUT", &[], "/orders/{order}", None),
        ("GET", &[], "/orders/{order}", Some(("duplicate-route", 0))),
        ("GET", &[], "/orders/{id}/", Some(("ambiguous-route", 0))),
        ("GET", &["a.example"], "/orders/{id}/", None),
        ("GET", &["A.example"], "/Orders/x", Some(("ambiguous-route", 4))),
    ] {
        let told = routes.add(route(method, hosts, path, None)).err();
        let told = told.map(|conflicts| (conflicts[0].code, conflicts[0].with));
        assert_eq!(told, expected, "{method} {path}");
    }
    let mut routes = Routes::default();
    routes.add(route("GET", &[], "/{tenant}/orders", None)).unwrap();
    routes.add(route("GET", &["b.example"], "/users/{id}", None)).unwrap();
    assert_eq!(routes.ambiguities().count(), 0, "of two hosts");
    routes.add(route("PUT", &[], "/users/{id}", None)).unwrap();
    let conflict = routes.ambiguities().next().unwrap();
    assert_eq!((conflict.route, conflict.with, conflict.code), (2, 0, "ambiguous-route"));
    assert!(conflict.message.contains("both fit `/users/orders`"), "{}", conflict.message);
}

#[test]
fn host_patterns_are_names_without_ports() {
    for (text, expected) in [
        ("api.example.com", Ok("api.example.com")),
        ("*.Example.com", Ok("*.example.com")),
        ("[::1]", Ok("[::1]")),
        ("api.example.com:443", Err("without a port")),
        ("api.*.com", Err("no host name")),
        ("*", Err("no host name")),
        ("", Err("no host name")),
        ("example.com.", Err("ends with a dot")),
    ] {
        match (host_pattern(text), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{text}: {found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
}

/// A route that takes something from everywhere.
fn taking(text: &str) -> Routes {
    let mut route = route("GET", &[], "/{tenant}/orders/{id}", Some(text));
    let path = route.path.clone();
    let from = |text: &str, scalar| Given::From(TextTemplate::read(text, &path).unwrap(), scalar);
    let question = route.question.as_mut().unwrap();
    question.tenant = Some(TextTemplate::read("{tenant}", &path).unwrap());
    question.attributes = vec![
        ("page".to_owned(), from("{query.page?}", Scalar::Long)),
        ("draft".to_owned(), from("{query.draft?}", Scalar::Bool)),
        ("kind".to_owned(), Given::Constant(Value::text("web"))),
    ];
    question.context = vec![("ip".to_owned(), from("{request.ip?}", Scalar::Text))];
    routes([route])
}

#[test]
fn the_question_is_taken_from_path_query_headers_and_claims() {
    let headers = vec![("X-Area".to_owned(), "a1".to_owned()), ("X-Two".to_owned(), "1".to_owned())];
    let claims = json!({ "org": "acme", "https://a.example/org": "url", "realm": { "id": 7 }, "list": ["a"], "yes": true, "no": null });
    let claims = claims.as_object();
    for (text, query, expected) in [
        ("{id}", "", "o 1"),
        ("{tenant}/{id}", "", "north/o 1"),
        ("{query.id}", "?id=x%2Fy", "x/y"),
        ("{query.id?}", "", ""),
        ("{header.x-area}", "", "a1"),
        ("{claim.org}", "", "acme"),
        ("{claim.https://a.example/org}", "", "url"),
        ("{claim.realm.id}", "", "7"),
        ("{claim.yes}", "", "true"),
        ("{claim.no?}", "", ""),
        (
            "{request.method} {request.path} {request.host} {request.scheme} {request.ip}",
            "",
            "GET /north/orders/o%201 h https 10.1.2.3",
        ),
    ] {
        let routes = taking(text);
        let target = format!("/north/orders/o%201{query}");
        let request = HttpRequest {
            scheme: Some("https"),
            headers: &headers,
            client: Some([10, 1, 2, 3].into()),
            ..request("GET", Some("H:80"), &target)
        };
        let found = routes.find(&request).unwrap();
        let taken = found.question(&request, claims).unwrap().unwrap();
        assert_eq!((taken.resource_id.as_str(), taken.tenant.as_deref()), (expected, Some("north")), "{text}");
        assert_eq!(taken.context[0].1, Value::text("10.1.2.3"));
    }
}

#[test]
fn what_a_route_needs_and_cannot_tell_is_a_miss() {
    let twice = vec![
        ("X-Area".to_owned(), "a1".to_owned()),
        ("x-area".to_owned(), "a2".to_owned()),
        ("x-org-unit".to_owned(), "u1".to_owned()),
        ("X_Org-Unit".to_owned(), "u2".to_owned()),
    ];
    let claims = json!({ "list": ["a"], "bad": "a\nb", "half": 0.5, "deep": { "x": {} } });
    let long = format!("?id={}", "a".repeat(1025));
    for (text, query, told) in [
        ("{query.id}", "", "the query parameter `id` is missing"),
        ("{query.id}", "?id=", "is missing"),
        ("{query.id?}", "?id=1&id=2", "more than once"),
        ("{query.id}", "?x=1;id=2", "`;`"),
        ("{query.id}", &long, "longer than 1024 bytes"),
        ("{header.x-area}", "", "more than once"),
        ("{query.id}", "?id=1&ID=2", "another spelling"),
        ("{query.id?}", "?id[]=2", "another spelling"),
        ("{header.x-org-unit}", "", "with `_` for `-`"),
        ("{header.x_org_unit?}", "", "with `_` for `-`"),
        ("{header.x-none}", "", "the header `x-none` is missing"),
        ("{claim.none}", "", "the claim `none` is missing"),
        ("{claim.list}", "", "it is no text"),
        ("{claim.half}", "", "it is no text"),
        ("{claim.bad}", "", "control character"),
        ("{claim.deep.x}", "", "it is no text"),
        ("{claim.deep.x.y}", "", "is missing"),
        ("{id}", "?page=1.5", "`page` is not an integer"),
        ("{id}", "?draft=yes", "`draft` is not `true` or `false`"),
    ] {
        let routes = taking(text);
        let target = format!("/north/orders/o-1{query}");
        let request = HttpRequest { headers: &twice, ..request("GET", None, &target) };
        let miss = routes.find(&request).unwrap().question(&request, claims.as_object()).unwrap_err();
        assert_eq!(miss.code, ReasonCode::RouteValueInvalid, "{text}");
        assert!(miss.why.contains(told), "{text}: {}", miss.why);
    }
}

#[test]
fn optional_values_are_left_out_and_others_have_their_type() {
    let routes = taking("{id}");
    for (query, expected) in [
        ("", vec![("kind", Value::text("web"))]),
        (
            "?page=3&draft=true",
            vec![("page", Value::Long(3)), ("draft", Value::Bool(true)), ("kind", Value::text("web"))],
        ),
    ] {
        let target = format!("/north/orders/o-1{query}");
        let request = request("GET", None, &target);
        let taken = routes.find(&request).unwrap().question(&request, None).unwrap().unwrap();
        let attributes: Vec<_> = taken.attributes.iter().map(|(name, value)| (&**name, value.clone())).collect();
        assert_eq!(attributes, expected);
        assert!(taken.context.is_empty());
    }
}

#[test]
fn a_resource_is_split_at_the_first_single_colon() {
    assert_eq!(split_resource("order"), ("order", ""));
    assert_eq!(split_resource("order:o-1"), ("order", "o-1"));
    assert_eq!(split_resource("order:a:b"), ("order", "a:b"));
    assert_eq!(split_resource("App::Photo:x"), ("App::Photo", "x"));
    assert_eq!(split_resource("order:"), ("order", ""));
}
