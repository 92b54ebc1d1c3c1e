//! The first 64 bytes of a pack.

use crate::id::KeyId;
use crate::seal::{Head, HeadError};

const MAGIC: [u8; 6] = *b"DGPACK";
/// A zstd skippable frame that is a pack's header.
const SKIPPABLE: u32 = 0x184D_2A5D;

/// What a pack says of itself before its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackHeader(pub(super) Head);

impl PackHeader {
    /// Its length in bytes: where the first frame begins.
    pub const LEN: usize = 8 + Head::LEN;

    /// The data key that the frames are sealed with; none in a plain pack.
    pub fn key(&self) -> Option<KeyId> {
        self.0.key
    }

    /// The header as stored.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..4].copy_from_slice(&SKIPPABLE.to_le_bytes());
        bytes[4] = Head::LEN as u8;
        bytes[8..].copy_from_slice(&self.0.encode(MAGIC));
        bytes
    }

    /// Reads the header at the beginning of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeadError> {
        let (outer, head) = bytes.split_at_checked(8).ok_or(HeadError::Magic)?;
        if outer[..4] != SKIPPABLE.to_le_bytes() || outer[4..] != (Head::LEN as u32).to_le_bytes() {
            return Err(HeadError::Magic);
        }
        Head::decode(MAGIC, head).map(Self)
    }
}
