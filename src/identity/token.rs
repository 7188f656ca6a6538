//! The parts of a token in the compact form of RFC 7515: header, claims, signature.
//!
//! Nothing of it is believed yet. Members of the header that name keys (`jwk`, `jku`, `x5u`, `x5c`) are not looked at.

use super::json::{Json, JsonFault};
use crate::{config::Algorithm, model::ReasonCode};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// What `typ` may be of a token that says who somebody is, in lower case. Others, such as `logout+jwt`, are for something else.
const TYPES: [&str; 4] = ["jwt", "at+jwt", "application/jwt", "application/at+jwt"];

/// A token, taken apart.
#[derive(Debug)]
pub(super) struct Parts<'t> {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) claims: Json,
    /// What was signed.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
}

impl<'t> Parts<'t> {
    /// Takes a token apart that has at most so many bytes.
    pub(super) fn read(token: &'t str, most: usize) -> Result<Self, ReasonCode> {
        if token.len() > most {
            return Err(ReasonCode::TokenTooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(ReasonCode::TokenMalformed)?;
        let (header, claims) = signed.split_once('.').ok_or(ReasonCode::TokenMalformed)?;
        // A part more, as encrypted tokens have, leaves a `.` in one of these, which base64 does not know.
        let header = object(header)?;
        let algorithm = algorithm(&header)?;
        if header.get("crit").is_some() {
            return Err(ReasonCode::TokenCritical);
        }
        let kid = optional_text(&header, "kid")?.map(str::to_owned);
        let ty = optional_text(&header, "typ")?;
        if ty.is_some_and(|ty| !TYPES.contains(&&*ty.to_ascii_lowercase())) {
            return Err(ReasonCode::TokenType);
        }
        let claims = object(claims)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| ReasonCode::TokenMalformed)?;
        Ok(Self { algorithm, kid, claims, signed: signed.as_bytes(), signature })
    }
}

fn object(part: &str) -> Result<Json, ReasonCode> {
    let text = URL_SAFE_NO_PAD.decode(part).map_err(|_| ReasonCode::TokenMalformed)?;
    match Json::read(&text) {
        Ok(object @ Json::Object(_)) => Ok(object),
        Ok(_) | Err(JsonFault::Malformed) => Err(ReasonCode::TokenMalformed),
        Err(JsonFault::Duplicate) => Err(ReasonCode::TokenDuplicateMember),
    }
}

fn algorithm(header: &Json) -> Result<Algorithm, ReasonCode> {
    let name = optional_text(header, "alg")?.ok_or(ReasonCode::TokenMalformed)?;
    if name.eq_ignore_ascii_case("none") {
        return Err(ReasonCode::TokenUnsigned);
    }
    Algorithm::parse(name).ok_or(ReasonCode::TokenAlgorithm)
}

fn optional_text<'h>(header: &'h Json, name: &str) -> Result<Option<&'h str>, ReasonCode> {
    match header.get(name) {
        None => Ok(None),
        Some(value) => value.as_text().map(Some).ok_or(ReasonCode::TokenMalformed),
    }
}
