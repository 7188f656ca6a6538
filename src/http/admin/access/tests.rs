use super::*;
use crate::{model::Timestamp, tls::Shown};
use axum::http::{
    HeaderValue,
    header::{AUTHORIZATION, ORIGIN},
};
use sha2::{Digest as _, Sha256};
use std::{net::SocketAddr, time::Duration};

const SOMEBODY: Peer = at(1);
const ANYBODY: Peer = at(2);
const ANY: &[Scope] = &Scope::ALL;

const fn at(last: u8) -> Peer {
    Peer::at(PeerAddress::Ip(SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), 4711)))
}

fn door(auth: AdminAuth, tokens: Vec<AdminToken>) -> Door {
    let mut settings = Settings::default();
    settings.server.admin_auth = auth;
    settings.server.admin_tokens = tokens;
    Door::new(Live::new(settings))
}

fn token(text: &str, scopes: &[Scope]) -> AdminToken {
    let mut token = AdminToken::new(format!("the-{text}"), Sha256::digest(text).into());
    scopes.clone_into(&mut token.scopes);
    token
}

fn authorization(value: &str) -> HeaderMap {
    [(AUTHORIZATION, HeaderValue::from_str(value).unwrap())].into_iter().collect()
}

/// The code and the message of a refusal; `None` where it is let in.
fn refused(door: &Door, headers: &HeaderMap, scopes: &[Scope], now: Instant) -> Option<(ErrorCode, String)> {
    door.admit(headers, &SOMEBODY, scopes, now).err().map(|error| (error.code, error.message.into_owned()))
}

#[test]
fn only_a_listed_token_lets_in_and_it_is_said_whether_there_was_one() {
    let door = door(AdminAuth::Tokens, vec![token("secret-1", ANY), token("secret-2", ANY)]);
    let now = Instant::now();
    for (value, message) in [
        ("Bearer secret-1", None),
        ("bearer secret-2", None),
        ("Bearer  secret-2 ", None),
        ("Bearer secret-3", Some("the bearer token is not known")),
        ("Bearer ", Some("no bearer token")),
        ("Basic secret-1", Some("no bearer token")),
        ("secret-1", Some("no bearer token")),
    ] {
        let found = refused(&door, &authorization(value), ANY, now);
        assert_eq!(found, message.map(|message| (ErrorCode::Unauthorized, message.to_owned())), "{value:?}");
    }
    let found = refused(&door, &HeaderMap::new(), ANY, now);
    assert_eq!(found, Some((ErrorCode::Unauthorized, "no bearer token".to_owned())));
    assert_eq!(refused(&door, &HeaderMap::new(), &[], now), None, "what is open to all needs none");
}

fn found<'t>(tokens: &'t [AdminToken], given: &str) -> Option<&'t AdminToken> {
    credentials::find(tokens, |token| Some(&token.sha256), given)
}

#[test]
fn every_one_of_many_tokens_is_found_and_no_other() {
    let tokens: Vec<_> = (0..200).map(|n| token(&format!("secret-{n}"), ANY)).collect();
    for n in 0..200 {
        assert_eq!(found(&tokens, &format!("secret-{n}")), tokens.get(n));
    }
    assert_eq!(found(&tokens, "secret-200"), None);
    assert_eq!(found(&[], "secret-0"), None);
}

#[test]
fn a_token_opens_what_its_scopes_say_and_the_refusal_names_the_one_that_is_missing() {
    let door = door(AdminAuth::Tokens, vec![token("looks", &[Scope::Read]), token("loads", &[Scope::Policies])]);
    let now = Instant::now();
    for (given, scopes, message) in [
        ("looks", &[Scope::Read][..], None),
        ("looks", &[Scope::Read, Scope::Policies], None),
        ("loads", &[Scope::Read, Scope::Policies], None),
        ("looks", &[Scope::Audit], Some("the token `the-looks` lacks the scope `audit`")),
        (
            "looks",
            &[Scope::Directory, Scope::Audit],
            Some("the token `the-looks` lacks the scope: one of `directory`, `audit`"),
        ),
        ("loads", &[Scope::Read], Some("the token `the-loads` lacks the scope `read`")),
    ] {
        let found = refused(&door, &authorization(&format!("Bearer {given}")), scopes, now);
        assert_eq!(found, message.map(|message| (ErrorCode::ScopeMissing, message.to_owned())), "{given} {scopes:?}");
    }
}

