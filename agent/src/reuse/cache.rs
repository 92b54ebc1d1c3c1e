//! Decoded segments within a budget: whichever was used longest ago goes first.

use std::collections::{BTreeMap, HashMap};

use dataguardian_repository::id::ChunkId;
use dataguardian_repository::list::ChunkRef;

use super::index::Segment;

/// What a segment costs besides its references: its places in the maps.
const OVERHEAD: usize = 256;
/// A reference, and its number in the order of ids.
const PER_CHUNK: usize = size_of::<ChunkRef>() + size_of::<u32>();

/// What a segment of so many references holds of the budget, in bytes.
pub(super) const fn cost(chunks: usize) -> usize {
    OVERHEAD + chunks * PER_CHUNK
}

/// A segment that is at hand.
#[derive(Debug)]
struct Loaded {
    chunks: Box<[ChunkRef]>,
    /// Numbers of `chunks` in the order of their ids; of equal ones the first in the segment first.
    by_id: Box<[u32]>,
    used: u64,
}

impl Loaded {
    fn new(chunks: Vec<ChunkRef>, used: u64) -> Self {
        let mut by_id: Vec<u32> = (0..u32::try_from(chunks.len()).unwrap_or(u32::MAX)).collect();
        by_id.sort_by_key(|number| (chunks[*number as usize].id, *number));
        Self {
            chunks: chunks.into(),
            by_id: by_id.into(),
            used,
        }
    }

    /// Where the chunk is: at `from` if it is there, else wherever it is first.
    fn position(&self, id: &ChunkId, from: usize) -> Option<usize> {
        if self.chunks.get(from).is_some_and(|chunk| chunk.id == *id) {
            return Some(from);
        }
        let first = self
            .by_id
            .partition_point(|number| self.chunks[*number as usize].id < *id);
        let number = *self.by_id.get(first)? as usize;
        (self.chunks[number].id == *id).then_some(number)
    }
}

/// Where a chunk was found in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) chunk: ChunkRef,
    pub(super) position: usize,
}

/// Loaded segments, and room that is kept for those on their way.
#[derive(Debug)]
pub(super) struct Cache {
    budget: usize,
    /// Of segments at hand, in bytes.
    held: usize,
    /// Of segments on their way, in bytes.
    reserved: usize,
    /// The most that was ever held and reserved.
    peak: usize,
    tick: u64,
    loaded: HashMap<Segment, Loaded>,
    by_use: BTreeMap<u64, Segment>,
}

impl Cache {
    pub(super) fn new(budget: usize) -> Self {
        Self {
            budget,
            held: 0,
            reserved: 0,
            peak: 0,
            tick: 0,
            loaded: HashMap::new(),
            by_use: BTreeMap::new(),
        }
    }

    pub(super) fn contains(&self, segment: Segment) -> bool {
        self.loaded.contains_key(&segment)
    }

    /// Looks for a chunk in a segment that is at hand, at `from` first.
    pub(super) fn find(&mut self, segment: Segment, id: &ChunkId, from: usize) -> Option<Hit> {
        let loaded = self.loaded.get_mut(&segment)?;
        let position = loaded.position(id, from)?;
        self.by_use.remove(&loaded.used);
        self.tick += 1;
        loaded.used = self.tick;
        self.by_use.insert(self.tick, segment);
        Some(Hit {
            chunk: loaded.chunks[position],
            position,
        })
    }

    /// Keeps room for so many bytes, for which others go. False if what is on its way leaves too little.
    pub(super) fn reserve(&mut self, bytes: usize) -> bool {
        if self.reserved + bytes > self.budget {
            return false;
        }
        while self.held + self.reserved + bytes > self.budget {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            if let Some(gone) = self.loaded.remove(&oldest) {
                self.held -= cost(gone.chunks.len());
            }
        }
        self.reserved += bytes;
        self.peak = self.peak.max(self.held + self.reserved);
        true
    }

    /// Gives back room that was kept.
    pub(super) fn release(&mut self, bytes: usize) {
        self.reserved = self.reserved.saturating_sub(bytes);
    }

    /// Takes a segment in for which room was kept and given back just now.
    pub(super) fn insert(&mut self, segment: Segment, chunks: Vec<ChunkRef>) {
        if self.contains(segment) {
            return;
        }
        self.tick += 1;
        self.held += cost(chunks.len());
        self.loaded.insert(segment, Loaded::new(chunks, self.tick));
        self.by_use.insert(self.tick, segment);
        self.peak = self.peak.max(self.held + self.reserved);
    }

    /// Whether so many bytes more leave half of the budget free.
    pub(super) const fn has_plenty(&self, bytes: usize) -> bool {
        self.held + self.reserved + bytes <= self.budget / 2
    }

    #[cfg(test)]
    pub(super) const fn peak(&self) -> usize {
        self.peak
    }
}
