//! The hash chain: each record's hash covers the hash before it, so that no record can be changed, added or taken out in
//! the middle without every later hash changing.

use sha2::{Digest, Sha256};

/// The hash of a record, and so of the whole log up to it.
pub(crate) type Hash = [u8; 32];

/// A record as the end of all before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// Its number.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: Hash,
}

/// What the first record is chained to.
pub(crate) const GENESIS: Hash = [0; 32];

/// `SHA-256(hash before ‖ sequence number, 8 bytes big-endian ‖ record bytes)`.
pub(crate) fn link(before: &Hash, seq: u64, record: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(seq.to_be_bytes());
    hasher.update(record);
    hasher.finalize().into()
}

/// The hash over the blocks of a segment up to this one: `SHA-256(hash before ‖ block ‖ summary)`.
pub(crate) fn link_block(before: &Hash, block: &[u8], summary: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(before);
    hasher.update(block);
    hasher.update(summary);
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_covers_what_was_before_the_number_and_the_bytes() {
        let link_1 = link(&GENESIS, 1, b"a");
        assert_ne!(link_1, link(&GENESIS, 2, b"a"));
        assert_ne!(link_1, link(&GENESIS, 1, b"b"));
        assert_ne!(link_1, link(&link_1, 1, b"a"));
        assert_eq!(link(&GENESIS, 1, b"a"), link_1);
    }
}
