//! Writing packs.

use bytes::Bytes;

use super::header::PackHeader;
use super::{FrameNumber, PackedFrame, SealedPack, index};
use crate::compress::CompressedChunk;
use crate::format::{DEFAULT_PACK_LEN, MAX_PACK_FRAMES, MAX_PACK_TARGET, SALT_LEN};
use crate::id::PackId;
use crate::keys::{Protection, random};
use crate::seal::{Head, ObjectCipher, SealError, frame_associated, frame_lengths_in_bounds, frame_nonce};

/// Fills one pack.
pub struct PackBuilder {
    header: PackHeader,
    cipher: Option<ObjectCipher>,
    target: usize,
    bytes: Vec<u8>,
    frames: Vec<PackedFrame>,
    raw_bytes: u64,
}

impl PackBuilder {
    /// An empty pack that will be full at the default size, 16 MiB.
    pub fn new(protection: &Protection) -> Result<Self, SealError> {
        Self::with_target(protection, DEFAULT_PACK_LEN)
    }

    /// An empty pack that will be full at `target` bytes, at most [`MAX_PACK_TARGET`].
    pub fn with_target(protection: &Protection, target: u32) -> Result<Self, SealError> {
        Self::with_salt(protection, target, random()?)
    }

    /// For golden vectors only: a salt must never be used twice.
    pub(crate) fn with_salt(
        protection: &Protection,
        target: u32,
        salt: [u8; SALT_LEN],
    ) -> Result<Self, SealError> {
        let cipher = match protection {
            Protection::Plain => None,
            Protection::Encrypted(keys) => {
                Some(ObjectCipher::new(&keys.current().object_key(&salt, b"pack"))?)
            }
        };
        let header = PackHeader(Head {
            salt,
            key: protection.key_id(),
        });
        let target = target.min(MAX_PACK_TARGET) as usize;
        let mut bytes = Vec::with_capacity(target + target / 16);
        bytes.extend_from_slice(&header.encode());
        Ok(Self {
            header,
            cipher,
            target,
            bytes,
            frames: Vec::new(),
            raw_bytes: 0,
        })
    }

    /// Seals a chunk's frame into the pack. Where the chunk is stands in the finished pack under the number returned.
    ///
    /// # Errors
    /// [`SealError::PackFull`] if [`Self::is_full`]; after any other error the pack must be thrown away.
    pub fn push(&mut self, chunk: &CompressedChunk) -> Result<FrameNumber, SealError> {
        if self.is_full() {
            return Err(SealError::PackFull);
        }
        let (number, offset) = (self.frames.len() as u32, self.bytes.len());
        self.bytes.extend_from_slice(&chunk.frame);
        if let Some(cipher) = &self.cipher {
            let associated = frame_associated(&self.header.0.salt, number, &chunk.id);
            cipher.seal(frame_nonce(number), &associated, &mut self.bytes, offset)?;
        }
        let stored = self.bytes.len() - offset;
        let out_of_bounds = SealError::FrameLength {
            stored,
            raw: chunk.raw_len,
        };
        let stored_len = u32::try_from(stored).map_err(|_| out_of_bounds)?;
        if chunk.frame.is_empty() || !frame_lengths_in_bounds(stored_len, chunk.raw_len) {
            return Err(out_of_bounds);
        }
        self.frames.push(PackedFrame {
            chunk: chunk.id,
            offset: u32::try_from(offset).map_err(|_| SealError::PackFull)?,
            stored_len,
            raw_len: chunk.raw_len,
        });
        self.raw_bytes += u64::from(chunk.raw_len);
        Ok(FrameNumber(number))
    }

    /// The pack's size so far, without its index, in bytes.
    #[expect(
        clippy::len_without_is_empty,
        reason = "is_empty asks for frames, and a header is no frame"
    )]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many frames it holds.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Whether it has reached its target size or the most frames a pack may have. Then no frame can be added.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= self.target || self.frames.len() >= MAX_PACK_FRAMES as usize
    }

    /// Adds the index and names the pack.
    pub fn finish(mut self) -> Result<SealedPack, SealError> {
        index::append(&self.header, self.cipher.as_ref(), &self.frames, &mut self.bytes)?;
        Ok(SealedPack {
            id: PackId::of(&self.bytes),
            bytes: Bytes::from(self.bytes),
            frames: self.frames,
            raw_bytes: self.raw_bytes,
        })
    }
}

impl std::fmt::Debug for PackBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackBuilder")
            .field("len", &self.bytes.len())
            .field("frames", &self.frames.len())
            .finish_non_exhaustive()
    }
}
