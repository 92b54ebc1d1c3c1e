//! The end of a pack: which chunks are in it. Frames follow each other without gaps, so their offsets are not stored.

use std::ops::Range;

use super::PackedFrame;
use super::header::PackHeader;
use crate::format::{FORMAT_VERSION, MAX_PACK_FRAMES, MAX_PACK_LEN, SALT_LEN, TAG_LEN};
use crate::id::ChunkId;
use crate::seal::{DoesNotOpen, INDEX, ObjectCipher, SealError, frame_lengths_in_bounds};

/// A zstd skippable frame that is a pack's index.
const SKIPPABLE: u32 = 0x184D_2A5E;
const FOOTER_MAGIC: [u8; 8] = *b"DGINDEX1";
/// Magic number and length of a skippable frame.
const SKIPPABLE_HEAD: usize = 8;
/// Chunk id, stored length, raw length.
const ENTRY_LEN: usize = ChunkId::LEN + 8;

/// An index that can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// The pack's last bytes are not those of a pack.
    #[error("it does not end as a pack does: it is cut off or damaged")]
    Footer,
    /// Lengths do not fit each other, or are out of bounds.
    #[error("it has an index that contradicts itself")]
    Contradiction,
    /// It is sealed and does not open.
    #[error(transparent)]
    DoesNotOpen(#[from] DoesNotOpen),
}

/// Where in a pack its index is, as the pack's last bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexPlace {
    pack_len: u64,
    frames: u32,
    len: u32,
}

impl IndexPlace {
    /// How many bytes at a pack's end tell where its index is.
    pub const FOOTER_LEN: usize = 16;

    /// Reads the last [`Self::FOOTER_LEN`] bytes of a pack of `pack_len` bytes.
    pub fn from_footer(footer: &[u8], pack_len: u64) -> Result<Self, IndexError> {
        let footer: &[u8; Self::FOOTER_LEN] = footer.try_into().map_err(|_| IndexError::Footer)?;
        let [f0, f1, f2, f3, l0, l1, l2, l3, magic @ ..] = footer;
        if *magic != FOOTER_MAGIC {
            return Err(IndexError::Footer);
        }
        let place = Self {
            pack_len,
            frames: u32::from_le_bytes([*f0, *f1, *f2, *f3]),
            len: u32::from_le_bytes([*l0, *l1, *l2, *l3]),
        };
        let fits = place.frames <= MAX_PACK_FRAMES
            && pack_len <= MAX_PACK_LEN
            && PackHeader::LEN as u64 + u64::from(place.len) <= pack_len
            && [0, TAG_LEN]
                .map(|tag| index_len(place.frames, tag))
                .contains(&(place.len as usize));
        fits.then_some(place).ok_or(IndexError::Contradiction)
    }

    /// The index's bytes within the pack.
    pub fn range(&self) -> Range<u64> {
        self.pack_len - u64::from(self.len)..self.pack_len
    }

    /// How many frames the pack has.
    pub fn frames(&self) -> u32 {
        self.frames
    }
}

/// The whole index, with its tag if it has one.
fn index_len(frames: u32, tag: usize) -> usize {
    SKIPPABLE_HEAD + frames as usize * ENTRY_LEN + tag + IndexPlace::FOOTER_LEN
}

fn associated(salt: &[u8; SALT_LEN], frames: u32) -> [u8; 37] {
    let mut bytes = [0; 37];
    bytes[0] = FORMAT_VERSION;
    bytes[1..33].copy_from_slice(salt);
    bytes[33..].copy_from_slice(&frames.to_le_bytes());
    bytes
}

/// Ends the pack in `bytes` with the index of `frames`.
pub(super) fn append(
    header: &PackHeader,
    cipher: Option<&ObjectCipher>,
    frames: &[PackedFrame],
    bytes: &mut Vec<u8>,
) -> Result<(), SealError> {
    let count = u32::try_from(frames.len()).map_err(|_| SealError::PackFull)?;
    let len = index_len(count, if cipher.is_some() { TAG_LEN } else { 0 });
    bytes.reserve(len);
    bytes.extend_from_slice(&SKIPPABLE.to_le_bytes());
    bytes.extend_from_slice(&((len - SKIPPABLE_HEAD) as u32).to_le_bytes());
    let start = bytes.len();
    for frame in frames {
        bytes.extend_from_slice(frame.chunk.as_bytes());
        bytes.extend_from_slice(&frame.stored_len.to_le_bytes());
        bytes.extend_from_slice(&frame.raw_len.to_le_bytes());
    }
    if let Some(cipher) = cipher {
        cipher.seal(INDEX, &associated(&header.0.salt, count), bytes, start)?;
    }
    bytes.extend_from_slice(&count.to_le_bytes());
    bytes.extend_from_slice(&(len as u32).to_le_bytes());
    bytes.extend_from_slice(&FOOTER_MAGIC);
    Ok(())
}

/// Reads the index in `bytes`, which are those at `place`.
pub(super) fn read(
    header: &PackHeader,
    cipher: Option<&ObjectCipher>,
    place: &IndexPlace,
    bytes: &[u8],
) -> Result<Vec<PackedFrame>, IndexError> {
    let inner_len = place.len - SKIPPABLE_HEAD as u32;
    let (outer, inner) = bytes.split_at_checked(SKIPPABLE_HEAD).ok_or(IndexError::Footer)?;
    let whole = inner.len() == inner_len as usize;
    if !whole || outer[..4] != SKIPPABLE.to_le_bytes() || outer[4..] != inner_len.to_le_bytes() {
        return Err(IndexError::Contradiction);
    }
    let body = &inner[..inner.len() - IndexPlace::FOOTER_LEN];
    let opened = match cipher {
        None => body.to_vec(),
        Some(cipher) => cipher.open(INDEX, &associated(&header.0.salt, place.frames), body)?,
    };
    let frames = frames(&opened).ok_or(IndexError::Contradiction)?;
    let end = frames
        .last()
        .map_or(PackHeader::LEN as u32, |frame| frame.offset + frame.stored_len);
    let complete = frames.len() == place.frames as usize && u64::from(end) == place.range().start;
    complete.then_some(frames).ok_or(IndexError::Contradiction)
}

fn frames(body: &[u8]) -> Option<Vec<PackedFrame>> {
    let (entries, []) = body.as_chunks::<ENTRY_LEN>() else {
        return None;
    };
    let mut offset = PackHeader::LEN as u32;
    let frame = |entry: &[u8; ENTRY_LEN]| {
        let (chunk, lengths) = entry.split_first_chunk::<{ ChunkId::LEN }>()?;
        let (stored, raw) = lengths.split_first_chunk::<4>()?;
        let frame = PackedFrame {
            chunk: ChunkId::from_bytes(*chunk),
            offset,
            stored_len: u32::from_le_bytes(*stored),
            raw_len: u32::from_le_bytes(raw.try_into().ok()?),
        };
        offset = offset.checked_add(frame.stored_len)?;
        frame_lengths_in_bounds(frame.stored_len, frame.raw_len).then_some(frame)
    };
    entries.iter().map(frame).collect()
}
