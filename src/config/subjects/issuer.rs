//! One of `subjects.tokens`.

use super::{ClaimPath, ClaimRule, KeyAddress, TenantRule};
use crate::config::Secret;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

macro_rules! algorithms {
    ($($name:ident: $family:ident, $hash:literal;)*) => {
        /// How a token is signed, by the names of RFC 7518 and RFC 8037.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[expect(missing_docs, reason = "the names are those of the specifications")]
        pub enum Algorithm { $($name,)* }

        impl Algorithm {
            /// Every algorithm, in the order of the documents.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The sort of key that it takes.
            #[must_use]
            pub const fn family(self) -> Family {
                match self { $(Self::$name => Family::$family,)* }
            }

            /// The bytes of its hash.
            #[must_use]
            pub const fn hash_bytes(self) -> usize {
                match self { $(Self::$name => $hash,)* }
            }
        }
    };
}

algorithms! {
    RS256: Rsa, 32;
    RS384: Rsa, 48;
    RS512: Rsa, 64;
    PS256: Rsa, 32;
    PS384: Rsa, 48;
    PS512: Rsa, 64;
    ES256: P256, 32;
    ES384: P384, 48;
    EdDSA: Ed25519, 64;
    HS256: Secret, 32;
    HS384: Secret, 48;
    HS512: Secret, 64;
}

/// The sorts of keys. A key is of one sort, and an algorithm takes keys of one sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// RSA.
    Rsa,
    /// Elliptic curve P-256.
    P256,
    /// Elliptic curve P-384.
    P384,
    /// Edwards curve 25519.
    Ed25519,
    /// A secret that issuer and verifier share.
    Secret,
}

impl Algorithm {
    /// Reads its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    /// Those that count for an issuer that names none: with public keys every one of these, with a secret `HS256`.
    #[must_use]
    pub fn defaults(of_a_secret: bool) -> Vec<Self> {
        if of_a_secret {
            return vec![Self::HS256];
        }
        Self::ALL.iter().copied().filter(|algorithm| algorithm.family() != Family::Secret).collect()
    }
}

/// Where an issuer's keys come from. Never both of public keys and a secret, so that the one cannot be taken for the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A JWKS at an address.
    Address(KeyAddress),
    /// A JWKS in a file.
    File(PathBuf),
    /// A secret in a file.
    Secret {
        /// The file.
        path: PathBuf,
        /// What it holds.
        secret: Option<Secret>,
    },
}

/// One of `subjects.tokens`: whose tokens count, and what their claims mean.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenIssuer {
    /// What `iss` is, to the letter.
    pub issuer: String,
    /// One of them is in `aud`. Not empty.
    pub audiences: Vec<String>,
    /// Its keys.
    pub keys: KeySource,
    /// The algorithms that count. Not empty; each is one for its keys.
    pub algorithms: Vec<Algorithm>,
    /// Who the user is.
    pub user: ClaimRule,
    /// Where the user acts.
    pub tenant: Option<TenantRule>,
    /// Which roles the user has.
    pub roles: Option<ClaimRule>,
    /// Attributes of the user, each with its claim.
    pub attributes: Vec<(String, ClaimPath)>,
    /// Whether users whom neither directory nor policy set know are nobody.
    pub known_users_only: bool,
}

impl TokenIssuer {
    /// As the file has it.
    pub(super) fn to_json(&self) -> Value {
        let mut issuer = Map::new();
        let mut put = |key: &str, value: Value| issuer.insert(key.to_owned(), value);
        put("issuer", json!(self.issuer));
        put("audiences", json!(self.audiences));
        match &self.keys {
            KeySource::Address(address) => put("jwks", json!(address.to_string())),
            KeySource::File(path) => put("jwks", json!(path.display().to_string())),
            KeySource::Secret { path, .. } => put("secret_file", json!(path.display().to_string())),
        };
        let algorithms: Vec<_> = self.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        put("algorithms", json!(algorithms));
        put("user", self.user.to_json());
        if let Some(tenant) = &self.tenant {
            put("tenant", tenant.to_json());
        }
        if let Some(roles) = &self.roles {
            put("roles", roles.to_json());
        }
        let attributes = self.attributes.iter().map(|(name, path)| (name.clone(), json!(path.to_string())));
        put("attributes", Value::Object(attributes.collect()));
        put("known_users_only", json!(self.known_users_only));
        Value::Object(issuer)
    }
}
