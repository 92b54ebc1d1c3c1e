//! Cuts streams into chunks.
//!
//! [`Profile::ContentDefined`] puts the cuts where the contents say so, so that what did not change between two dumps is cut
//! the same way in both and need not be stored twice: FastCDC with normalised chunking. Where the cuts fall is frozen by
//! golden vectors, because a moved cut costs every user their reuse; it never matters for reading.
//!
//! Under encryption the rolling hash's table is keyed, so that the lengths of chunks do not give away known contents so easily.
//! They still tell something: docs/repository-format.md says what.
//!
//! Source: W. Xia et al., "The Design of Fast Content-Defined Chunking for Data Deduplication Based Storage Systems",
//! IEEE TPDS 31(9), 2020: gear hash, skipping below the minimum, two masks around a normal size.

use bytes::{Bytes, BytesMut};

use crate::chunk::RawChunk;
use crate::keys::Protection;

mod gear;

use gear::GearTable;

/// The shortest content-defined chunk but for a stream's last, in bytes.
pub const MIN_LEN: usize = 16 << 10;
/// Up to this length cuts are made harder, past it easier; chosen so that chunks of random data average 64 KiB.
pub const NORMAL_LEN: usize = 52 << 10;
/// The longest content-defined chunk, in bytes.
pub const MAX_LEN: usize = 256 << 10;
/// The length of all chunks but a stream's last in [`Profile::Stream`], in bytes.
pub const STREAM_LEN: usize = 4 << 20;

/// How many bytes back a cut can look: the hash has 64 bits and moves by one per byte.
const WINDOW: usize = 64;
/// Below the normal length: bits 45 to 62 of the hash are zero, once in 2^18 bytes.
const HARD_MASK: u64 = 0x7fff_e000_0000_0000;
/// Past the normal length: bits 49 to 62 of the hash are zero, once in 2^14 bytes.
const EASY_MASK: u64 = 0x7ffe_0000_0000_0000;

/// How a stream is cut.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Profile {
    /// By content: 16 KiB to 256 KiB, 64 KiB on average.
    #[default]
    ContentDefined,
    /// Every 4 MiB, for data that does not repeat.
    Stream,
}

impl Profile {
    /// The name in `repository.json`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ContentDefined => "content-defined",
            Self::Stream => "stream",
        }
    }
}

/// A text that names no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown chunker profile {0:?}")]
pub struct UnknownProfile(String);

impl std::str::FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(text: &str) -> Result<Self, UnknownProfile> {
        [Self::ContentDefined, Self::Stream]
            .into_iter()
            .find(|profile| profile.as_str() == text)
            .ok_or_else(|| UnknownProfile(text.to_owned()))
    }
}

/// Cuts one stream. The cuts depend on the stream's bytes alone, not on how they are split into pushes.
/// A clone goes on from the same place.
#[derive(Debug, Clone)]
pub struct Chunker {
    cutter: Cutter,
    /// The beginning of a chunk that did not end in the bytes of earlier pushes.
    pending: BytesMut,
}

impl Chunker {
    /// A chunker at the beginning of a stream.
    pub fn new(profile: Profile, protection: &Protection) -> Self {
        Self {
            cutter: match profile {
                Profile::ContentDefined => Cutter::by_content(GearTable::for_protection(protection)),
                Profile::Stream => Cutter::Fixed { len: 0 },
            },
            pending: BytesMut::new(),
        }
    }

    /// Takes the stream's next bytes and hands every chunk that ends in them to `emit`, in order. Chunks within `bytes` are
    /// shared with it, not copied.
    pub fn push(&mut self, mut bytes: Bytes, emit: &mut impl FnMut(RawChunk)) {
        while let Some(cut) = self.cutter.next_cut(&bytes) {
            let head = bytes.split_to(cut);
            if self.pending.is_empty() {
                emit(RawChunk(head));
            } else {
                self.pending.extend_from_slice(&head);
                emit(RawChunk(self.pending.split().freeze()));
            }
        }
        self.pending.extend_from_slice(&bytes);
    }

    /// Ends the stream: what is left, if anything is, is its last chunk.
    pub fn finish(self, emit: &mut impl FnMut(RawChunk)) {
        if !self.pending.is_empty() {
            emit(RawChunk(self.pending.freeze()));
        }
    }
}

/// Finds cuts. Remembers where in a chunk it is, so that no byte is looked at twice.
#[derive(Debug, Clone)]
enum Cutter {
    Fixed {
        len: usize,
    },
    ByContent {
        table: Box<GearTable>,
        hash: u64,
        /// The length of the chunk so far.
        len: usize,
    },
}

impl Cutter {
    fn by_content(table: GearTable) -> Self {
        Self::ByContent {
            table: Box::new(table),
            hash: 0,
            len: 0,
        }
    }

    /// Where in `bytes`, which follow those of the last call, the current chunk ends. A new chunk begins there.
    fn next_cut(&mut self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Fixed { len } => {
                let missing = STREAM_LEN - *len;
                let cut = (bytes.len() >= missing).then_some(missing);
                *len = if cut.is_some() { 0 } else { *len + bytes.len() };
                cut
            }
            Self::ByContent { table, hash, len } => {
                let cut = scan(table, hash, *len, bytes);
                if cut.is_some() {
                    (*hash, *len) = (0, 0);
                } else {
                    *len += bytes.len();
                }
                cut
            }
        }
    }
}

/// Goes on with a chunk that has `len` bytes so far. Its first bytes are skipped; hashing begins a window before the first
/// place where a cut may be, with a hash of zero.
fn scan(table: &GearTable, hash: &mut u64, len: usize, bytes: &[u8]) -> Option<usize> {
    let part = |from: usize, to: usize| {
        let clamp = |at: usize| at.saturating_sub(len).min(bytes.len());
        (clamp(from), clamp(to))
    };
    // A chunk of MIN_LEN bytes has its cut after byte MIN_LEN - 1, so that byte is already looked at.
    let (start, end) = part(MIN_LEN - WINDOW, MIN_LEN - 1);
    *hash = table.roll(*hash, &bytes[start..end]);
    for (mask, from, to) in [
        (HARD_MASK, MIN_LEN - 1, NORMAL_LEN - 1),
        (EASY_MASK, NORMAL_LEN - 1, MAX_LEN - 1),
    ] {
        let (start, end) = part(from, to);
        if let Some(at) = table.find(hash, mask, &bytes[start..end]) {
            return Some(start + at + 1);
        }
    }
    let missing = MAX_LEN.saturating_sub(len);
    (bytes.len() >= missing).then_some(missing)
}

#[cfg(test)]
pub(crate) mod tests;
