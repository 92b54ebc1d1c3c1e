//! The rolling hash: for each byte, `hash = 2 * hash + table[byte]` modulo 2^64.

use std::fmt;

use crate::hkdf;
use crate::keys::Protection;

/// A random 64-bit number for each byte value.
#[derive(Clone)]
pub(super) struct GearTable([u64; 256]);

impl GearTable {
    /// The keyed table, or the public one, which is that of the id key of 32 zero bytes.
    pub(super) fn for_protection(protection: &Protection) -> Self {
        match protection {
            Protection::Plain => Self::derive(&[0; 32]),
            Protection::Encrypted(keys) => Self::derive(keys.current().id_key()),
        }
    }

    /// HKDF-SHA256 with info `gear`, 2048 bytes, read as 256 little-endian numbers.
    fn derive(id_key: &[u8; 32]) -> Self {
        let mut bytes = [0; 2048];
        hkdf::derive_into(id_key, b"", b"gear", &mut bytes);
        let mut table = [0; 256];
        for (number, bytes) in table.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *number = u64::from_le_bytes(*bytes);
        }
        Self(table)
    }

    /// The hash after `bytes`.
    pub(super) fn roll(&self, hash: u64, bytes: &[u8]) -> u64 {
        bytes.iter().fold(hash, |hash, byte| self.step(hash, *byte))
    }

    /// The index of the first byte after which the hash has no bit of `mask`; `hash` is left as it is there, or at the end.
    pub(super) fn find(&self, hash: &mut u64, mask: u64, bytes: &[u8]) -> Option<usize> {
        let mut current = *hash;
        let found = bytes.iter().position(|byte| {
            current = self.step(current, *byte);
            current & mask == 0
        });
        *hash = current;
        found
    }

    #[inline(always)]
    fn step(&self, hash: u64, byte: u8) -> u64 {
        (hash << 1).wrapping_add(self.0[usize::from(byte)])
    }
}

impl fmt::Debug for GearTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GearTable(…)")
    }
}
