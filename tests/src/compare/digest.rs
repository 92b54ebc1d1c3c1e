//! A digest of many rows that does not depend on their order: the sum of the rows' SHA-256 values, modulo 2^256.
//!
//! So a table of any size is digested in one pass without sorting (not every type can be sorted), and a row that is there
//! twice counts twice. Against chance it is as good as one hash over sorted rows; against an adversary who may choose rows
//! it is not, which does not matter here.

use std::fmt;

use ring::digest::{SHA256, digest};

/// How many rows there were, and the sum of their hashes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Digest {
    rows: u64,
    /// Little-endian.
    sum: [u64; 4],
}

impl Digest {
    /// Counts one more row.
    pub fn add(&mut self, row: &[u8]) {
        self.rows += 1;
        let hash = row_hash(row);
        let mut carry = false;
        for (limb, bytes) in self.sum.iter_mut().zip(hash.as_chunks::<8>().0) {
            let (partial, first) = limb.overflowing_add(u64::from_le_bytes(*bytes));
            let (total, second) = partial.overflowing_add(u64::from(carry));
            *limb = total;
            carry = first || second;
        }
    }

    /// How many rows there were.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }
}

/// Shows the count and the start of the sum.
impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.sum;
        write!(formatter, "{} rows, {a:016x}{b:016x}{c:016x}{d:016x}", self.rows)
    }
}

/// The hash of one row.
#[must_use]
pub fn row_hash(row: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, row).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::Digest;

    fn of(rows: &[&str]) -> Digest {
        let mut digest = Digest::default();
        rows.iter().for_each(|row| digest.add(row.as_bytes()));
        digest
    }

    #[test]
    fn order_does_not_matter_and_everything_else_does() {
        assert_eq!(of(&["a", "b", "c"]), of(&["c", "a", "b"]));
        assert_ne!(of(&["a"]), of(&["b"]));
        assert_ne!(of(&["a"]), of(&["a", "a"]));
        assert_ne!(of(&["a", "a", "b"]), of(&["a", "b", "b"]));
        assert_ne!(of(&["ab", ""]), of(&["a", "b"]));
        assert_ne!(of(&[]), of(&[""]));
    }
}
