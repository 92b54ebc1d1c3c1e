//! Which chunk is where in what was stored before, without ever holding all of it.
//!
//! What was stored is a row of **segments**: the lists of the base's streams, and the packs that earlier attempts left. Of a
//! segment only its **hooks** are always at hand, a few of its chunks; the rest is loaded when it is needed and forgotten when
//! the budget is used up. Since a stream is dumped in about the same order each time, a chunk that is found in a segment
//! leads to the ones after it, which are fetched ahead.
//!
//! Nothing here reads anything: whoever asks is told what to load, and brings it.

use std::collections::{HashMap, HashSet};

use dataguardian_core::stream::StreamHeader;
use dataguardian_repository::id::{ChunkId, PackId};
use dataguardian_repository::list::ChunkRef;

use super::cache::{Cache, cost};

/// A segment's number.
pub(crate) type Segment = u32;

/// How many segments after the current one are looked into, and fetched ahead.
const AHEAD: usize = 2;

/// What a segment is part of. Each stream has a place in each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The base: its streams are the present ones as they were.
    Base,
    /// What attempts that failed have left: packs in the order in which they were stored.
    Left,
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// There.
    Here(ChunkRef),
    /// Not known before this segment is loaded. Ask again then.
    AfterLoading(Segment),
    /// Nowhere that can be said.
    Nowhere,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    origin: Origin,
    next: Option<Segment>,
    chunks: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At hand, or not, as the budget has it.
    Usual,
    /// On its way.
    Loading,
    /// It can't be read.
    Lost,
}

/// Where a stream is in what was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cursor {
    segment: Segment,
    position: usize,
}

/// The index.
#[derive(Debug)]
pub(crate) struct Index {
    heads: Vec<Head>,
    /// By the first bytes of a chunk's id: where it is, if it is a hook. Two chunks that agree in these cost a vain look.
    hooks: HashMap<u64, Segment>,
    /// Where the base's streams begin.
    streams: HashMap<StreamHeader, Segment>,
    /// The places of the present streams, in the base and in what is left.
    cursors: HashMap<usize, [Option<Cursor>; 2]>,
    /// Where a stream was last found in what is left: the next one begins there.
    last_left: Option<Cursor>,
    unusable: HashSet<PackId>,
    wanted: Vec<Segment>,
    cache: Cache,
}

