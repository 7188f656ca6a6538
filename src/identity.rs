//! Who somebody is, by the word of others: tokens (JWT) of issuers that the settings name.
//!
//! A token is refused unless everything about it is as it should be, and each refusal has a code of its own. What a verified token
//! says becomes an [`Assertion`](crate::model::Assertion) in the names of the policy set. Neither a token nor a part of it is
//! logged, recorded, or kept beyond the time for which it counts.
//!
//! The parts of a token are taken apart here and its signature is ring's to verify: what a library of tokens would add is little
//! beside the refusals that have to be told apart and the clock that is given.

mod cache;
mod fetch;
mod issuer;
mod json;
mod keeper;
mod key;
mod keys;
mod token;
mod verifier;

pub use cache::{Cache, Hash};
pub use fetch::FetchError;
pub use issuer::Identity;
pub use keeper::Keeper;
pub use keys::KeysError;
pub use verifier::{IssuerStatus, OpenError, Verifier, check, try_out};

#[cfg(test)]
mod tests;
