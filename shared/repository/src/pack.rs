//! Packs: immutable objects of about 16 MiB that hold many chunks.
//!
//! ```text
//! header (64 bytes) │ frame 0 │ frame 1 │ … │ index
//! ```
//! Header and index are zstd skippable frames (RFC 8878, section 3.1.2). A plain pack's frames are zstd frames, so the whole is a
//! legal `.zst` file. An encrypted pack has the same outline with each frame sealed, so zstd can't read it past the header.
//! The index serves whoever has no list at hand: resuming, rebuilding a catalogue. Restoring never reads it.
//!
//! A pack's name is the SHA-256 of its stored bytes; the salt in its header makes the name new each time, so that a name never
//! comes back after its object was deleted.

use bytes::Bytes;

use crate::id::{ChunkId, PackId};

mod build;
mod header;
mod index;
mod open;

pub use build::PackBuilder;
pub use header::PackHeader;
pub use index::{IndexError, IndexPlace};
pub use open::{FrameError, FrameOpener, FrameProblem, PackError, PackReader, read_index};

/// Which frame of a pack, from 0 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNumber(pub u32);

/// A chunk's frame in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackedFrame {
    /// The chunk.
    pub chunk: ChunkId,
    /// Where its frame begins, in bytes from the pack's first.
    pub offset: u32,
    /// The frame's length as stored, tag included, in bytes.
    pub stored_len: u32,
    /// The chunk's length, in bytes.
    pub raw_len: u32,
}

/// A finished pack, ready to be stored.
#[derive(Debug, Clone)]
pub struct SealedPack {
    /// Its name.
    pub id: PackId,
    /// What is stored.
    pub bytes: Bytes,
    /// Its frames, by number.
    pub frames: Vec<PackedFrame>,
    /// The length of all its chunks, in bytes.
    pub raw_bytes: u64,
}

impl SealedPack {
    /// How a list refers to one of its frames; none if there is no such frame.
    pub fn chunk_ref(&self, frame: FrameNumber) -> Option<crate::list::ChunkRef> {
        let packed = self.frames.get(usize::try_from(frame.0).ok()?)?;
        Some(crate::list::ChunkRef {
            id: packed.chunk,
            pack: self.id,
            frame,
            offset: packed.offset,
            stored_len: packed.stored_len,
            raw_len: packed.raw_len,
        })
    }
}

#[cfg(test)]
mod tests;
