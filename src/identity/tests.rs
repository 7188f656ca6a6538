//! Tokens that are as they should be, and every way in which they can be otherwise.

mod tools;

use self::tools::{AUDIENCE, Forge, ISSUER, NOW, Pair, claims, seconds, unsigned};
use super::*;
use crate::{
    config::{self, Algorithm, Settings},
    model::{ReasonCode, Value},
};
use serde_json::{Value as Json, json};

fn refused(forge: &Forge, token: &str) -> Option<ReasonCode> {
    forge.verifier.verify(token, seconds(NOW)).err()
}

#[test]
fn a_token_says_who_it_is_in_the_names_of_the_policy_set() {
    let pair = Pair::p256("k1");
    let forge = Forge::with(
        &pair,
        "user: { claim: email, prefix: 'shop|' }\n    tenant: { claim: org.id, names: { o-1: north } }\n    \
         roles: { claim: realm_access.roles, prefix: shop-, names: { admins: administrator, clerks: clerk } }\n    \
         attributes: { channels: channels, boss: /https:~1~1x.example~1boss, absent: nowhere }\n    known_users_only: true",
    );
    let token = pair.sign(&json!({
        "iss": ISSUER, "aud": ["other", AUDIENCE], "exp": NOW + 60, "email": "shop|sam", "org": { "id": "o-1" },
        "realm_access": { "roles": ["shop-admins", "shop-admins", "offline", "shop-unheard-of"] },
        "channels": ["web", "tv"], "https://x.example/boss": "max",
    }));
    let identity = forge.verifier.verify(&token, seconds(NOW)).unwrap();
    let assertion = &identity.assertion;
    assert_eq!((assertion.user.as_str(), assertion.tenant.as_deref()), ("sam", Some("north")));
    assert_eq!(assertion.roles, ["administrator"]);
    assert!(assertion.known_users_only);
    let channels = Value::Set(vec![Value::text("web"), Value::text("tv")]);
    assert_eq!(assertion.attributes, [("channels".into(), channels), ("boss".into(), Value::text("max"))]);
}

#[test]
fn every_algorithm_verifies_its_own_signatures_and_no_others() {
    let pairs =
        [Pair::p256("k"), Pair::p384("k"), Pair::ed25519("k"), Pair::secret(b"0123456789012345678901234567890123")];
    for pair in &pairs {
        let forge = Forge::with(pair, "");
        let token = pair.sign(&claims());
        assert_eq!(refused(&forge, &token), None, "{:?}", pair.algorithm());
        assert_eq!(refused(&forge, &spoil(&token, 2)), Some(ReasonCode::TokenSignature), "{:?}", pair.algorithm());
        assert!(refused(&forge, &spoil(&token, 1)).is_some(), "{:?}", pair.algorithm());
        let stranger = pair.another();
        assert_eq!(
            refused(&forge, &stranger.sign(&claims())),
            Some(ReasonCode::TokenSignature),
            "{:?}",
            pair.algorithm()
        );
    }
}

/// The token with one letter of a part changed, in the middle of it.
fn spoil(token: &str, part: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let middle = parts[part].len() / 2;
    let other = if parts[part].as_bytes()[middle] == b'A' { "B" } else { "A" };
    parts[part].replace_range(middle..=middle, other);
    parts.join(".")
}