#[test]
fn guessing_is_slowed_down_for_who_guesses_and_for_nobody_else() {
    let door = door(AdminAuth::Tokens, vec![token("secret", ANY)]);
    let (right, began) = (authorization("Bearer secret"), Instant::now());
    let guess = |n: u32, from: &Peer, now| door.admit(&authorization(&format!("Bearer guess-{n}")), from, ANY, now);
    let heard =
        (0..100).take_while(|n| guess(*n, &SOMEBODY, began).is_err_and(|error| error.code == ErrorCode::Unauthorized));
    assert_eq!(heard.count(), 20);
    let error = guess(100, &SOMEBODY, began).unwrap_err();
    assert_eq!((error.code, error.retry_after()), (ErrorCode::TooManyFailures, Some(3)));
    // The right token is taken, also beside somebody who guesses behind the same proxy: no number of guesses hits one.
    assert!(door.admit(&right, &SOMEBODY, ANY, began).is_ok());
    assert!(door.admit(&right, &ANYBODY, ANY, began).is_ok());
    // Requests without a token are no guesses, and are told what is missing.
    let bare = refused(&door, &HeaderMap::new(), ANY, began);
    assert_eq!(bare, Some((ErrorCode::Unauthorized, "no bearer token".to_owned())));
    let later = guess(101, &SOMEBODY, began + Duration::from_secs(3)).unwrap_err();
    assert_eq!(later.code, ErrorCode::Unauthorized, "one is borne again");
}

#[test]
fn right_tokens_cost_nothing() {
    let door = door(AdminAuth::Tokens, vec![token("secret", &[Scope::Read])]);
    let now = Instant::now();
    for _ in 0..1000 {
        assert!(door.admit(&authorization("Bearer secret"), &SOMEBODY, &[Scope::Read], now).is_ok());
        let found = refused(&door, &authorization("Bearer secret"), &[Scope::Audit], now);
        assert_eq!(found.map(|(code, _)| code), Some(ErrorCode::ScopeMissing));
    }
}

#[test]
fn without_tokens_requests_of_foreign_pages_are_refused() {
    let door = door(AdminAuth::None, Vec::new());
    let foreign: HeaderMap = [(ORIGIN, HeaderValue::from_static("https://evil.example"))].into_iter().collect();
    let now = Instant::now();
    assert_eq!(refused(&door, &HeaderMap::new(), ANY, now), None);
    for scopes in [ANY, &[]] {
        assert_eq!(refused(&door, &foreign, scopes, now).map(|(code, _)| code), Some(ErrorCode::Forbidden));
    }
}

#[test]
fn a_client_is_told_by_its_certificate_and_a_token_that_is_shown_counts() {
    let client = |name: &str, certificate: &str, scopes: &[Scope]| AdminClient {
        name: name.to_owned(),
        certificates: vec![certificate.to_owned()],
        scopes: scopes.to_owned(),
        operator: name == "ops",
    };
    let mut settings = Settings::default();
    settings.server.admin_tokens = vec![token("secret", &[Scope::Audit])];
    settings.server.admin_clients =
        vec![client("ops", "ops.internal", ANY), client("ci", "spiffe://cluster/ci", &[Scope::Policies])];
    let door = Door::new(Live::new(settings));
    let until = |expires: i64, names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Peer { shown: Some(Shown { names, expires: Timestamp::from_micros(expires) }), ..SOMEBODY }
    };
    let with = |names: &[&str]| until(i64::MAX, names);
    let (none, secret, wrong) = (HeaderMap::new(), authorization("Bearer secret"), authorization("Bearer wrong"));
    let unauthorized = |message: &str| Err((ErrorCode::Unauthorized, message.to_owned()));
    let missing = |message: &str| Err((ErrorCode::ScopeMissing, message.to_owned()));
    for (names, headers, scope, expected) in [
        (&["ops.internal"][..], &none, Scope::Audit, Ok("ops")),
        (&["x", "spiffe://cluster/ci"], &none, Scope::Policies, Ok("ci")),
        (&["spiffe://cluster/ci"], &none, Scope::Audit, missing("the client `ci` lacks the scope `audit`")),
        (&["x", "y"], &none, Scope::Audit, unauthorized("no client has the certificate of `x`, `y`")),
        (&[], &none, Scope::Audit, unauthorized("no bearer token")),
        (&["ops.internal"], &secret, Scope::Audit, Ok("the-secret")),
        (&["ops.internal"], &secret, Scope::Read, missing("the token `the-secret` lacks the scope `read`")),
        (&["ops.internal"], &wrong, Scope::Audit, unauthorized("the bearer token is not known")),
    ] {
        let admitted = door.admit(headers, &with(names), &[scope], Instant::now());
        let found = admitted.map(|caller| caller.expect("scopes are wanted").name().to_owned());
        let found = found.map_err(|error| (error.code, error.message.into_owned()));
        assert_eq!(found, expected.map(str::to_owned), "{names:?} {headers:?}");
    }
    // The connection has outlived the certificate.
    let late = door.admit(&none, &until(1_000_000_000_000_000, &["ops.internal"]), &[Scope::Audit], Instant::now());
    let late = late.map_err(|error| (error.code, error.message.into_owned()));
    assert_eq!(late.unwrap_err(), unauthorized("no bearer token").unwrap_err());
}
