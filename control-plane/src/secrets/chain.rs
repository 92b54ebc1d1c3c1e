//! The chain of the audit log: each row's hash is over its content and the hash before it, and each day's end is sealed under a key
//! that only the holder of the master key has. Who can write to the database can compute hashes, and no seal.

use ring::hmac;

use super::token::{equal, sha256};

/// A hash of the chain.
pub type Hash = [u8; 32];

/// What the first row follows.
pub const BEGINNING: Hash = [0; 32];

/// A row's content, as it is hashed.
#[derive(Debug)]
pub struct Content<'a> {
    /// Its place in the chain.
    pub link: i64,
    /// Its number in the log.
    pub number: i64,
    /// When, in microseconds since 1970.
    pub micros: i64,
    /// All its texts, in a fixed order; none where there is none.
    pub texts: &'a [Option<&'a str>],
}

impl Content<'_> {
    /// The row's hash, after the one before it.
    pub fn hash(&self, previous: &Hash) -> Hash {
        let mut bytes = b"dataguardian audit 1".to_vec();
        bytes.extend_from_slice(previous);
        for number in [self.link, self.number, self.micros] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        for text in self.texts {
            // A length in front, so that no two rows read alike.
            let length = text.map_or(-1, |text| i64::try_from(text.len()).unwrap_or(i64::MAX));
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.unwrap_or_default().as_bytes());
        }
        sha256(&bytes)
    }
}

/// Seals days.
#[derive(Debug, Clone)]
pub struct Sealer(hmac::Key);

impl Sealer {
    /// Under that key.
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The seal of a day, after the seal of the day before (empty for the first).
    pub fn seal(&self, day: &str, links: (i64, i64), last_hash: &[u8], before: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(day.as_bytes());
        context.update(&links.0.to_be_bytes());
        context.update(&links.1.to_be_bytes());
        context.update(last_hash);
        context.update(before);
        context.sign().as_ref().to_vec()
    }

    /// Whether that is the seal; takes as long either way.
    pub fn is_seal(
        &self,
        seal: &[u8],
        day: &str,
        links: (i64, i64),
        last_hash: &[u8],
        before: &[u8],
    ) -> bool {
        equal(&self.seal(day, links, last_hash, before), seal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_all_that_a_row_says_and_of_what_comes_before() {
        let hash = |link, texts: &[Option<&str>], previous: Hash| {
            let content = Content {
                link,
                number: 7,
                micros: 1,
                texts,
            };
            content.hash(&previous)
        };
        let one = hash(1, &[Some("ab"), Some("c")], BEGINNING);
        assert_eq!(one, hash(1, &[Some("ab"), Some("c")], BEGINNING));
        for other in [
            hash(2, &[Some("ab"), Some("c")], BEGINNING),
            hash(1, &[Some("a"), Some("bc")], BEGINNING),
            hash(1, &[Some("ab"), None], BEGINNING),
            hash(1, &[Some("ab"), Some("c")], one),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_seal_is_made_by_who_has_the_key() {
        let (sealer, other) = (Sealer::new(&[1; 32]), Sealer::new(&[2; 32]));
        let seal = sealer.seal("2026-11-24", (1, 9), &[3; 32], &[]);
        assert!(sealer.is_seal(&seal, "2026-11-24", (1, 9), &[3; 32], &[]));
        assert!(!sealer.is_seal(&seal, "2026-11-24", (1, 8), &[3; 32], &[]));
        assert!(!other.is_seal(&seal, "2026-11-24", (1, 9), &[3; 32], &[]));
    }
}