#[test]
fn whatever_is_wrong_with_a_token_has_a_code_of_its_own() {
    let pair = Pair::p256("k1");
    let forge = Forge::with(&pair, "tenant: org\n    roles: roles");
    let with = |change: Json| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        pair.sign(&claims)
    };
    let signed_under = |header: Json| pair.sign_headed(&header, &claims().to_string());
    let es256 = |more: Json| {
        let mut header = json!({ "alg": "ES256", "kid": "k1" });
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        signed_under(header)
    };
    let good = pair.sign(&claims());
    let [header, payload, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let twice = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{},"sub":"sam","sub":"max"}}"#, NOW + 60);
    let nested =
        format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{},"sub":"sam","x":{{"a":1,"a":1}}}}"#, NOW + 60);
    let cases = [
        (good.clone(), None),
        // The form.
        (String::new(), Some(ReasonCode::TokenMalformed)),
        ("sam".to_owned(), Some(ReasonCode::TokenMalformed)),
        (format!("{header}.{payload}"), Some(ReasonCode::TokenMalformed)),
        (format!("{good}."), Some(ReasonCode::TokenMalformed)),
        (format!("{good}.x.y"), Some(ReasonCode::TokenMalformed)),
        (format!("{header}=.{payload}.{signature}"), Some(ReasonCode::TokenMalformed)),
        (format!(" {good}"), Some(ReasonCode::TokenMalformed)),
        (format!("{header}.{payload}.{signature}\n"), Some(ReasonCode::TokenMalformed)),
        (pair.sign_headed(&json!({ "alg": "ES256", "kid": "k1" }), "[1]"), Some(ReasonCode::TokenMalformed)),
        (pair.sign_headed(&json!({ "alg": "ES256", "kid": "k1" }), "nonsense"), Some(ReasonCode::TokenMalformed)),
        (signed_under(json!({ "kid": "k1" })), Some(ReasonCode::TokenMalformed)),
        (signed_under(json!({ "alg": 5 })), Some(ReasonCode::TokenMalformed)),
        (es256(json!({ "kid": 1 })), Some(ReasonCode::TokenMalformed)),
        (with(json!({ "long": "x".repeat(9000) })), Some(ReasonCode::TokenTooLarge)),
        (pair.sign_headed(&json!({ "alg": "ES256", "kid": "k1" }), &twice), Some(ReasonCode::TokenDuplicateMember)),
        (pair.sign_headed(&json!({ "alg": "ES256", "kid": "k1" }), &nested), Some(ReasonCode::TokenDuplicateMember)),
        (
            pair.sign_text(r#"{"alg":"ES256","alg":"none"}"#, &claims().to_string()),
            Some(ReasonCode::TokenDuplicateMember),
        ),
        // The algorithm.
        (unsigned("none", &claims()), Some(ReasonCode::TokenUnsigned)),
        (unsigned("nOnE", &claims()), Some(ReasonCode::TokenUnsigned)),
        (pair.sign_headed(&json!({ "alg": "none" }), &claims().to_string()), Some(ReasonCode::TokenUnsigned)),
        (signed_under(json!({ "alg": "es256", "kid": "k1" })), Some(ReasonCode::TokenAlgorithm)),
        (signed_under(json!({ "alg": "ES512", "kid": "k1" })), Some(ReasonCode::TokenAlgorithm)),
        // A secret made of the public key, in every form in which somebody has taken it for one.
        (Pair::secret(&pair.public()).sign_as("k1", &claims()), Some(ReasonCode::TokenAlgorithm)),
        (Pair::secret(pair.jwk().to_string().as_bytes()).sign_as("k1", &claims()), Some(ReasonCode::TokenAlgorithm)),
        (Pair::ed25519("k1").sign(&claims()), Some(ReasonCode::TokenKeyMismatch)),
        // The rest of the header.
        (es256(json!({ "crit": ["exp"] })), Some(ReasonCode::TokenCritical)),
        (es256(json!({ "crit": [] })), Some(ReasonCode::TokenCritical)),
        (es256(json!({ "crit": ["b64"], "b64": false })), Some(ReasonCode::TokenCritical)),
        (es256(json!({ "typ": "logout+jwt" })), Some(ReasonCode::TokenType)),
        (es256(json!({ "typ": "at+JWT" })), None),
        (es256(json!({ "jwk": Pair::p256("k1").jwk(), "jku": "https://evil.example/" })), None),
        (signed_under(json!({ "alg": "ES256" })), None),
        (signed_under(json!({ "alg": "ES256", "kid": "k2" })), Some(ReasonCode::TokenKeyUnknown)),
        (signed_under(json!({ "alg": "ES256", "kid": "" })), Some(ReasonCode::TokenKeyUnknown)),
        // The claims that every token has.
        (with(json!({ "iss": "https://evil.example" })), Some(ReasonCode::TokenIssuer)),
        (with(json!({ "iss": format!("{ISSUER}/") })), Some(ReasonCode::TokenIssuer)),
        (with(json!({ "iss": null })), Some(ReasonCode::TokenIssuer)),
        (with(json!({ "iss": [ISSUER] })), Some(ReasonCode::TokenIssuer)),
        (with(json!({ "aud": "others" })), Some(ReasonCode::TokenAudience)),
        (with(json!({ "aud": [] })), Some(ReasonCode::TokenAudience)),
        (with(json!({ "aud": null })), Some(ReasonCode::TokenAudience)),
        (with(json!({ "aud": { "x": AUDIENCE } })), Some(ReasonCode::TokenAudience)),
        (with(json!({ "exp": NOW - 31 })), Some(ReasonCode::TokenExpired)),
        (with(json!({ "exp": NOW - 30 })), Some(ReasonCode::TokenExpired)),
        (with(json!({ "exp": NOW - 29 })), None),
        (with(json!({ "exp": 0 })), Some(ReasonCode::TokenExpired)),
        (with(json!({ "exp": -1 })), Some(ReasonCode::TokenExpired)),
        (with(json!({ "exp": 1e300 })), None),
        (with(json!({ "exp": i64::MAX })), None),
        (with(json!({ "exp": null })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "exp": "2030-01-01" })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "nbf": NOW + 31 })), Some(ReasonCode::TokenNotYetValid)),
        (with(json!({ "nbf": NOW + 30 })), None),
        (with(json!({ "nbf": "soon" })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "iat": NOW + 31 })), Some(ReasonCode::TokenNotYetValid)),
        (with(json!({ "iat": 1.5e9 })), None),
        // The claims that are mapped.
        (with(json!({ "sub": null })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "sub": "" })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "sub": "sam\nmax" })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "sub": "x".repeat(257) })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "sub": ["sam"] })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "sub": 42 })), None),
        (with(json!({ "org": ["north"] })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "roles": "clerk" })), None),
        (with(json!({ "roles": [1] })), Some(ReasonCode::TokenClaims)),
        (with(json!({ "roles": { "clerk": {} } })), Some(ReasonCode::TokenClaims)),
    ];
    for (token, code) in cases {
        assert_eq!(refused(&forge, &token), code, "{}", tools::shown(&token));
    }
}

