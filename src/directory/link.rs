//! Secrets of invitation links: made from a key when they are needed, never stored.
//!
//! A link holds `<invitation id>.<secret>`. The secret is an HMAC-SHA-256 of the invitation's id and the number of the link under a key
//! that lives in a file of its own, so neither the store nor a backup of it gives anybody a link.

use crate::model::Timestamp;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::{fmt::Write as _, fs, hint::black_box, io, path::Path};
use ulid::Ulid;

/// Makes secrets.
pub(super) struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// Reads the key, or makes it where there is none yet.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match fs::read(path) {
            Ok(bytes) => {
                let key = bytes
                    .try_into()
                    .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not a key of 32 bytes"))?;
                Ok(Self(key))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = random()?;
                crate::storage::replace(path, &key)?;
                Ok(Self(key))
            }
            Err(error) => Err(error),
        }
    }

    /// The secret of a link.
    pub(super) fn secret(&self, invitation: &str, generation: u32) -> String {
        // A key of any length will do for HMAC.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(b"invitation\0");
        mac.update(invitation.as_bytes());
        mac.update(&generation.to_be_bytes());
        hex(&mac.finalize().into_bytes().into())
    }
}

/// The hash under which a secret is kept.
pub(super) fn hash(secret: &str) -> [u8; 32] {
    #[cfg(test)]
    steps::count(|steps| steps.0 += 1);
    Sha256::digest(secret.as_bytes()).into()
}

/// Compares to the end, so that the time it takes tells nothing.
pub(super) fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    #[cfg(test)]
    steps::count(|steps| steps.1 += 1);
    one.iter().zip(other).fold(0, |all, (a, b)| black_box(all | (a ^ b))) == 0
}

/// A new id, which sorts by time.
pub(super) fn new_id(now: Timestamp) -> String {
    let milliseconds = u64::try_from(now.as_micros() / 1000).unwrap_or_default();
    Ulid::from_parts(milliseconds, fastrand::u128(..)).to_string()
}

/// In hexadecimal.
pub(super) fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _written = write!(text, "{byte:02x}");
        text
    })
}

/// From hexadecimal.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

/// Bits that nobody can guess.
fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(io::Error::from)?;
    Ok(bytes)
}

/// How much was hashed and compared on this thread: what cannot be measured without fail can be counted.
#[cfg(test)]
pub(super) mod steps {
    use std::cell::Cell;

    thread_local!(static STEPS: Cell<(u32, u32)> = const { Cell::new((0, 0)) });

    pub(super) fn count(add: impl FnOnce(&mut (u32, u32))) {
        let mut steps = STEPS.get();
        add(&mut steps);
        STEPS.set(steps);
    }

    /// Hashes and comparisons since the last call.
    pub(in crate::directory) fn take() -> (u32, u32) {
        STEPS.take()
    }
}
