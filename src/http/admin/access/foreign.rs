//! Requests that a page of another site has a browser send.
//!
//! Such a page can neither leave out these headers nor choose them. A name that is bound to 127.0.0.1 by the attacker's own DNS
//! shows in `Host`.

use axum::http::{
    HeaderMap,
    header::{HOST, HeaderName, ORIGIN},
};
use std::net::{IpAddr, SocketAddr};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a page that is not of this machine has sent it.
pub(super) fn is_from_foreign_page(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host_is_local = text(&HOST).is_none_or(is_local);
    let origin_is_local =
        text(&ORIGIN).is_none_or(|origin| origin.split_once("://").is_some_and(|(_, host)| is_local(host)));
    let site_is_other = matches!(text(&SEC_FETCH_SITE), Some("cross-site" | "same-site"));
    !host_is_local || !origin_is_local || site_is_other
}

fn is_local(host: &str) -> bool {
    if let Ok(address) = host.parse::<SocketAddr>() {
        return address.ip().is_loopback();
    }
    let name = host.rsplit_once(':').map_or(host, |(name, port)| if port.parse::<u16>().is_ok() { name } else { host });
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn pages_of_this_machine_are_told_from_others() {
        for (given, foreign) in [
            (&[][..], false),
            (&[(&HOST, "127.0.0.1:8481")], false),
            (&[(&HOST, "localhost:8481"), (&ORIGIN, "http://localhost:8481")], false),
            (&[(&HOST, "[::1]:8481")], false),
            (&[(&HOST, "[::1]")], false),
            (&[(&HOST, "rebound.example:8481")], true),
            (&[(&HOST, "localhost.example")], true),
            (&[(&HOST, "127.0.0.1:8481"), (&ORIGIN, "https://evil.example")], true),
            (&[(&HOST, "127.0.0.1:8481"), (&ORIGIN, "null")], true),
            (&[(&HOST, "127.0.0.1:8481"), (&SEC_FETCH_SITE, "cross-site")], true),
            (&[(&HOST, "127.0.0.1:8481"), (&SEC_FETCH_SITE, "same-origin")], false),
        ] {
            let headers: HeaderMap =
                given.iter().map(|(name, value)| ((*name).clone(), HeaderValue::from_static(value))).collect();
            assert_eq!(is_from_foreign_page(&headers), foreign, "{given:?}");
        }
    }
}