#[test]
fn a_value_without_its_prefix_or_name_is_somebody_else_or_nobody() {
    let pair = Pair::p256("k1");
    let forge =
        Forge::with(&pair, "user: { claim: sub, prefix: 'shop|' }\n    tenant: { claim: org, names: { a: north } }");
    let asked = |user: &str, org: Json| {
        let token = pair.sign(&json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 60, "sub": user, "org": org }));
        forge.verifier.verify(&token, seconds(NOW)).map(|identity| identity.assertion.tenant.clone())
    };
    assert_eq!(asked("shop|sam", json!("a")), Ok(Some("north".to_owned())));
    assert_eq!(asked("shop|sam", Json::Null), Ok(None));
    for (user, org) in
        [("sam", json!("a")), ("shop|", json!("a")), ("shop|sam", json!("b")), ("shop|sam", json!("north"))]
    {
        assert_eq!(asked(user, org.clone()), Err(ReasonCode::TokenClaims), "{user} {org}");
    }
}

#[test]
fn keys_are_for_one_algorithm_and_for_signatures() {
    let pair = Pair::p256("k1");
    for (change, code) in [
        (json!({}), None),
        (json!({ "use": "sig" }), None),
        (json!({ "use": "enc" }), Some(ReasonCode::TokenKeyMismatch)),
        (json!({ "use": 5 }), Some(ReasonCode::TokenKeyMismatch)),
        (json!({ "key_ops": ["verify"] }), None),
        (json!({ "key_ops": ["encrypt"] }), Some(ReasonCode::TokenKeyMismatch)),
        (json!({ "alg": "ES256" }), None),
        (json!({ "alg": "ES384" }), Some(ReasonCode::TokenKeyMismatch)),
        (json!({ "alg": "RSA-OAEP" }), Some(ReasonCode::TokenKeyMismatch)),
        (json!({ "kty": "oct", "k": "AAAA" }), Some(ReasonCode::TokenKeyMismatch)),
        (json!({ "crv": "P-521" }), Some(ReasonCode::TokenKeyMismatch)),
        (json!({ "x": "AAAA" }), Some(ReasonCode::TokenKeyMismatch)),
    ] {
        let mut jwk = pair.jwk();
        jwk.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        // Beside it one that can be used, since a file without any is refused.
        let forge = Forge::listing(&json!({ "keys": [jwk, Pair::ed25519("other").jwk()] }), "");
        assert_eq!(refused(&forge, &pair.sign(&claims())), code, "{change}");
    }
}

