//! Reading lists.

use std::borrow::Cow;

use super::ChunkRef;
use super::encode::{COUNTS_LEN, ENTRY_LEN, MAGIC};
use crate::format::{MAX_LIST_ENTRIES, MAX_PACK_FRAMES};
use crate::id::{ChunkId, PackId};
use crate::keys::Protection;
use crate::pack::{FrameNumber, PackHeader};
use crate::seal::{
    DoesNotOpen, Head, HeadError, KeyError, ONLY, ObjectCipher, SealError, frame_lengths_in_bounds,
};

/// The longest list, in bytes.
pub(crate) const MAX_LIST_LEN: usize =
    Head::LEN + COUNTS_LEN + MAX_LIST_ENTRIES * (PackId::LEN + ENTRY_LEN) + 16;

/// A list that can't be read. The text says what the matter is with it, not which list it is: whoever read it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Its head is not one.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// It can't be opened with the keys at hand.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It is sealed and does not open.
    #[error(transparent)]
    DoesNotOpen(#[from] DoesNotOpen),
    /// The cipher could not be set up.
    #[error(transparent)]
    Cipher(#[from] SealError),
    /// Its numbers do not fit each other, or are out of bounds.
    #[error("it contradicts itself")]
    Contradiction,
}

/// The references in the list with these stored bytes.
pub fn decode(protection: &Protection, bytes: &[u8]) -> Result<Vec<ChunkRef>, ListError> {
    let head = Head::decode(MAGIC, bytes)?;
    let (associated, stored) = bytes.split_at(Head::LEN);
    if bytes.len() > MAX_LIST_LEN {
        return Err(ListError::Contradiction);
    }
    let body = match (protection, head.key) {
        (Protection::Plain, None) => Cow::Borrowed(stored),
        (Protection::Plain, Some(key)) => return Err(KeyError::Missing(key).into()),
        (Protection::Encrypted(_), None) => return Err(KeyError::NotSealed.into()),
        (Protection::Encrypted(keys), Some(key)) => {
            let generation = keys.generation(key).ok_or(KeyError::Missing(key))?;
            let cipher = ObjectCipher::new(&generation.object_key(&head.salt, b"list"))?;
            Cow::Owned(cipher.open(ONLY, associated, stored)?)
        }
    };
    entries(&body).ok_or(ListError::Contradiction)
}

fn entries(body: &[u8]) -> Option<Vec<ChunkRef>> {
    let (packs, rest) = body.split_first_chunk::<4>()?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let packs = u32::from_le_bytes(*packs) as usize;
    let count = u32::from_le_bytes(*count) as usize;
    if !(1..=MAX_LIST_ENTRIES).contains(&count) || !(1..=count).contains(&packs) {
        return None;
    }
    let (packs, rest) = rest.split_at_checked(packs * PackId::LEN)?;
    let (packs, _) = packs.as_chunks::<{ PackId::LEN }>();
    let (entries, []) = rest.as_chunks::<ENTRY_LEN>() else {
        return None;
    };
    if entries.len() != count {
        return None;
    }
    entries.iter().map(|entry| decode_entry(packs, entry)).collect()
}

fn decode_entry(packs: &[[u8; PackId::LEN]], entry: &[u8; ENTRY_LEN]) -> Option<ChunkRef> {
    let (id, rest) = entry.split_first_chunk::<{ ChunkId::LEN }>()?;
    let (index, rest) = rest.split_first_chunk::<2>()?;
    let ([frame, offset, stored_len, raw_len], []) = rest.as_chunks::<4>() else {
        return None;
    };
    let chunk = ChunkRef {
        id: ChunkId::from_bytes(*id),
        pack: PackId::from_bytes(*packs.get(usize::from(u16::from_le_bytes(*index)))?),
        frame: FrameNumber(u32::from_le_bytes(*frame)),
        offset: u32::from_le_bytes(*offset),
        stored_len: u32::from_le_bytes(*stored_len),
        raw_len: u32::from_le_bytes(*raw_len),
    };
    in_bounds(&chunk).then_some(chunk)
}

/// Whether a reference points to where a frame can be.
pub(crate) fn in_bounds(chunk: &ChunkRef) -> bool {
    frame_lengths_in_bounds(chunk.stored_len, chunk.raw_len)
        && chunk.frame.0 < MAX_PACK_FRAMES
        && chunk.offset as usize >= PackHeader::LEN
        && chunk.offset.checked_add(chunk.stored_len).is_some()
}
