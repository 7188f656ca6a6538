//! Who is let in, and how often.

use super::*;
use crate::config::Settings;
use sha2::{Digest as _, Sha256};
use std::{num::NonZeroU32, time::Duration};

const NETWORK: &str = "192.0.2.1:4711";

fn caller(name: &str, token: Option<&str>, certificate: Option<&str>) -> Caller {
    Caller {
        name: name.to_owned(),
        sha256: token.map(|token| Sha256::digest(token).into()),
        certificates: certificate.into_iter().map(str::to_owned).collect(),
        scopes: CallerScope::ALL.to_vec(),
        requests_per_second: None,
        in_flight: None,
    }
}

struct House {
    live: Live,
    settings: Settings,
    callers: Arc<Callers>,
}

fn house(address: &str, listed: Vec<Caller>) -> House {
    let mut settings = Settings::default();
    settings.server.authorize.listen = address.parse().unwrap();
    settings.server.authorize.callers = listed.into();
    let live = Live::new(settings.clone());
    House { callers: Callers::new(live.clone(), Metrics::new()), live, settings }
}

impl House {
    fn visit(&self, from: &str, names: &[&str]) -> Visit {
        let address = from.parse().map_or(PeerAddress::Unix, PeerAddress::Ip);
        self.callers.visit(Peer { names: names.iter().map(|name| (*name).to_owned()).collect(), ..Peer::at(address) })
    }

    fn list(&mut self, listed: Vec<Caller>) {
        self.settings.server.authorize.callers = listed.into();
        self.live.publish(self.settings.clone());
    }
}

fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
    given.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