impl Index {
    /// An empty index that holds at most `budget` bytes of loaded segments, those on their way included.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            heads: Vec::new(),
            hooks: HashMap::new(),
            streams: HashMap::new(),
            cursors: HashMap::new(),
            last_left: None,
            unusable: HashSet::new(),
            wanted: Vec::new(),
            cache: Cache::new(budget),
        }
    }

    /// Whether nothing can be found in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// How many hooks it has.
    pub(crate) fn hooks(&self) -> usize {
        self.hooks.len()
    }

    /// No reference into these packs is given.
    pub(crate) fn avoid(&mut self, packs: impl IntoIterator<Item = PackId>) {
        self.unusable.extend(packs);
    }

    /// Adds a segment of so many chunks. It follows `previous`, if there is one.
    pub(crate) fn add(&mut self, origin: Origin, chunks: u32, previous: Option<Segment>) -> Segment {
        let segment = Segment::try_from(self.heads.len()).unwrap_or(Segment::MAX);
        self.heads.push(Head {
            origin,
            next: None,
            chunks,
            state: State::Usual,
        });
        if let Some(previous) = previous.and_then(|previous| self.head_mut(previous)) {
            previous.next = Some(segment);
        }
        segment
    }

    /// A chunk that leads to a segment. Of several segments with it the first one counts.
    pub(crate) fn hook(&mut self, id: &ChunkId, segment: Segment) {
        self.hooks.entry(prefix(id)).or_insert(segment);
    }

    /// A stream of the base begins with that segment.
    pub(crate) fn begins(&mut self, stream: StreamHeader, segment: Segment) {
        self.streams.entry(stream).or_insert(segment);
    }

    /// Takes in a segment that was read anyway, if there is plenty of room.
    pub(crate) fn offer(&mut self, segment: Segment, chunks: Vec<ChunkRef>) {
        if self.cache.has_plenty(cost(chunks.len())) {
            let chunks = self.usable(chunks);
            self.cache.insert(segment, chunks);
        }
    }

    /// A stream begins: it is paired with the one of the same name.
    pub(crate) fn open(&mut self, stream: usize, header: &StreamHeader) {
        let base = self.streams.get(header).map(|segment| Cursor {
            segment: *segment,
            position: 0,
        });
        self.cursors.insert(stream, [base, self.last_left]);
        for cursor in [base, self.last_left].into_iter().flatten() {
            self.want(cursor.segment);
        }
    }

    /// A stream has ended.
    pub(crate) fn close(&mut self, stream: usize) {
        self.cursors.remove(&stream);
    }

    /// Where a chunk of a stream is.
    pub(crate) fn find(&mut self, stream: usize, id: &ChunkId) -> Found {
        let cursors = self.cursors.get(&stream).copied().unwrap_or_default();
        let mut waiting = None;
        for cursor in cursors.into_iter().flatten() {
            match self.look_around(stream, cursor, id) {
                Found::Nowhere => {}
                Found::AfterLoading(segment) => waiting = waiting.or(Some(segment)),
                found @ Found::Here(_) => return found,
            }
        }
        if let Some(segment) = waiting {
            return Found::AfterLoading(segment);
        }
        let Some(&segment) = self.hooks.get(&prefix(id)) else {
            return Found::Nowhere;
        };
        match self.look_into(stream, segment, id, 0) {
            Some(chunk) => Found::Here(chunk),
            None if self.cache.contains(segment) => Found::Nowhere,
            None => match self.head(segment).map(|head| head.state) {
                Some(State::Usual | State::Loading) => Found::AfterLoading(segment),
                Some(State::Lost) | None => Found::Nowhere,
            },
        }
    }

    /// Looks into the segment that the stream is in, and into those after it.
    fn look_around(&mut self, stream: usize, cursor: Cursor, id: &ChunkId) -> Found {
        let mut waiting = None;
        let mut next = Some(cursor.segment);
        for distance in 0..=AHEAD {
            let Some(segment) = next else { break };
            let position = if distance == 0 { cursor.position } else { 0 };
            if let Some(chunk) = self.look_into(stream, segment, id, position) {
                return Found::Here(chunk);
            }
            let Some(head) = self.head(segment) else { break };
            if head.state == State::Loading {
                waiting = waiting.or(Some(segment));
            }
            next = head.next;
        }
        waiting.map_or(Found::Nowhere, Found::AfterLoading)
    }

    fn look_into(
        &mut self,
        stream: usize,
        segment: Segment,
        id: &ChunkId,
        position: usize,
    ) -> Option<ChunkRef> {
        let hit = self.cache.find(segment, id, position)?;
        self.go_on(stream, segment, hit.position + 1);
        Some(hit.chunk)
    }

    /// The stream is here now.
    fn go_on(&mut self, stream: usize, segment: Segment, position: usize) {
        let Some(head) = self.head(segment).copied() else {
            return;
        };
        let here = Cursor { segment, position };
        let cursors = self.cursors.entry(stream).or_default();
        let cursor = match head.origin {
            Origin::Base => &mut cursors[0],
            Origin::Left => {
                self.last_left = Some(here);
                &mut cursors[1]
            }
        };
        let is_new = cursor.is_none_or(|before| before.segment != segment);
        *cursor = Some(here);
        if is_new {
            self.want(segment);
        }
    }

    /// A segment and those after it should be at hand soon.
    fn want(&mut self, segment: Segment) {
        let mut next = Some(segment);
        for _ in 0..=AHEAD {
            let Some(segment) = next else { break };
            self.wanted.push(segment);
            next = self.head(segment).and_then(|head| head.next);
        }
    }

    /// Segments that should be fetched ahead, since the last time.
    pub(crate) fn take_wanted(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.wanted)
    }

    /// Whether to load a segment now; room is kept for it until [`Self::loaded`] or [`Self::lost`]. False if it is at hand, on
    /// its way, known to be unreadable, or if there is no room.
    pub(crate) fn begin_loading(&mut self, segment: Segment) -> bool {
        if self.cache.contains(segment) {
            return false;
        }
        let Some(head) = self.head(segment).copied() else {
            return false;
        };
        if head.state != State::Usual || !self.cache.reserve(room(head.chunks)) {
            return false;
        }
        self.set_state(segment, State::Loading);
        true
    }

    /// A segment was read.
    pub(crate) fn loaded(&mut self, segment: Segment, chunks: Vec<ChunkRef>) {
        self.end_loading(segment, State::Usual);
        let is_as_told = self
            .head(segment)
            .is_some_and(|head| chunks.len() <= head.chunks as usize);
        if is_as_told {
            let chunks = self.usable(chunks);
            self.cache.insert(segment, chunks);
        }
    }

    /// A segment can't be read: it is not asked for again.
    pub(crate) fn lost(&mut self, segment: Segment) {
        self.end_loading(segment, State::Lost);
    }

    fn end_loading(&mut self, segment: Segment, state: State) {
        let Some(head) = self.head(segment).copied() else {
            return;
        };
        if head.state == State::Loading {
            self.cache.release(room(head.chunks));
        }
        self.set_state(segment, state);
    }

    fn set_state(&mut self, segment: Segment, state: State) {
        if let Some(head) = self.head_mut(segment) {
            head.state = state;
        }
    }

    fn usable(&self, mut chunks: Vec<ChunkRef>) -> Vec<ChunkRef> {
        chunks.retain(|chunk| !self.unusable.contains(&chunk.pack));
        chunks.shrink_to_fit();
        chunks
    }

    fn head(&self, segment: Segment) -> Option<&Head> {
        self.heads.get(usize::try_from(segment).ok()?)
    }

    fn head_mut(&mut self, segment: Segment) -> Option<&mut Head> {
        self.heads.get_mut(usize::try_from(segment).ok()?)
    }

    #[cfg(test)]
    pub(super) const fn peak(&self) -> usize {
        self.cache.peak()
    }
}

/// What is kept free while a segment is read: its stored bytes, what they are decoded to, and the order of that.
const fn room(chunks: u32) -> usize {
    2 * cost(chunks as usize)
}

fn prefix(id: &ChunkId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests;
