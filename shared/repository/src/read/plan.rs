//! Which bytes to ask for: neighbours in a pack are asked for together. Pure.

use std::ops::Range;

use super::REQUEST_LEN;
use crate::id::PackId;
use crate::list::ChunkRef;

/// Bytes between two wanted frames that are fetched and thrown away rather than asked for around.
const MAX_GAP: u64 = 256 << 10;
/// The most bytes that the chunks of one request may become: highly compressible data would else be memory without bound.
const MAX_RAW: u64 = 4 << 20;

/// Chunks that follow each other in the stream and lie close together, in the same order, in one pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) pack: PackId,
    pub(super) chunks: Vec<ChunkRef>,
    raw: u64,
}

impl Request {
    fn new(chunk: ChunkRef) -> Self {
        Self {
            pack: chunk.pack,
            chunks: vec![chunk],
            raw: u64::from(chunk.raw_len),
        }
    }

    /// The bytes of the pack to ask for.
    pub(super) fn range(&self) -> Range<u64> {
        let start = self.chunks.first().map_or(0, start);
        start..self.chunks.last().map_or(start, end)
    }

    /// Whether it took the chunk in.
    fn take(&mut self, chunk: &ChunkRef) -> bool {
        let range = self.range();
        let near = (range.end..=range.end + MAX_GAP).contains(&start(chunk));
        let fits = chunk.pack == self.pack
            && near
            && end(chunk) - range.start <= REQUEST_LEN
            && self.raw + u64::from(chunk.raw_len) <= MAX_RAW;
        if fits {
            self.chunks.push(*chunk);
            self.raw += u64::from(chunk.raw_len);
        }
        fits
    }
}

fn start(chunk: &ChunkRef) -> u64 {
    u64::from(chunk.offset)
}

fn end(chunk: &ChunkRef) -> u64 {
    u64::from(chunk.offset) + u64::from(chunk.stored_len)
}

/// The requests for these chunks, in their order.
pub(super) fn requests(chunks: &[ChunkRef]) -> Vec<Request> {
    let mut requests: Vec<Request> = Vec::new();
    for chunk in chunks {
        let taken = requests.last_mut().is_some_and(|request| request.take(chunk));
        if !taken {
            requests.push(Request::new(*chunk));
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::ChunkId;
    use crate::pack::FrameNumber;

    fn chunk(pack: u8, offset: u32, stored_len: u32, raw_len: u32) -> ChunkRef {
        ChunkRef {
            id: ChunkId::from_bytes([0; 32]),
            pack: PackId::from_bytes([pack; 32]),
            frame: FrameNumber(0),
            offset,
            stored_len,
            raw_len,
        }
    }

    fn ranges(chunks: &[ChunkRef]) -> Vec<(u64, u64)> {
        requests(chunks)
            .iter()
            .map(Request::range)
            .map(|range| (range.start, range.end))
            .collect()
    }

    #[test]
    fn neighbours_are_asked_for_together() {
        let near = [
            chunk(1, 64, 100, 200),
            chunk(1, 164, 100, 200),
            chunk(1, 1000, 50, 200),
        ];
        assert_eq!(ranges(&near), [(64, 1050)]);
    }

    #[test]
    fn another_pack_a_step_back_and_a_far_one_are_asked_for_alone() {
        let far = [
            chunk(1, 1000, 100, 200),
            chunk(2, 1100, 100, 200),
            chunk(2, 64, 100, 200),
            chunk(2, 1_000_000, 100, 200),
        ];
        assert_eq!(
            ranges(&far),
            [(1000, 1100), (1100, 1200), (64, 164), (1_000_000, 1_000_100)]
        );
    }

    proptest! {
        #[test]
        fn requests_keep_all_chunks_in_order_and_their_bounds(
            chunks in prop::collection::vec((0_u8..2, 0_u32..10_000_000, 1_u32..1_000_000, 1_u32..4_194_304), 0..50)
        ) {
            let chunks: Vec<_> = chunks.into_iter().map(|(pack, at, stored, raw)| chunk(pack, at, stored, raw)).collect();
            let requests = requests(&chunks);
            for request in &requests {
                let range = request.range();
                prop_assert!(range.end - range.start <= REQUEST_LEN);
                prop_assert!(request.chunks.len() == 1 || request.raw <= MAX_RAW);
            }
            prop_assert_eq!(requests.into_iter().flat_map(|request| request.chunks).collect::<Vec<_>>(), chunks);
        }
    }
}
