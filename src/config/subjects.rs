//! `subjects`: what may be said about a user beside what the directory knows, and by whom.

mod address;
mod claims;
mod issuer;
mod read;

pub use address::KeyAddress;
pub use claims::{ClaimPath, ClaimRule, TenantRule};
pub use issuer::{Algorithm, Family, KeySource, TokenIssuer};

pub(super) use read::Issuers;

use super::{Secret, load::Given, secret};
use crate::document::Diagnostics;
use std::{path::PathBuf, time::Duration};

/// Beyond this, clocks are not a little apart but wrong.
const MOST_LEEWAY: Duration = Duration::from_mins(10);

/// Longer tokens than this do not fit the head of a request.
const MOST_TOKEN_BYTES: usize = 64 << 10;

const ISSUERS: &str = "subjects.tokens";

/// `subjects`
#[derive(Debug, Clone, PartialEq)]
pub struct Subjects {
    /// `subjects.trust_asserted_roles`: callers may say which roles a user has.
    pub trust_asserted_roles: bool,
    /// `subjects.tokens`: whose tokens say who somebody is. No two of the same issuer.
    pub tokens: Vec<TokenIssuer>,
    /// `subjects.verification`
    pub verification: Verification,
    /// `subjects.keys`
    pub keys: KeyUpkeep,
}

/// `subjects.verification`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// `subjects.verification.leeway`: how far apart the clocks may be.
    pub leeway: Duration,
    /// `subjects.verification.token_bytes`: longest token.
    pub token_bytes: usize,
    /// `subjects.verification.cached`: verified tokens that a worker remembers; 0 for none.
    pub cached: usize,
}

/// `subjects.keys`: how the keys of issuers are kept fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUpkeep {
    /// `subjects.keys.refresh`: how often they are looked at.
    pub refresh: Duration,
    /// `subjects.keys.max_age`: how long they count without a look that succeeds.
    pub max_age: Duration,
    /// `subjects.keys.keep_removed`: how long a key counts that the issuer no longer lists; zero for not at all.
    pub keep_removed: Duration,
    /// `subjects.keys.pause`: how long after a look the next one is made at the earliest, though a token names an unknown key.
    pub pause: Duration,
    /// `subjects.keys.timeout`: how long a look may take.
    pub timeout: Duration,
    /// `subjects.keys.ca_file`: what is trusted instead of the system's certificates.
    pub ca_file: Option<PathBuf>,
}

impl Default for Subjects {
    fn default() -> Self {
        Self {
            trust_asserted_roles: false,
            tokens: Vec::new(),
            verification: Verification { leeway: Duration::from_secs(30), token_bytes: 8 << 10, cached: 4096 },
            keys: KeyUpkeep {
                refresh: Duration::from_mins(5),
                max_age: Duration::from_hours(6),
                keep_removed: Duration::from_mins(5),
                pause: Duration::from_secs(10),
                timeout: Duration::from_secs(5),
                ca_file: None,
            },
        }
    }
}

/// Checks, and reads the secrets.
pub(super) fn check(subjects: &mut Subjects, given: &Given, problems: &mut Diagnostics) {
    let Subjects { tokens, verification, keys, .. } = subjects;
    if verification.leeway > MOST_LEEWAY {
        let message =
            "`subjects.verification.leeway` is at most 10m: tokens would count long after their end".to_owned();
        problems.push(given.problem(&["subjects.verification.leeway"], "leeway-too-long", message));
    }
    if verification.token_bytes > MOST_TOKEN_BYTES {
        let message = "`subjects.verification.token_bytes` is at most 64KiB".to_owned();
        problems.push(given.problem(&["subjects.verification.token_bytes"], "token-too-long", message));
    }
    if keys.max_age < keys.refresh.saturating_mul(2) {
        let message = "`subjects.keys.max_age` is at least twice `subjects.keys.refresh`".to_owned();
        problems.push(given.problem(&["subjects.keys.max_age", "subjects.keys.refresh"], "age-too-short", message));
    }
    let is_asked = |issuer: &TokenIssuer| matches!(&issuer.keys, KeySource::Address(address) if address.secure);
    if keys.ca_file.is_some() && !tokens.iter().any(is_asked) {
        let message = "`subjects.keys.ca_file` has no effect: no issuer has its keys behind `https`".to_owned();
        problems.push(given.problem(&["subjects.keys.ca_file"], "certificates-without-effect", message));
    }
    for (index, issuer) in tokens.iter().enumerate() {
        if tokens.iter().take(index).any(|earlier| earlier.issuer == issuer.issuer) {
            let message = format!("the issuer `{}` is listed twice", issuer.issuer);
            problems.push(given.problem(&[ISSUERS], "duplicate-issuer", message));
        }
    }
    for issuer in tokens {
        let needed = issuer.algorithms.iter().map(|algorithm| algorithm.hash_bytes()).max().unwrap_or_default();
        let KeySource::Secret { path, secret } = &mut issuer.keys else { continue };
        match secret::read(path, "the secret file") {
            Ok(text) => {
                let text = text.reveal().trim_end_matches(['\r', '\n']);
                if text.len() < needed {
                    let message = format!(
                        "the secret file `{}` holds less than {needed} bytes, as many as the algorithm's hash has",
                        path.display()
                    );
                    let problem = given.problem(&[ISSUERS], "bad-secret-file", message);
                    let help = "`(umask 077; openssl rand -hex 32 > token.secret)` makes one for HS256".to_owned();
                    problems.push(problem.with_help(help));
                }
                *secret = Some(Secret::from(text.to_owned()));
            }
            Err(message) => problems.push(given.problem(&[ISSUERS], "bad-secret-file", message)),
        }
    }
}
