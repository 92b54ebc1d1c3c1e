//! The fourth stage, on a thread of its own: compressed chunks are sealed into packs, and the references to them into
//! lists.
//!
//! All streams share the packs. Where a chunk lies is known only when its pack is finished, since the pack's name is a
//! digest of its bytes; until then its stream keeps the frame's number, and the references after it. A stream of which
//! almost nothing is new would keep ever more of these: past [`MAX_PENDING`] the pack is finished as it is.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::StreamEnd;
use dataguardian_repository::compress::CompressedChunk;
use dataguardian_repository::digest::StreamDigest;
use dataguardian_repository::id::ChunkId;
use dataguardian_repository::keys::Protection;
use dataguardian_repository::list::{ChunkRef, ListBuilder, SealedList, Tail};
use dataguardian_repository::pack::{FrameNumber, PackBuilder, SealedPack};
use dataguardian_repository::seal::SealError;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::chunk::Headers;
use super::compress::CompressedBatch;
use super::fault::Fault;
use super::lookup::Piece;
use super::uses::Uses;
use super::{PipelineSettings, WrittenList, WrittenStream};
use crate::reuse::Held;
use crate::reuse::recent::Recent;

/// References that may wait for the current pack: 4 GB of what is stored already.
const MAX_PENDING: usize = 65_536;

