//! The name of a policy snapshot.

use std::fmt;

/// The SHA-256 digest of a policy set's content. Two sets with the same files have the same revision.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision {
    digest: [u8; 32],
    // INVARIANT: the first 12 hexadecimal digits of `digest`, in ASCII.
    short: [u8; 12],
}

impl Revision {
    /// Names the content with this digest.
    #[must_use]
    pub fn new(digest: [u8; 32]) -> Self {
        let mut short = [b'0'; 12];
        for (pair, byte) in short.chunks_exact_mut(2).zip(digest) {
            pair.copy_from_slice(&[hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
        Self { digest, short }
    }

    /// The first 12 hexadecimal digits, as answers, records and headers carry them.
    #[must_use]
    pub fn short(&self) -> &str {
        str::from_utf8(&self.short).unwrap_or_default()
    }

    /// The whole digest.
    #[must_use]
    pub const fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

const fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_form_is_the_first_twelve_hex_digits() {
        let mut digest = [0; 32];
        digest[..6].copy_from_slice(&[0x3f, 0x9c, 0x01, 0xd2, 0xa7, 0xb4]);
        assert_eq!(Revision::new(digest).short(), "3f9c01d2a7b4");
    }
}
