//! Compresses chunks, each into one zstd frame (RFC 8878) with its content size and checksum, so that every zstd in the
//! world can read it, and names them on the way.

use std::fmt;
use std::io;

use bytes::Bytes;
use zstd::zstd_safe::CParameter;

use crate::chunk::{ChunkNamer, RawChunk};
use crate::format::MAX_CHUNK_LEN;
use crate::id::ChunkId;
use crate::keys::Protection;

/// How hard zstd tries: 1 (fastest) to 19 (smallest).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(i32);

/// A level that zstd has not, or whose memory would be unreasonable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("compression level {0} is not in 1 to 19")]
pub struct InvalidLevel(pub i32);

impl Level {
    /// The number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl Default for Level {
    /// Level 3.
    fn default() -> Self {
        Self(3)
    }
}

impl TryFrom<i32> for Level {
    type Error = InvalidLevel;

    fn try_from(level: i32) -> Result<Self, InvalidLevel> {
        (1..=19)
            .contains(&level)
            .then_some(Self(level))
            .ok_or(InvalidLevel(level))
    }
}

/// A chunk that could not be compressed. Neither is the data's fault.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// No chunker cuts such a length.
    #[error("a chunk has {0} bytes, which is not in 1 to {MAX_CHUNK_LEN}")]
    ChunkLength(usize),
    /// zstd failed: out of memory, most likely.
    #[error("zstd failed")]
    Zstd(#[source] io::Error),
}

/// A named chunk as one zstd frame.
#[derive(Debug, Clone)]
pub struct CompressedChunk {
    /// The chunk's id.
    pub id: ChunkId,
    /// Its length before compression, in bytes.
    pub raw_len: u32,
    /// The zstd frame.
    pub frame: Bytes,
}

/// Compresses one chunk after the other. Holds zstd's working memory, so keep one per worker.
pub struct Compressor {
    namer: ChunkNamer,
    zstd: zstd::bulk::Compressor<'static>,
}

impl Compressor {
    /// A compressor for chunks under that protection.
    pub fn new(level: Level, protection: &Protection) -> Result<Self, CompressError> {
        let mut zstd = zstd::bulk::Compressor::new(level.0).map_err(CompressError::Zstd)?;
        for parameter in [CParameter::ChecksumFlag(true), CParameter::ContentSizeFlag(true)] {
            zstd.set_parameter(parameter).map_err(CompressError::Zstd)?;
        }
        Ok(Self {
            namer: ChunkNamer::new(protection),
            zstd,
        })
    }

    /// Names and compresses a chunk.
    pub fn compress(&mut self, chunk: &RawChunk) -> Result<CompressedChunk, CompressError> {
        let id = self.namer.name(&chunk.0);
        self.compress_named(id, chunk)
    }

    /// Compresses a chunk whose name is known.
    pub fn compress_named(
        &mut self,
        id: ChunkId,
        chunk: &RawChunk,
    ) -> Result<CompressedChunk, CompressError> {
        let raw_len = u32::try_from(chunk.len())
            .ok()
            .filter(|len| (1..=MAX_CHUNK_LEN).contains(len))
            .ok_or(CompressError::ChunkLength(chunk.len()))?;
        let frame = self.zstd.compress(&chunk.0).map_err(CompressError::Zstd)?;
        Ok(CompressedChunk {
            id,
            raw_len,
            frame: frame.into(),
        })
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Compressor")
    }
}

/// Decompresses frames. Holds zstd's working memory, so keep one per worker.
pub(crate) struct Decompressor(zstd::bulk::Decompressor<'static>);

impl Decompressor {
    pub(crate) fn new() -> io::Result<Self> {
        zstd::bulk::Decompressor::new().map(Self)
    }

    /// The contents of `frame`, which must be `len` bytes, no more and no less. Allocates `len` bytes.
    pub(crate) fn decompress(&mut self, frame: &[u8], len: usize) -> io::Result<Vec<u8>> {
        let mut raw = Vec::with_capacity(len);
        self.0.decompress_to_buffer(frame, &mut raw)?;
        if raw.len() != len {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} bytes came out, not {len}", raw.len()),
            ));
        }
        Ok(raw)
    }
}
