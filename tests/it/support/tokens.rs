//! Keys that sign tokens, and the sets in which issuers list them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
        RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RsaEncoding, RsaKeyPair,
    },
};
use serde_json::{Value, json};
use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// A key of an issuer.
pub struct SigningKey {
    kid: String,
    algorithm: &'static str,
    pair: Pair,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    Secret(Vec<u8>),
}

impl SigningKey {
    /// On the curve P-256.
    pub fn p256(kid: &str) -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).expect("a key");
        Self { kid: kid.to_owned(), algorithm: "ES256", pair: Pair::Ecdsa(pair) }
    }

    /// On the Edwards curve 25519.
    pub fn ed25519(kid: &str) -> Self {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let pair = Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key");
        Self { kid: kid.to_owned(), algorithm: "EdDSA", pair: Pair::Ed25519(pair) }
    }

    /// RSA, made by `openssl`: ring makes none.
    pub fn rsa(kid: &str, bits: u32) -> Self {
        let bits = format!("rsa_keygen_bits:{bits}");
        let made = Command::new("openssl")
            .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", &bits, "-outform", "DER"])
            .output()
            .expect("openssl");
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        let pair = RsaKeyPair::from_pkcs8(&made.stdout).expect("a key");
        Self { kid: kid.to_owned(), algorithm: "RS256", pair: Pair::Rsa(pair) }
    }

    /// A secret that signs with HMAC.
    pub fn secret(kid: &str, secret: &[u8]) -> Self {
        Self { kid: kid.to_owned(), algorithm: "HS256", pair: Pair::Secret(secret.to_owned()) }
    }

    /// The same key, signing by another of its algorithms.
    #[must_use]
    pub fn signing(self, algorithm: &'static str) -> Self {
        Self { algorithm, ..self }
    }

    /// The public key as a JWK.
    pub fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Ecdsa(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": self.kid, "x": encode(x), "y": encode(y) })
            }
            Pair::Ed25519(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": encode(pair.public_key().as_ref()) })
            }
            Pair::Rsa(pair) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({ "kty": "RSA", "kid": self.kid, "n": encode(&n), "e": encode(&e) })
            }
            Pair::Secret(secret) => json!({ "kty": "oct", "kid": self.kid, "k": encode(secret) }),
        }
    }

    /// A token.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_headed(&json!({ "alg": self.algorithm, "kid": self.kid, "typ": "JWT" }), claims)
    }

    /// A token with a header of its own.
    pub fn sign_headed(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let random = SystemRandom::new();
        let message = signed.as_bytes();
        let signature = match &self.pair {
            Pair::Ecdsa(pair) => pair.sign(&random, message).expect("signed").as_ref().to_owned(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_owned(),
            Pair::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match self.algorithm {
                    "RS256" => &RSA_PKCS1_SHA256,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    other => panic!("no `{other}` here"),
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(encoding, &random, message, &mut signature).expect("signed");
                signature
            }
            Pair::Secret(secret) => hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_owned(),
        };
        format!("{signed}.{}", encode(&signature))
    }
}

/// The set in which an issuer lists keys.
pub fn jwks(keys: &[&SigningKey]) -> Value {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() })
}

/// A token that is not signed.
pub fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(claims.to_string().as_bytes()))
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "tokens are of the time at which the sidecar looks at them")]
pub fn seconds_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the end of time")
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
