//! What a backup refers to: which packs of earlier backups it needs, and how much of each pack.

use std::collections::HashMap;
use std::sync::Arc;

use dataguardian_repository::id::PackId;
use dataguardian_repository::list::ChunkRef;
use dataguardian_repository::pack::SealedPack;

use super::WrittenPack;
use crate::reuse::Held;

/// References to packs, counted while lists are made. A pack that was made before has a bit for each of its frames, so that a
/// frame that is referred to often counts once: some 2 MB for each TB.
#[derive(Debug)]
pub(super) struct Uses {
    held: Arc<Held>,
    packs: HashMap<PackId, Use>,
    /// Of chunks that needed no storing, in bytes before compression.
    reused_bytes: u64,
}

#[derive(Debug, Default)]
struct Use {
    /// Of frames that are referred to, as stored.
    bytes: u64,
    is_new: bool,
    seen: Vec<u64>,
}

impl Uses {
    pub(super) fn new(held: Arc<Held>) -> Self {
        Self {
            held,
            packs: HashMap::new(),
            reused_bytes: 0,
        }
    }

    /// A chunk of that length needed no storing.
    pub(super) fn reused(&mut self, raw_len: u32) {
        self.reused_bytes += u64::from(raw_len);
    }

    /// A pack was made: all of it is referred to.
    pub(super) fn made(&mut self, pack: &SealedPack) {
        let frames = pack.frames.iter().map(|frame| u64::from(frame.stored_len));
        let made = Use {
            bytes: frames.sum(),
            is_new: true,
            seen: Vec::new(),
        };
        self.packs.insert(pack.id, made);
    }

    /// A list refers to a frame.
    pub(super) fn refer(&mut self, chunk: &ChunkRef) {
        let known = self.packs.entry(chunk.pack).or_default();
        if known.is_new {
            return;
        }
        let (word, bit) = (chunk.frame.0 as usize / 64, 1 << (chunk.frame.0 % 64));
        if known.seen.len() <= word {
            known.seen.resize(word + 1, 0);
        }
        if known.seen[word] & bit == 0 {
            known.seen[word] |= bit;
            known.bytes += u64::from(chunk.stored_len);
        }
    }

    /// Of chunks that needed no storing, in bytes before compression.
    pub(super) const fn reused_bytes(&self) -> u64 {
        self.reused_bytes
    }

    /// How much of a pack is referred to, in bytes as stored.
    pub(super) fn bytes(&self, pack: &PackId) -> u64 {
        self.packs.get(pack).map_or(0, |known| known.bytes)
    }

    /// The packs that were there before and are referred to, in the order of their names.
    pub(super) fn earlier_packs(&self) -> Vec<WrittenPack> {
        let earlier = self.packs.iter().filter(|(_, known)| !known.is_new);
        let mut packs: Vec<_> = earlier
            .filter_map(|(id, _)| {
                Some(WrittenPack {
                    id: *id,
                    stored_bytes: self.held.pack(id)?,
                })
            })
            .collect();
        packs.sort_by_key(|pack| pack.id);
        packs
    }
}
