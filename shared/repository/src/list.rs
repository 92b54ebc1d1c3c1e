//! Lists: runs of chunk references, shared between backups.
//!
//! A stream is a row of lists. Where a list ends is decided by the chunks in it, so that two backups whose streams have a
//! stretch in common have the lists of that stretch in common, to the byte: sealing is deterministic (the salt is made from the
//! contents under a key), and a list's name is the SHA-256 of its stored bytes.

use bytes::Bytes;

use crate::id::{ChunkId, ListId, PackId};
use crate::pack::{FrameNumber, PackedFrame};
use crate::seal::SealError;

mod decode;
mod encode;

pub use decode::{ListError, decode};
pub(crate) use decode::{MAX_LIST_LEN, in_bounds};

/// Where a chunk of a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkRef {
    /// The chunk.
    pub id: ChunkId,
    /// The pack that holds it.
    pub pack: PackId,
    /// Which frame of the pack.
    pub frame: FrameNumber,
    /// Where the frame begins, in bytes from the pack's first.
    pub offset: u32,
    /// The frame's length as stored, in bytes.
    pub stored_len: u32,
    /// The chunk's length, in bytes.
    pub raw_len: u32,
}

impl ChunkRef {
    /// The frame, without the pack.
    pub fn frame(&self) -> PackedFrame {
        PackedFrame {
            chunk: self.id,
            offset: self.offset,
            stored_len: self.stored_len,
            raw_len: self.raw_len,
        }
    }
}

/// A finished list, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedList {
    /// Its name.
    pub id: ListId,
    /// What is stored.
    pub bytes: Bytes,
    /// Its first chunk, by which a later backup finds it.
    pub first_chunk: ChunkId,
    /// How many chunks it refers to.
    pub entries: u32,
    /// Their length together, in bytes.
    pub raw_bytes: u64,
    /// The packs they are in, each once, in the order of their first use.
    pub packs: Vec<PackId>,
}

/// What a stream's references end with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tail {
    /// Nothing: the stream is empty or ended with a list.
    Empty,
    /// So few references that they stand in the manifest itself.
    Inline(Vec<ChunkRef>),
    /// A last list.
    List(SealedList),
}

/// Makes one stream's lists.
#[derive(Debug)]
pub struct ListBuilder {
    protection: crate::keys::Protection,
    entries: Vec<ChunkRef>,
}

impl ListBuilder {
    /// The beginning of a stream.
    pub fn new(protection: &crate::keys::Protection) -> Self {
        Self {
            protection: protection.clone(),
            entries: Vec::new(),
        }
    }

    /// Takes the stream's next reference; gives the list that ends with it, if one does.
    pub fn push(&mut self, chunk: ChunkRef) -> Result<Option<SealedList>, SealError> {
        self.entries.push(chunk);
        if ends_list(&chunk.id) || self.entries.len() >= crate::format::MAX_LIST_ENTRIES {
            let list = encode::encode(&self.protection, &self.entries)?;
            self.entries.clear();
            return Ok(list);
        }
        Ok(None)
    }

    /// Ends the stream: what is left, if anything is, is its last list.
    pub fn finish(self) -> Result<Option<SealedList>, SealError> {
        encode::encode(&self.protection, &self.entries)
    }

    /// Ends the stream, and leaves a few last references to the manifest.
    pub fn finish_tail(self) -> Result<Tail, SealError> {
        if (1..=crate::format::MAX_INLINE_TAIL).contains(&self.entries.len()) {
            return Ok(Tail::Inline(self.entries));
        }
        Ok(self.finish()?.map_or(Tail::Empty, Tail::List))
    }
}

/// Whether a list ends with this chunk: the last ten bits of its id, read as one big-endian number, are zero.
pub fn ends_list(chunk: &ChunkId) -> bool {
    let [.., high, low] = chunk.as_bytes();
    *low == 0 && high & 0b11 == 0
}

#[cfg(test)]
mod tests;