/// The caller's name, or the code and the message of the refusal.
fn asked(visit: &Visit, given: &[(&'static str, &str)]) -> Result<String, (ErrorCode, String)> {
    visit
        .admit(&headers(given), Some(CallerScope::Decide), Instant::now())
        .map(|admitted| admitted.caller().to_owned())
        .map_err(|error| (error.code, error.message.into_owned()))
}

fn refused(message: &str) -> Result<String, (ErrorCode, String)> {
    Err((ErrorCode::Unauthorized, message.to_owned()))
}

#[test]
fn through_the_network_a_caller_is_told_by_its_certificate_or_its_token_and_nobody_else_comes_in() {
    let house = house(
        "0.0.0.0:0",
        vec![
            caller("shop", Some("t-shop"), None),
            caller("erp", None, Some("spiffe://cluster/erp")),
            caller("both", Some("t-both"), Some("both.internal")),
        ],
    );
    let unknown = refused("the bearer token is not known");
    let nothing = refused("no bearer token and no client certificate");
    for (names, given, expected) in [
        (&[][..], &[][..], nothing.clone()),
        (&[], &[("authorization", "Basic t-shop")], nothing.clone()),
        (&[], &[("authorization", "Bearer ")], nothing),
        (&[], &[("authorization", "Bearer t-shop")], Ok("shop".to_owned())),
        (&[], &[("authorization", "bearer t-both")], Ok("both".to_owned())),
        (&[], &[("authorization", "Bearer t-other")], unknown.clone()),
        // A proxy needs the usual header for the token of its user.
        (&[], &[("authorization", "Bearer of-a-user"), ("sidegate-token", "t-shop")], Ok("shop".to_owned())),
        (&[], &[("authorization", "Bearer t-shop"), ("sidegate-token", "t-other")], unknown),
        (&["x.internal", "spiffe://cluster/erp"], &[], Ok("erp".to_owned())),
        (&["both.internal"], &[("authorization", "Bearer t-shop")], Ok("both".to_owned())),
        (&["x.internal"], &[("authorization", "Bearer t-shop")], Ok("shop".to_owned())),
        (&["x.internal", "y.internal"], &[], refused("no caller has the certificate of `x.internal`, `y.internal`")),
    ] {
        assert_eq!(asked(&house.visit(NETWORK, names), given), expected, "{names:?} {given:?}");
    }
}

#[test]
fn an_open_door_lets_in_everybody_and_knows_whom_it_knows() {
    let loopback = house("127.0.0.1:0", vec![caller("shop", Some("t-shop"), None)]);
    let network = house("0.0.0.0:0", vec![caller("shop", Some("t-shop"), None)]);
    for visit in [loopback.visit("127.0.0.1:9", &[]), network.visit("unix", &[])] {
        for (given, expected) in [
            (&[][..], ""),
            (&[("authorization", "Bearer t-shop")], "shop"),
            (&[("authorization", "Bearer of-a-user")], ""),
            (&[("sidegate-token", "t-shop")], "shop"),
        ] {
            assert_eq!(asked(&visit, given), Ok(expected.to_owned()), "{given:?}");
        }
    }
}

#[test]
fn a_connection_remembers_its_header_until_the_list_changes() {
    let mut house = house("0.0.0.0:0", vec![caller("shop", Some("t-shop"), None)]);
    let visit = house.visit(NETWORK, &[]);
    let shop = [("authorization", "Bearer t-shop")];
    for _ in 0..3 {
        assert_eq!(asked(&visit, &shop), Ok("shop".to_owned()));
    }
    // Another header on the same connection is looked at.
    assert!(asked(&visit, &[]).is_err());
    assert!(asked(&visit, &[("authorization", "Bearer t-shoP")]).is_err());
    assert_eq!(asked(&visit, &shop), Ok("shop".to_owned()));

    house.list(vec![caller("shop-2", Some("t-shop"), None)]);
    assert_eq!(asked(&visit, &shop), Ok("shop-2".to_owned()));
    house.list(vec![caller("other", Some("t-other"), None)]);
    assert!(asked(&visit, &shop).is_err(), "who was let in is not let in for ever");
}

#[test]
fn a_caller_asks_what_its_scopes_name() {
    let search = Caller { scopes: vec![CallerScope::Search], ..caller("search", Some("t"), None) };
    // Whoever says who it is, is held to it, on an open door too.
    for listen in ["0.0.0.0:0", "127.0.0.1:0"] {
        let house = house(listen, vec![search.clone()]);
        let visit = house.visit(NETWORK, &[]);
        let headers = headers(&[("authorization", "Bearer t")]);
        for scope in CallerScope::ALL {
            let error = visit.admit(&headers, Some(scope), Instant::now()).err();
            let message = format!("the caller `search` lacks the scope `{}`", scope.as_str());
            let expected = (scope != CallerScope::Search).then_some((ErrorCode::ScopeMissing, message));
            assert_eq!(error.map(|error| (error.code, error.message.into_owned())), expected);
        }
    }
}

#[test]
fn limits_hold_for_all_connections_of_a_caller_and_for_nobody_else() {
    let most = NonZeroU32::new(2);
    let fast = Caller { requests_per_second: most, ..caller("fast", Some("t-fast"), None) };
    let wide = Caller { in_flight: most, ..caller("wide", Some("t-wide"), None) };
    let mut house = house("0.0.0.0:0", vec![fast.clone(), wide.clone(), caller("free", Some("t-free"), None)]);
    let now = Instant::now();
    let ask = |house: &House, token: &str, now| {
        let given = headers(&[("sidegate-token", token)]);
        house.visit(NETWORK, &[]).admit(&given, Some(CallerScope::Decide), now)
    };
    assert!(ask(&house, "t-fast", now).is_ok() && ask(&house, "t-fast", now).is_ok());
    let error = ask(&house, "t-fast", now).unwrap_err();
    assert_eq!((error.code, error.retry_after()), (ErrorCode::TooManyRequests, Some(1)));
    assert_eq!(error.message, "the caller `fast` may send 2 requests a second");

    let (one, two) = (ask(&house, "t-wide", now).unwrap(), ask(&house, "t-wide", now).unwrap());
    let error = ask(&house, "t-wide", now).unwrap_err();
    assert_eq!((error.code, error.retry_after()), (ErrorCode::TooManyRequests, Some(1)));
    assert!(ask(&house, "t-free", now).is_ok());

    // Another list does not give back what was used up.
    house.list(vec![wide, fast]);
    assert!(ask(&house, "t-fast", now).is_err() && ask(&house, "t-wide", now).is_err());
    drop(one);
    assert!(ask(&house, "t-wide", now).is_ok());
    assert!(ask(&house, "t-fast", now + Duration::from_millis(600)).is_ok());
    drop(two);
}

#[test]
fn guessing_through_the_network_is_slowed_down_and_connections_that_are_known_go_on() {
    let house = house("0.0.0.0:0", vec![caller("shop", Some("t-shop"), None)]);
    let known = house.visit(NETWORK, &[]);
    let shop = [("authorization", "Bearer t-shop")];
    assert!(asked(&known, &shop).is_ok());
    let guesses = (0..100).take_while(|n| {
        let guess = format!("Bearer guess-{n}");
        asked(&house.visit(NETWORK, &[]), &[("authorization", &guess)])
            .is_err_and(|(code, _)| code == ErrorCode::Unauthorized)
    });
    assert_eq!(guesses.count(), 20);
    assert!(asked(&house.visit(NETWORK, &[]), &shop).is_err_and(|(code, _)| code == ErrorCode::TooManyFailures));
    assert_eq!(asked(&known, &shop), Ok("shop".to_owned()));
    assert_eq!(asked(&house.visit("192.0.2.2:1", &[]), &shop), Ok("shop".to_owned()));
}
