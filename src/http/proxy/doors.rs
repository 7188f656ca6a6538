//! How proxies tell a request: nginx, Traefik and Caddy in headers, Envoy's HTTP service in the request line.
//!
//! Headers of a proxy are believed where a trusted proxy sends them, and where they cannot be a client's: a request that is told
//! in two ways is denied unless both say the same, since proxies let headers through that they do not use themselves.

use super::{Forwarded, Verdict, ask, one, refuse, trusts};
use crate::{
    audit::Origin,
    config::Trusted,
    http::{ApiError, desk::Desk, peer::Call},
    model::ReasonCode,
    policy::Miss,
};
use hyper::{
    HeaderMap,
    header::{HOST, HeaderName, HeaderValue},
    http::request,
};
use std::net::IpAddr;

/// Where the HTTP service of Envoy's filter stands; the path of the request follows.
const EXT_AUTHZ: &str = "/ext-authz";

/// Tells Envoy which headers of the request must not reach the application.
static REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// Headers that tell the target, nginx's own before the others'.
const URIS: [&str; 2] = ["x-original-uri", "x-forwarded-uri"];

/// Headers that tell the method.
const METHODS: [&str; 2] = ["x-original-method", "x-forwarded-method"];

/// `/auth-request`: nginx, Traefik and Caddy.
pub(in crate::http) async fn forward_auth(
    desk: &Desk,
    head: &request::Parts,
    call: Call<'_>,
) -> Result<Verdict, ApiError> {
    let settings = desk.settings();
    let server = &settings.server.authorize;
    let forwarded = Forwarded {
        origin: Origin::ForwardAuth,
        call,
        method: "",
        scheme: None,
        host: None,
        target: b"",
        headers: &head.headers,
        client: None,
        claims: None,
    };
    if !trusts(server, call.peer) {
        let why = format!("`{}` is not among `server.authorize.trusted_proxies`", call.peer.address);
        return refuse(desk, &forwarded, Miss { code: ReasonCode::ProxyUntrusted, why }).await;
    }
    let told = Told::read(&head.headers);
    let client = client(&head.headers, &server.trusted_proxies);
    let mut verdict = match told {
        Ok(Told { method, target, scheme, host }) => {
            ask(desk, &Forwarded { method, scheme, host, target, client, ..forwarded }).await?
        }
        Err(why) => refuse(desk, &forwarded, Miss { code: ReasonCode::ProxyHeadersInvalid, why }).await?,
    };
    // Caddy puts the name of its own placeholder where a header that it is to hand on is not there.
    let unset = verdict.remove.iter().map(|name| (name.clone(), HeaderValue::from_static("")));
    verdict.headers.extend(unset);
    Ok(verdict)
}

/// `/ext-authz/...`: the HTTP service of Envoy's filter. The request line, the host and the headers are those of the request.
pub(in crate::http) async fn ext_authz(
    desk: &Desk,
    head: &request::Parts,
    call: Call<'_>,
) -> Result<Verdict, ApiError> {
    let settings = desk.settings();
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let target = target.strip_prefix(EXT_AUTHZ).unwrap_or_default().as_bytes();
    let forwarded = Forwarded {
        origin: Origin::Envoy,
        call,
        method: head.method.as_str(),
        scheme: None,
        host: None,
        target,
        headers: &head.headers,
        client: client(&head.headers, &settings.server.authorize.trusted_proxies),
        claims: None,
    };
    let trusted = trusts(&settings.server.authorize, call.peer);
    let read = || {
        let host = text(&head.headers, HOST.as_str())?
            .or_else(|| head.uri.authority().map(hyper::http::uri::Authority::as_str));
        let scheme = if trusted { text(&head.headers, "x-forwarded-proto")? } else { None };
        Ok::<_, String>((host, scheme))
    };
    let mut verdict = match read() {
        Ok((host, scheme)) => ask(desk, &Forwarded { scheme, host, ..forwarded }).await?,
        Err(why) => refuse(desk, &forwarded, Miss { code: ReasonCode::ProxyHeadersInvalid, why }).await?,
    };
    // Envoy lets through what a client sends under a name that the answer does not set.
    let removed: Vec<&str> = verdict.remove.iter().map(HeaderName::as_str).collect();
    if let Ok(removed) = HeaderValue::from_str(&removed.join(","))
        && !removed.is_empty()
    {
        verdict.headers.push((REMOVE.clone(), removed));
    }
    Ok(verdict)
}

/// A request, as headers tell it.
#[derive(Debug, PartialEq, Eq)]
struct Told<'h> {
    method: &'h str,
    target: &'h [u8],
    scheme: Option<&'h str>,
    host: Option<&'h str>,
}

