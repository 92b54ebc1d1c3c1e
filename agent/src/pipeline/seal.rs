//! The third stage, on a thread of its own: compressed chunks are sealed into packs, and the references to them into
//! lists.
//!
//! All streams share the packs. Where a chunk lies is known only when its pack is finished, since the pack's name is a
//! digest of its bytes; until then its stream keeps the frame's number.

use std::collections::BTreeMap;
use std::sync::Arc;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::StreamEnd;
use dataguardian_repository::compress::CompressedChunk;
use dataguardian_repository::digest::StreamDigest;
use dataguardian_repository::keys::Protection;
use dataguardian_repository::list::{ListBuilder, SealedList, Tail};
use dataguardian_repository::pack::{FrameNumber, PackBuilder, SealedPack};
use dataguardian_repository::seal::SealError;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::chunk::Headers;
use super::compress::CompressedBatch;
use super::fault::Fault;
use super::{PipelineSettings, WrittenList, WrittenStream};

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
    /// For each frame of the current pack, the stream it belongs to.
    owners: Vec<usize>,
    open: BTreeMap<usize, OpenStream>,
    done: BTreeMap<usize, WrittenStream>,
}

#[derive(Debug)]
struct OpenStream {
    lists: ListBuilder,
    written: Vec<WrittenList>,
    digest: StreamDigest,
    bytes: u64,
    /// Frames of the current pack that it waits for.
    waiting: usize,
    end: Option<StreamEnd>,
}

/// Why the stage stops.
enum Stop {
    /// The next stage is gone; it has left the reason.
    NextGone,
    Failed(SealError),
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
    ) -> Self {
        Self {
            protection: settings.protection.clone(),
            fault,
            next,
            headers,
            room: Arc::new(Semaphore::new(settings.packs_in_flight)),
            pack: None,
            owners: Vec::new(),
            open: BTreeMap::new(),
            done: BTreeMap::new(),
        }
    }

    /// Runs until the stage before is gone. Gives the streams but those taken back, unless it had to stop or another one is
    /// unfinished.
    pub(super) fn run(
        mut self,
        mut batches: mpsc::Receiver<CompressedBatch>,
        runtime: &Handle,
    ) -> Option<Vec<WrittenStream>> {
        while let Some(batch) = batches.blocking_recv() {
            let taken = match batch {
                CompressedBatch::Chunks { stream, chunks } => self.chunks(stream, &chunks, runtime),
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
        (!unfinished).then(|| kept.map(|(_, written)| written).collect())
    }

    fn stop(&self, stop: &Stop) {
        if let Stop::Failed(error) = stop {
            self.fault.set(Failure::new(
                FailureKind::Internal,
                format!("a pack could not be sealed: {error}"),
            ));
        }
    }

    fn chunks(&mut self, stream: usize, chunks: &[CompressedChunk], runtime: &Handle) -> Result<(), Stop> {
        for chunk in chunks {
            if self.pack.as_ref().is_some_and(PackBuilder::is_full) {
                self.flush(runtime)?;
            }
            let pack = match &mut self.pack {
                Some(pack) => pack,
                none => none.insert(PackBuilder::new(&self.protection)?),
            };
            pack.push(chunk)?;
            self.owners.push(stream);
            let open = self.stream(stream);
            open.digest.push(&chunk.id);
            open.bytes += u64::from(chunk.raw_len);
            open.waiting += 1;
        }
        Ok(())
    }

    fn end(&mut self, stream: usize, end: StreamEnd) -> Result<(), Stop> {
        let open = self.stream(stream);
        open.end = Some(end);
        if open.waiting == 0 {
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
            waiting: 0,
            end: None,
        })
    }

    /// Finishes the current pack, hands it on, and gives every stream its references.
    fn flush(&mut self, runtime: &Handle) -> Result<(), Stop> {
        let Some(pack) = self.pack.take() else {
            return Ok(());
        };
        let owners = std::mem::take(&mut self.owners);
        let pack = pack.finish()?;
        let references: Vec<_> = (0..)
            .map(FrameNumber)
            .map_while(|frame| pack.chunk_ref(frame))
            .collect();
        let permit = runtime
            .block_on(self.room.clone().acquire_owned())
            .map_err(|_| Stop::NextGone)?;
        self.hand_on(SealedObject::Pack(pack, Room(permit)))?;
        for (&stream, reference) in owners.iter().zip(references) {
            let open = self.stream(stream);
            open.waiting -= 1;
            if let Some(list) = open.lists.push(reference)? {
                open.written.push(WrittenList::from(&list));
                self.hand_on(SealedObject::List(list))?;
            }
        }
        let complete = |(stream, open): (&usize, &OpenStream)| {
            (open.end.is_some() && open.waiting == 0).then_some(*stream)
        };
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
                self.hand_on(SealedObject::List(list))?;
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