#[test]
fn a_token_that_names_no_key_is_of_the_only_one_that_fits() {
    let (one, other, third) = (Pair::p256("k1"), Pair::p256("k2"), Pair::ed25519("k3"));
    let bare = |pair: &Pair| pair.sign_headed(&json!({ "alg": pair.algorithm() }), &claims().to_string());
    let forge = Forge::listing(&json!({ "keys": [one.jwk(), third.jwk()] }), "");
    assert_eq!(refused(&forge, &bare(&one)), None);
    assert_eq!(refused(&forge, &bare(&third)), None);
    assert_eq!(refused(&forge, &bare(&Pair::p384("k4"))), Some(ReasonCode::TokenKeyMismatch));
    let forge = Forge::listing(&json!({ "keys": [one.jwk(), other.jwk()] }), "");
    assert_eq!(refused(&forge, &bare(&one)), Some(ReasonCode::TokenKeyUnknown));
}

#[test]
fn a_key_that_is_no_longer_listed_counts_for_a_while_and_stale_keys_do_not() {
    let (old, new) = (Pair::p256("old"), Pair::p256("new"));
    let forge = Forge::with(&old, "");
    let (of_old, of_new) = (old.sign(&claims()), new.sign(&claims()));
    let far = |by: i64| seconds(NOW + by);
    let identity = forge.verifier.verify(&of_old, far(0)).unwrap();
    assert!(forge.verifier.still_holds(&identity, far(0)));

    forge.list(&json!({ "keys": [new.jwk()] }), far(10));
    assert!(!forge.verifier.still_holds(&identity, far(10)), "a key was taken away");
    let identity = forge.verifier.verify(&of_old, far(10)).unwrap();
    assert!(forge.verifier.still_holds(&identity, far(11)));
    assert_eq!(forge.verifier.verify(&of_new, far(11)).err(), None);
    // `keep_removed` is a minute here.
    forge.list(&json!({ "keys": [new.jwk()] }), far(69));
    assert_eq!(forge.verifier.verify(&of_old, far(69)).err(), None);
    assert!(!forge.verifier.still_holds(&identity, far(70)));
    assert_eq!(forge.verifier.verify(&of_old, far(70)).err(), Some(ReasonCode::TokenKeyUnknown));

    // `max_age` is an hour here.
    let late = new.sign(&json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 10_000, "sub": "sam" }));
    let identity = forge.verifier.verify(&late, far(3668)).unwrap();
    assert!(forge.verifier.still_holds(&identity, far(3668)));
    assert!(!forge.verifier.still_holds(&identity, far(3669)));
    assert_eq!(forge.verifier.verify(&late, far(3669)).err(), Some(ReasonCode::TokenKeysStale));
    assert!(forge.verifier.status(far(3669))[0].stale);
    forge.list(&json!({ "keys": [new.jwk()] }), far(3670));
    assert_eq!(forge.verifier.verify(&late, far(3670)).err(), None);
    assert!(!forge.verifier.status(far(3670))[0].stale);
}

#[test]
fn a_verified_token_ends_with_its_time_and_with_a_change_of_the_settings() {
    let pair = Pair::p256("k1");
    let forge = Forge::with(&pair, "");
    let identity = forge.verifier.verify(&pair.sign(&claims()), seconds(NOW)).unwrap();
    assert!(forge.verifier.still_holds(&identity, seconds(NOW + 89)));
    assert!(!forge.verifier.still_holds(&identity, seconds(NOW + 90)), "`exp` and the leeway");
    forge.verifier.reload(seconds(NOW));
    assert!(!forge.verifier.still_holds(&identity, seconds(NOW)));

    let mut settings = Settings::clone(&forge.settings.load());
    settings.subjects.tokens.clear();
    forge.settings.publish(settings);
    forge.verifier.reload(seconds(NOW));
    assert!(!forge.verifier.takes_tokens());
    assert_eq!(refused(&forge, &pair.sign(&claims())), Some(ReasonCode::TokenIssuer));
}