impl<'h> Told<'h> {
    fn read(headers: &'h HeaderMap) -> Result<Self, String> {
        let missing = |names: [&str; 2]| format!("neither `{}` nor `{}` is given", names[0], names[1]);
        let target = agreed(headers, URIS)?.ok_or_else(|| missing(URIS))?;
        let method = agreed(headers, METHODS)?.ok_or_else(|| missing(METHODS))?;
        let method = str::from_utf8(method).map_err(|_| "the method is no visible ASCII".to_owned())?;
        Ok(Self {
            method,
            target,
            scheme: text(headers, "x-forwarded-proto")?,
            host: text(headers, "x-forwarded-host")?,
        })
    }
}

/// What headers of two conventions say, where those that are given say the same.
fn agreed<'h>(headers: &'h HeaderMap, names: [&str; 2]) -> Result<Option<&'h [u8]>, String> {
    let mut values = names.iter().flat_map(|name| headers.get_all(*name)).map(hyper::http::HeaderValue::as_bytes);
    let Some(first) = values.next() else { return Ok(None) };
    if values.any(|value| value != first) {
        let [one, other] = names;
        return Err(format!("`{one}` and `{other}` say different things, or one of them is given more than once"));
    }
    Ok(Some(first))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, String> {
    one(headers, name)
        .map_err(|twice| format!("`{name}` {}", if twice { "is given more than once" } else { "is no visible ASCII" }))
}

/// Where the client is: the last address in `X-Forwarded-For` that is not a trusted proxy's. What stands in front of it is the
/// client's own word.
fn client(headers: &HeaderMap, trusted: &[Trusted]) -> Option<IpAddr> {
    let mut addresses = headers.get_all("x-forwarded-for").iter().rev().flat_map(|value| {
        let items = value.to_str().unwrap_or_default().rsplit(',');
        items.map(|item| item.trim().parse::<IpAddr>().ok().map(|address| address.to_canonical()))
    });
    let is_proxy = |address: IpAddr| trusted.iter().any(|trusted| trusted.is_at(Some(address)));
    // What is no address ends the search: what stands in front of it is worth no more.
    addresses.find(|address| address.is_none_or(|address| !is_proxy(address)))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, value.to_vec().try_into().unwrap());
        }
        headers
    }

    #[test]
    fn a_request_is_told_by_the_headers_of_one_convention_or_by_both_alike() {
        let told = |list: &[(&'static str, &[u8])]| {
            Told::read(&headers(list)).map(|told| {
                (
                    told.method.to_owned(),
                    String::from_utf8_lossy(told.target).into_owned(),
                    told.host.map(str::to_owned),
                )
            })
        };
        let orders = |host: Option<&str>| Ok(("GET".to_owned(), "/orders".to_owned(), host.map(str::to_owned)));
        assert_eq!(told(&[("x-original-uri", b"/orders"), ("x-original-method", b"GET")]), orders(None));
        assert_eq!(
            told(&[("x-forwarded-uri", b"/orders"), ("x-forwarded-method", b"GET"), ("x-forwarded-host", b"a:80")]),
            orders(Some("a:80"))
        );
        assert_eq!(
            told(&[("x-original-uri", b"/orders"), ("x-forwarded-uri", b"/orders"), ("x-forwarded-method", b"GET")]),
            orders(None)
        );
        for (list, why) in [
            (&[][..], "neither `x-original-uri` nor `x-forwarded-uri`"),
            (&[("x-original-uri", &b"/orders"[..])], "neither `x-original-method` nor `x-forwarded-method`"),
            (
                &[("x-original-uri", b"/orders"), ("x-forwarded-uri", b"/health"), ("x-original-method", b"GET")],
                "say different things",
            ),
            (
                &[("x-original-uri", b"/orders"), ("x-original-uri", b"/health"), ("x-original-method", b"GET")],
                "say different things",
            ),
            (
                &[("x-original-uri", b"/orders"), ("x-original-method", b"GET"), ("x-forwarded-method", b"PUT")],
                "say different things",
            ),
            (&[("x-original-uri", b"/orders"), ("x-original-method", b"\xff")], "no visible ASCII"),
            (
                &[
                    ("x-original-uri", b"/orders"),
                    ("x-original-method", b"GET"),
                    ("x-forwarded-host", b"a"),
                    ("x-forwarded-host", b"b"),
                ],
                "`x-forwarded-host` is given more than once",
            ),
        ] {
            let error = told(list).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_client_is_the_last_who_is_no_proxy() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (list, expected) in [
            (&[][..], None),
            (&["192.0.2.1"][..], Some("192.0.2.1")),
            (&["198.51.100.7, 192.0.2.1, 10.0.0.2"], Some("192.0.2.1")),
            (&["198.51.100.7", "192.0.2.1", "10.0.0.2,10.0.0.3"], Some("192.0.2.1")),
            (&["192.0.2.1, unknown, 10.0.0.2"], None),
            (&["10.0.0.1, 10.0.0.2"], None),
            (&["::ffff:192.0.2.1"], Some("192.0.2.1")),
        ] {
            let list: Vec<_> = list.iter().map(|text| ("x-forwarded-for", text.as_bytes())).collect();
            assert_eq!(client(&headers(&list), &trusted), expected.map(|text| text.parse().unwrap()), "{list:?}");
        }
    }
}
