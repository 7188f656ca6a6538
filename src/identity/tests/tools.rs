//! Keys, tokens, and a verifier that knows them.

use crate::{
    config::{self, Live, Settings, Sources},
    identity::{Verifier, keys},
    model::Timestamp,
    telemetry::Metrics,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        Ed25519KeyPair, KeyPair as _,
    },
};
use serde_json::{Value, json};
use std::{fs, sync::Arc};
use tempfile::TempDir;

pub(super) const ISSUER: &str = "https://id.example/realms/shop";
pub(super) const AUDIENCE: &str = "back-office";
/// Seconds since 1970.
pub(super) const NOW: i64 = 1_800_000_000;

pub(super) fn seconds(time: i64) -> Timestamp {
    Timestamp::from_micros(time * 1_000_000)
}

/// What a good token says.
pub(super) fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": AUDIENCE, "exp": NOW + 60, "iat": NOW, "sub": "sam" })
}

/// A key that signs.
pub(super) struct Pair {
    kid: String,
    signer: Signer,
}

enum Signer {
    Ecdsa(&'static str, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Secret(Vec<u8>),
}

impl Pair {
    pub(super) fn p256(kid: &str) -> Self {
        Self::ecdsa(kid, "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    pub(super) fn p384(kid: &str) -> Self {
        Self::ecdsa(kid, "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    fn ecdsa(kid: &str, curve: &'static str, algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        Self { kid: kid.to_owned(), signer: Signer::Ecdsa(curve, pair) }
    }

    pub(super) fn ed25519(kid: &str) -> Self {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
        Self { kid: kid.to_owned(), signer: Signer::Ed25519(pair) }
    }

    pub(super) fn secret(secret: &[u8]) -> Self {
        Self { kid: "secret".to_owned(), signer: Signer::Secret(secret.to_owned()) }
    }

    /// Another key of the same sort and name.
    pub(super) fn another(&self) -> Self {
        match &self.signer {
            Signer::Ecdsa("P-256", _) => Self::p256(&self.kid),
            Signer::Ecdsa(..) => Self::p384(&self.kid),
            Signer::Ed25519(_) => Self::ed25519(&self.kid),
            Signer::Secret(_) => Self::secret(b"another secret of thirty-two bytes"),
        }
    }

    pub(super) fn algorithm(&self) -> &'static str {
        match &self.signer {
            Signer::Ecdsa("P-256", _) => "ES256",
            Signer::Ecdsa(..) => "ES384",
            Signer::Ed25519(_) => "EdDSA",
            Signer::Secret(_) => "HS256",
        }
    }

    /// The bytes of the public key.
    pub(super) fn public(&self) -> Vec<u8> {
        match &self.signer {
            Signer::Ecdsa(_, pair) => pair.public_key().as_ref().to_owned(),
            Signer::Ed25519(pair) => pair.public_key().as_ref().to_owned(),
            Signer::Secret(_) => panic!("a secret has no public key"),
        }
    }

    pub(super) fn jwk(&self) -> Value {
        let public = self.public();
        match &self.signer {
            Signer::Ecdsa(curve, _) => {
                let (x, y) = public[1..].split_at(public.len() / 2);
                json!({ "kty": "EC", "crv": curve, "kid": self.kid, "x": encode(x), "y": encode(y) })
            }
            _ => json!({ "kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": encode(&public) }),
        }
    }

    pub(super) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&self.kid, claims)
    }

    pub(super) fn sign_as(&self, kid: &str, claims: &Value) -> String {
        self.sign_headed(&json!({ "alg": self.algorithm(), "kid": kid, "typ": "JWT" }), &claims.to_string())
    }

    pub(super) fn sign_headed(&self, header: &Value, claims: &str) -> String {
        self.sign_text(&header.to_string(), claims)
    }

    pub(super) fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = match &self.signer {
            Signer::Ecdsa(_, pair) => pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_owned(),
            Signer::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_owned(),
            Signer::Secret(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, signed.as_bytes()).as_ref().to_owned()
            }
        };
        format!("{signed}.{}", encode(&signature))
    }
}

/// A token without a signature.
pub(super) fn unsigned(algorithm: &str, claims: &Value) -> String {
    let header = json!({ "alg": algorithm }).to_string();
    format!("{}.{}.", encode(header.as_bytes()), encode(claims.to_string().as_bytes()))
}

/// Header and claims of a token, for the message of a failure.
pub(super) fn shown(token: &str) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    token.split('.').take(2).map(|text| part(text).unwrap_or_else(|_| text.to_owned())).collect::<Vec<_>>().join(" . ")
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A verifier of one issuer, whose keys are in a file.
pub(super) struct Forge {
    pub(super) verifier: Arc<Verifier>,
    pub(super) settings: Live,
    folder: TempDir,
}

impl Forge {
    /// One that knows a key. `more` are further lines of the issuer's settings.
    pub(super) fn with(pair: &Pair, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = match &pair.signer {
            Signer::Secret(secret) => secret_file(&folder, secret),
            _ => keep(&folder, &json!({ "keys": [pair.jwk()] })),
        };
        Self::open(folder, &keys, more)
    }

    /// One whose file of keys is this.
    pub(super) fn listing(keys: &Value, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = keep(&folder, keys);
        Self::open(folder, &keys, more)
    }

    fn open(folder: TempDir, keys: &str, more: &str) -> Self {
        let settings = Live::new(settings(&[issuer(ISSUER, keys, more)]));
        let verifier = Verifier::open(settings.clone(), Metrics::new(), seconds(NOW)).unwrap();
        Self { verifier, settings, folder }
    }

    /// Puts keys into another file; gives the line of the settings that names it.
    pub(super) fn keep(&self, keys: &Value) -> String {
        keep(&self.folder, keys)
    }

    /// What a look at the issuer's keys finds at a time.
    pub(super) fn list(&self, listed: &Value, now: Timestamp) {
        let listed = keys::parse(listed.to_string().as_bytes()).unwrap();
        self.verifier.renew(&self.verifier.issuers()[0], listed, now);
    }
}

fn keep(folder: &TempDir, keys: &Value) -> String {
    let count = fs::read_dir(folder.path()).unwrap().count();
    let path = folder.path().join(format!("keys-{count}.json"));
    fs::write(&path, keys.to_string()).unwrap();
    format!("jwks: {}", path.display())
}

fn secret_file(folder: &TempDir, secret: &[u8]) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.path().join("secret");
    fs::write(&path, secret).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    format!("secret_file: {}", path.display())
}

/// The settings of one issuer, as lines of a list.
pub(super) fn issuer(name: &str, keys: &str, more: &str) -> String {
    format!("  - issuer: {name}\n    audiences: {AUDIENCE}\n    {keys}\n    {more}\n")
}

/// Settings with these issuers.
pub(super) fn settings(issuers: &[String]) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.yaml");
    let mut text = "subjects:\n  keys: { refresh: 1m, max_age: 1h, keep_removed: 1m }\n  tokens:\n".to_owned();
    text.extend(issuers.concat().lines().map(|line| format!("  {line}\n")));
    fs::write(&path, text).unwrap();
    config::load(&Sources { file: Some(path), ..Sources::default() }).unwrap()
}