/// What this stage hands to the next one, in the order in which it must become visible.
#[derive(Debug)]
pub(super) enum SealedObject {
    /// A pack, with its share of the memory.
    Pack(SealedPack, #[expect(dead_code, reason = "held, never read")] Room),
    /// A list; all packs that it names went before.
    List(SealedList),
}

/// A pack's share of the memory, given back when the last storage has let go of the pack.
#[derive(Debug)]
pub(super) struct Room(#[expect(dead_code, reason = "held, never read")] OwnedSemaphorePermit);

/// The stage.
#[derive(Debug)]
pub(super) struct Seal {
    protection: Protection,
    fault: Fault,
    next: mpsc::Sender<SealedObject>,
    headers: Headers,
    room: Arc<Semaphore>,
    pack: Option<PackBuilder>,
    held: Arc<Held>,
    /// The last new chunks.
    recent: Recent<Place>,
    /// References that wait for the current pack, of all streams.
    pending: usize,
    uses: Uses,
    open: BTreeMap<usize, OpenStream>,
    done: BTreeMap<usize, WrittenStream>,
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the current pack.
    Frame(FrameNumber),
    /// In a finished one.
    Stored(ChunkRef),
}

/// What the stage made.
#[derive(Debug)]
pub(super) struct Sealed {
    /// The streams but those taken back.
    pub(super) streams: Vec<WrittenStream>,
    /// What they refer to.
    pub(super) uses: Uses,
}

#[derive(Debug)]
struct OpenStream {
    lists: ListBuilder,
    written: Vec<WrittenList>,
    digest: StreamDigest,
    bytes: u64,
    /// Its next references, from the first on that waits for the current pack.
    pending: VecDeque<Place>,
    end: Option<StreamEnd>,
}

/// Why the stage stops.
enum Stop {
    /// The next stage is gone; it has left the reason.
    NextGone,
    Failed(SealError),
    /// The tables of recent chunks do not agree.
    Forgotten(ChunkId),
}

impl From<SealError> for Stop {
    fn from(error: SealError) -> Self {
        Self::Failed(error)
    }
}

impl Seal {
    pub(super) fn new(
        settings: &PipelineSettings,
        fault: Fault,
        next: mpsc::Sender<SealedObject>,
        headers: Headers,
        (held, recent): (Arc<Held>, usize),
    ) -> Self {
        Self {
            protection: settings.protection.clone(),
            fault,
            next,
            headers,
            room: Arc::new(Semaphore::new(settings.packs_in_flight)),
            pack: None,
            uses: Uses::new(held.clone()),
            held,
            recent: Recent::new(recent),
            pending: 0,
            open: BTreeMap::new(),
            done: BTreeMap::new(),
        }
    }

    /// Runs until the stage before is gone. Gives nothing if it had to stop or a stream is unfinished.
    pub(super) fn run(
        mut self,
        mut batches: mpsc::Receiver<CompressedBatch>,
        runtime: &Handle,
    ) -> Option<Sealed> {
        while let Some(batch) = batches.blocking_recv() {
            let taken = match batch {
                CompressedBatch::Chunks { stream, chunks } => self.chunks(stream, chunks, runtime),
                CompressedBatch::End { stream, end } => self.end(stream, end),
            };
            if let Err(stop) = taken {
                self.stop(&stop);
                return None;
            }
        }
        if let Err(stop) = self.flush(runtime) {
            self.stop(&stop);
            return None;
        }
        let headers = self.headers;
        let unfinished = self.open.keys().any(|stream| !headers.is_taken_back(*stream));
        let kept = self
            .done
            .into_iter()
            .filter(|(stream, _)| !headers.is_taken_back(*stream));
        let uses = self.uses;
        (!unfinished).then(|| Sealed {
            streams: kept.map(|(_, written)| written).collect(),
            uses,
        })
    }

    fn stop(&self, stop: &Stop) {
        let message = match stop {
            Stop::NextGone => return,
            Stop::Failed(error) => format!("a pack could not be sealed: {error}"),
            Stop::Forgotten(chunk) => format!("chunk {chunk} was called known and is not"),
        };
        self.fault.set(Failure::new(FailureKind::Internal, message));
    }

    fn chunks(
        &mut self,
        stream: usize,
        chunks: Vec<Piece<CompressedChunk>>,
        runtime: &Handle,
    ) -> Result<(), Stop> {
        for piece in chunks {
            let (id, raw_len, place) = match piece {
                Piece::New(chunk) => {
                    let frame = self.push(&chunk, runtime)?;
                    (chunk.id, chunk.raw_len, Place::Frame(frame))
                }
                Piece::Again { id, raw_len } => {
                    let place = *self.recent.get(&id).ok_or(Stop::Forgotten(id))?;
                    self.uses.reused(raw_len);
                    (id, raw_len, place)
                }
                Piece::Known(reference) => {
                    self.uses.reused(reference.raw_len);
                    (reference.id, reference.raw_len, Place::Stored(reference))
                }
            };
            self.refer(stream, (id, raw_len), place)?;
            if self.pending > MAX_PENDING {
                self.flush(runtime)?;
            }
        }
        Ok(())
    }

    /// Puts a chunk into the current pack.
    fn push(&mut self, chunk: &CompressedChunk, runtime: &Handle) -> Result<FrameNumber, Stop> {
        if self.pack.as_ref().is_some_and(PackBuilder::is_full) {
            self.flush(runtime)?;
        }
        let pack = match &mut self.pack {
            Some(pack) => pack,
            none => none.insert(PackBuilder::new(&self.protection)?),
        };
        let frame = pack.push(chunk)?;
        self.recent.enter(chunk.id, Place::Frame(frame));
        Ok(frame)
    }

    /// The stream's next chunk is there.
    fn refer(&mut self, stream: usize, (id, raw_len): (ChunkId, u32), place: Place) -> Result<(), Stop> {
        let open = self.stream(stream);
        open.digest.push(&id);
        open.bytes += u64::from(raw_len);
        match place {
            Place::Stored(reference) if open.pending.is_empty() => self.list(stream, reference),
            Place::Stored(_) | Place::Frame(_) => {
                open.pending.push_back(place);
                self.pending += 1;
                Ok(())
            }
        }
    }

    /// Adds a reference to the stream's current list.
    fn list(&mut self, stream: usize, reference: ChunkRef) -> Result<(), Stop> {
        self.uses.refer(&reference);
        let open = self.stream(stream);
        if let Some(list) = open.lists.push(reference)? {
            open.written.push(WrittenList::from(&list));
            self.hand_on_list(list)?;
        }
        Ok(())
    }

    fn end(&mut self, stream: usize, end: StreamEnd) -> Result<(), Stop> {
        let open = self.stream(stream);
        open.end = Some(end);
        if open.pending.is_empty() {
            self.close(stream)?;
        }
        Ok(())
    }

    fn stream(&mut self, stream: usize) -> &mut OpenStream {
        let protection = &self.protection;
        self.open.entry(stream).or_insert_with(|| OpenStream {
            lists: ListBuilder::new(protection),
            written: Vec::new(),
            digest: StreamDigest::new(),
            bytes: 0,
            pending: VecDeque::new(),
            end: None,
        })
    }

    /// Finishes the current pack, hands it on, and gives every stream its references.
    fn flush(&mut self, runtime: &Handle) -> Result<(), Stop> {
        let Some(pack) = self.pack.take() else {
            return Ok(());
        };
        let pack = pack.finish()?;
        let references: Vec<_> = (0..)
            .map(FrameNumber)
            .map_while(|frame| pack.chunk_ref(frame))
            .collect();
        for reference in &references {
            if let Some(place @ Place::Frame(_)) = self.recent.get_mut(&reference.id) {
                *place = Place::Stored(*reference);
            }
        }
        self.uses.made(&pack);
        let permit = runtime
            .block_on(self.room.clone().acquire_owned())
            .map_err(|_| Stop::NextGone)?;
        self.hand_on(SealedObject::Pack(pack, Room(permit)))?;
        self.pending = 0;
        for stream in self.open.keys().copied().collect::<Vec<_>>() {
            let pending = std::mem::take(&mut self.stream(stream).pending);
            for place in pending {
                let reference = match place {
                    Place::Stored(reference) => Some(reference),
                    Place::Frame(frame) => references.get(frame.0 as usize).copied(),
                };
                let reference = reference.ok_or(SealError::PackFull)?;
                self.list(stream, reference)?;
            }
        }
        let complete = |(stream, open): (&usize, &OpenStream)| open.end.is_some().then_some(*stream);
        for stream in self.open.iter().filter_map(complete).collect::<Vec<_>>() {
            self.close(stream)?;
        }
        Ok(())
    }

    fn close(&mut self, stream: usize) -> Result<(), Stop> {
        let Some(OpenStream {
            lists,
            mut written,
            digest,
            bytes,
            end: Some(end),
            ..
        }) = self.open.remove(&stream)
        else {
            return Ok(());
        };
        let tail = match lists.finish_tail()? {
            Tail::Empty => Vec::new(),
            Tail::Inline(references) => references,
            Tail::List(list) => {
                written.push(WrittenList::from(&list));
                self.hand_on_list(list)?;
                Vec::new()
            }
        };
        let Some(header) = self.headers.get(stream) else {
            return Ok(());
        };
        let digest = digest.finish();
        self.done.insert(
            stream,
            WrittenStream {
                header,
                end,
                bytes,
                digest,
                lists: written,
                tail,
            },
        );
        Ok(())
    }

    /// A list that is there already, and was read and found whole, goes nowhere.
    fn hand_on_list(&self, list: SealedList) -> Result<(), Stop> {
        if self.held.has_list(&list.id) {
            return Ok(());
        }
        self.hand_on(SealedObject::List(list))
    }

    fn hand_on(&self, object: SealedObject) -> Result<(), Stop> {
        self.next.blocking_send(object).map_err(|_| Stop::NextGone)
    }
}

impl From<&SealedList> for WrittenList {
    fn from(list: &SealedList) -> Self {
        Self {
            id: list.id,
            stored_bytes: list.bytes.len() as u64,
            first_chunk: list.first_chunk,
            entries: list.entries,
            raw_bytes: list.raw_bytes,
        }
    }
}
