//! One key, and whether a signature is its own.
//!
//! A key is of one sort, and that decides which algorithms it verifies. What a token says of its algorithm chooses among these and
//! can make nothing else of the key.

use super::json::Json;
use crate::{
    config::{Algorithm, Family},
    model::{ReasonCode, Timestamp},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    signature::{
        self, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RsaParameters, RsaPublicKeyComponents,
        UnparsedPublicKey, VerificationAlgorithm,
    },
};
use std::fmt;

/// Shorter RSA keys are not taken.
const LEAST_RSA_BYTES: usize = 2048 / 8;

/// A key of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) kid: Option<String>,
    /// The only algorithm that it is for, where its issuer says so.
    algorithm: Option<Algorithm>,
    /// `None`: it is there, and is not for signatures, or of a sort that is not known.
    material: Option<Material>,
    /// Until when it counts, where its issuer no longer lists it.
    pub(super) until: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// The uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
    Secret(Vec<u8>),
}

impl Key {
    /// A secret that the issuer shares.
    pub(super) fn of_secret(secret: &str) -> Self {
        Self { kid: None, algorithm: None, material: Some(Material::Secret(secret.as_bytes().to_owned())), until: None }
    }

    /// A key as a JWK has it (RFC 7517). One that is not for signatures is a key all the same, so that a token that names it is told so.
    pub(super) fn of_jwk(jwk: &Json) -> Self {
        let text = |name: &str| jwk.get(name).and_then(Json::as_text);
        let is_for_signatures = jwk.get("use").is_none_or(|of| of.as_text() == Some("sig"))
            && match jwk.get("key_ops") {
                None => true,
                Some(Json::List(operations)) => operations.contains(&Json::Text("verify".to_owned())),
                Some(_) => false,
            };
        let algorithm = text("alg").and_then(Algorithm::parse);
        let is_of_known_algorithm = jwk.get("alg").is_none() || algorithm.is_some();
        let fits = is_for_signatures && is_of_known_algorithm;
        let material = if fits { Material::of_jwk(jwk) } else { None };
        // What says of itself that it is for an algorithm that it cannot be for is for none.
        let material = material.filter(|material| algorithm.is_none_or(|own| own.family() == material.family()));
        Self { kid: text("kid").map(str::to_owned), algorithm, material, until: None }
    }

    /// Whether it verifies this algorithm.
    pub(super) fn fits(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|own| own == algorithm)
            && self.material.as_ref().is_some_and(|material| material.family() == algorithm.family())
    }

    /// Whether it verifies anything.
    pub(super) const fn is_usable(&self) -> bool {
        self.material.is_some()
    }

    /// The same key, for as long as this although its issuer does not list it.
    pub(super) fn kept(&self, until: Timestamp) -> Self {
        Self { until: Some(until), ..self.clone() }
    }

    /// Whether it is the same key, wherever it is listed.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.kid == other.kid && self.algorithm == other.algorithm && self.material == other.material
    }

    /// Verifies a signature.
    pub(super) fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> Result<(), ReasonCode> {
        let Some(material) = self.material.as_ref().filter(|_| self.fits(algorithm)) else {
            return Err(ReasonCode::TokenKeyMismatch);
        };
        let verified = match material {
            Material::Rsa { n, e } => {
                let parameters = rsa(algorithm).ok_or(ReasonCode::TokenKeyMismatch)?;
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature)
            }
            Material::P256(point) => plain(&ECDSA_P256_SHA256_FIXED, point, signed, signature),
            Material::P384(point) => plain(&ECDSA_P384_SHA384_FIXED, point, signed, signature),
            Material::Ed25519(point) => plain(&ED25519, point, signed, signature),
            Material::Secret(secret) => {
                let hash = hash(algorithm).ok_or(ReasonCode::TokenKeyMismatch)?;
                hmac::verify(&hmac::Key::new(hash, secret), signed, signature)
            }
        };
        verified.map_err(|_| ReasonCode::TokenSignature)
    }
}

fn plain(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
    signed: &[u8],
    signature: &[u8],
) -> Result<(), ring::error::Unspecified> {
    UnparsedPublicKey::new(algorithm, key).verify(signed, signature)
}

const fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

const fn hash(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

impl Material {
    /// A public key. A secret has no place in a set that anybody can fetch.
    fn of_jwk(jwk: &Json) -> Option<Self> {
        let text = |name: &str| jwk.get(name).and_then(Json::as_text);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        let number = |name: &str| {
            let bytes = bytes(name)?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            Some(bytes.into_iter().skip(zeros).collect::<Vec<u8>>())
        };
        let exactly = |name: &str, length: usize| bytes(name).filter(|bytes| bytes.len() == length);
        let point = |length| Some([vec![4], exactly("x", length)?, exactly("y", length)?].concat());
        match (text("kty")?, text("crv")) {
            ("RSA", _) => {
                let (n, e) = (number("n")?, number("e")?);
                (n.len() >= LEAST_RSA_BYTES).then_some(Self::Rsa { n, e })
            }
            ("EC", Some("P-256")) => point(32).map(Self::P256),
            ("EC", Some("P-384")) => point(48).map(Self::P384),
            ("OKP", Some("Ed25519")) => exactly("x", 32).map(Self::Ed25519),
            _ => None,
        }
    }

    const fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::P256(_) => Family::P256,
            Self::P384(_) => Family::P384,
            Self::Ed25519(_) => Family::Ed25519,
            Self::Secret(_) => Family::Secret,
        }
    }
}

/// Without the bytes, which may be a secret's.
impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.family())
    }
}