#[test]
fn issuers_do_not_lend_each_other_their_keys() {
    let (ours, theirs) = (Pair::p256("k1"), Pair::p256("k1"));
    let forge = Forge::with(&ours, "");
    let other = tools::issuer("https://other.example", &forge.keep(&json!({ "keys": [theirs.jwk()] })), "");
    let mut settings = Settings::clone(&forge.settings.load());
    settings.subjects.tokens.extend(tools::settings(&[other]).subjects.tokens);
    forge.settings.publish(settings);
    forge.verifier.reload(seconds(NOW));
    let mut claims = claims();
    assert_eq!(refused(&forge, &ours.sign(&claims)), None);
    assert_eq!(refused(&forge, &theirs.sign(&claims)), Some(ReasonCode::TokenSignature));
    claims["iss"] = json!("https://other.example");
    assert_eq!(refused(&forge, &theirs.sign(&claims)), None);
    assert_eq!(refused(&forge, &ours.sign(&claims)), Some(ReasonCode::TokenSignature));
}

#[test]
fn a_secret_verifies_no_signature_of_a_key_and_the_other_way_round() {
    let secret = Pair::secret(b"0123456789012345678901234567890123");
    let forge = Forge::with(&secret, "");
    assert_eq!(refused(&forge, &secret.sign(&claims())), None);
    assert_eq!(refused(&forge, &Pair::p256("k1").sign(&claims())), Some(ReasonCode::TokenAlgorithm));
    assert!(!forge.verifier.status(seconds(NOW + 1_000_000))[0].stale, "a secret does not grow old");
}

#[test]
fn files_that_hold_no_keys_are_refused_before_anything_starts() {
    for (content, fragment) in [
        ("", "is no JWKS"),
        ("{}", "is no JWKS"),
        ("[]", "is no JWKS"),
        (r#"{"keys":[]}"#, "holds no key"),
        (r#"{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}"#, "holds no key"),
        (r#"{"keys":[],"keys":[]}"#, "is no JWKS"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        std::fs::write(&path, content).unwrap();
        let settings = tools::settings(&[tools::issuer(ISSUER, &format!("jwks: {}", path.display()), "")]);
        let error = check(&settings.subjects).unwrap_err().to_string();
        assert!(error.contains(fragment), "{content}: {error}");
    }
    let settings = tools::settings(&[tools::issuer(ISSUER, "jwks: /nowhere/keys.json", "")]);
    assert!(check(&settings.subjects).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn every_algorithm_of_public_keys_counts_unless_the_settings_name_some() {
    let pair = Pair::p256("k1");
    let forge = Forge::with(&pair, "algorithms: [EdDSA, ES384]");
    assert_eq!(refused(&forge, &pair.sign(&claims())), Some(ReasonCode::TokenAlgorithm));
    assert!(Algorithm::defaults(false).iter().all(|algorithm| algorithm.family() != config::Family::Secret));
}

#[test]
fn a_text_that_is_no_token_never_panics() {
    #[expect(clippy::disallowed_methods, reason = "the seed of a failed run, to run it again")]
    let chosen = std::env::var("SIDEGATE_SEED").ok().map(|seed| seed.parse::<u64>().expect("a number"));
    let seed = chosen.unwrap_or(7);
    let mut random = fastrand::Rng::with_seed(seed);
    let pair = Pair::p256("k1");
    let forge = Forge::with(&pair, "roles: roles");
    let good = pair.sign(&claims());
    for _ in 0..2000 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = b"ABCxyz019-_.=\n{}\""[random.usize(..17)],
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"Az9_."[random.usize(..5)]),
            }
        }
        let token = String::from_utf8(bytes).unwrap();
        let verified = forge.verifier.verify(&token, seconds(NOW));
        assert!(token == good || verified.is_err(), "seed {seed}: {token}");
    }
}
