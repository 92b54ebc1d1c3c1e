//! Writing lists.

use std::collections::HashMap;

use ring::hmac;

use super::{ChunkRef, SealedList};
use crate::format::{SALT_LEN, TAG_LEN};
use crate::id::{ChunkId, ListId, PackId};
use crate::keys::{Generation, Protection};
use crate::seal::{Head, ONLY, ObjectCipher, SealError};

pub(super) const MAGIC: [u8; 6] = *b"DGLIST";
/// The numbers of packs and of entries.
pub(super) const COUNTS_LEN: usize = 8;
/// Chunk id, pack's index, frame number, offset, stored length, raw length.
pub(super) const ENTRY_LEN: usize = ChunkId::LEN + 2 + 4 * 4;

/// The list of `entries`; none if there are none.
pub(super) fn encode(protection: &Protection, entries: &[ChunkRef]) -> Result<Option<SealedList>, SealError> {
    let Some(first) = entries.first() else {
        return Ok(None);
    };
    let (packs, body) = body(entries);
    let bytes = match protection {
        Protection::Plain => {
            let head = Head {
                salt: [0; SALT_LEN],
                key: None,
            };
            [&head.encode(MAGIC), body.as_slice()].concat()
        }
        Protection::Encrypted(keys) => seal(keys.current(), &body)?,
    };
    Ok(Some(SealedList {
        id: ListId::of(&bytes),
        bytes: bytes.into(),
        first_chunk: first.id,
        entries: entries.len() as u32,
        raw_bytes: entries.iter().map(|entry| u64::from(entry.raw_len)).sum(),
        packs,
    }))
}

/// Equal bodies give equal bytes under one key. The salt is made from the whole body, so that no two bodies share a key.
fn seal(generation: &Generation, body: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut salt = [0; SALT_LEN];
    let salt_key = hmac::Key::new(hmac::HMAC_SHA256, generation.list_salt_key().as_ref());
    salt.copy_from_slice(hmac::sign(&salt_key, body).as_ref());
    let head = Head {
        salt,
        key: Some(generation.key_id),
    }
    .encode(MAGIC);
    let mut bytes = Vec::with_capacity(Head::LEN + body.len() + TAG_LEN);
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(body);
    ObjectCipher::new(&generation.object_key(&salt, b"list"))?.seal(ONLY, &head, &mut bytes, Head::LEN)?;
    Ok(bytes)
}

fn body(entries: &[ChunkRef]) -> (Vec<PackId>, Vec<u8>) {
    let mut packs = Vec::new();
    let mut indexes = HashMap::new();
    let mut encoded = Vec::with_capacity(entries.len() * ENTRY_LEN);
    for entry in entries {
        let index = *indexes.entry(entry.pack).or_insert_with(|| {
            packs.push(entry.pack);
            packs.len() as u16 - 1
        });
        encoded.extend_from_slice(entry.id.as_bytes());
        encoded.extend_from_slice(&index.to_le_bytes());
        for number in [entry.frame.0, entry.offset, entry.stored_len, entry.raw_len] {
            encoded.extend_from_slice(&number.to_le_bytes());
        }
    }
    let mut body = Vec::with_capacity(COUNTS_LEN + packs.len() * PackId::LEN + encoded.len());
    body.extend_from_slice(&(packs.len() as u32).to_le_bytes());
    body.extend_from_slice(&(entries.len() as u32).to_le_bytes());
    packs
        .iter()
        .for_each(|pack| body.extend_from_slice(pack.as_bytes()));
    body.extend_from_slice(&encoded);
    (packs, body)
}
