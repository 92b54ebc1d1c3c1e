//! The chunks that were seen last in this backup: pages of zeros, values that repeat.
//!
//! Two of these are kept, one where chunks are looked up and one where packs are sealed. Both are told the same in the same
//! order and forget by the same rule, so that what the first one knows the second one knows too.

use std::collections::{HashMap, VecDeque};

use dataguardian_repository::id::ChunkId;

/// A bounded table: the chunk that was entered first is forgotten first.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    capacity: usize,
    order: VecDeque<ChunkId>,
    values: HashMap<ChunkId, V>,
}

impl<V> Recent<V> {
    /// A table for so many chunks.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            order: VecDeque::new(),
            values: HashMap::new(),
        }
    }

    /// Enters a chunk that is not in it.
    pub(crate) fn enter(&mut self, id: ChunkId, value: V) {
        if self.capacity == 0 || self.values.contains_key(&id) {
            return;
        }
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
        self.order.push_back(id);
        self.values.insert(id, value);
    }

    /// What was entered with a chunk.
    pub(crate) fn get(&self, id: &ChunkId) -> Option<&V> {
        self.values.get(id)
    }

    /// The same, to be changed.
    pub(crate) fn get_mut(&mut self, id: &ChunkId) -> Option<&mut V> {
        self.values.get_mut(id)
    }
}
