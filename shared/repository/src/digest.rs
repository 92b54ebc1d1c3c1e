//! The digest of a stream: over the ids of its chunks, since one over its bytes would tell known contents apart and would
//! cost a second pass.

use std::fmt;

use ring::digest::{Context, SHA256};

use crate::id::{ChunkId, Digest};

/// Adds up a stream's chunk ids, in order: SHA-256 over their concatenation. The empty stream has the digest of no bytes.
#[derive(Clone)]
pub struct StreamDigest(Context);

impl StreamDigest {
    /// No chunk so far.
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// The stream's next chunk.
    pub fn push(&mut self, chunk: &ChunkId) {
        self.0.update(chunk.as_bytes());
    }

    /// The digest of the stream with the chunks so far.
    pub fn finish(self) -> Digest {
        let mut bytes = [0; Digest::LEN];
        bytes.copy_from_slice(self.0.finish().as_ref());
        Digest::from_bytes(bytes)
    }
}

impl Default for StreamDigest {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for StreamDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StreamDigest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_over_the_ids_in_order() {
        let (one, two) = (ChunkId::from_bytes([1; 32]), ChunkId::from_bytes([2; 32]));
        let digest = |ids: &[ChunkId]| {
            let mut digest = StreamDigest::new();
            ids.iter().for_each(|id| digest.push(id));
            digest.finish().to_string()
        };
        assert_eq!(
            digest(&[]),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_ne!(digest(&[one, two]), digest(&[two, one]));
    }
}
