//! The second stage: chunks get their names on the CPU pool, several batches at once, and are looked for among what is
//! stored, one after the other. What is found is neither compressed nor stored.
//!
//! A segment that can't be read is not asked for again; a storage that does not answer is soon not asked at all. Neither
//! holds the backup up for longer than [`PATIENCE`] a few times.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::stream::StreamEnd;
use dataguardian_repository::chunk::{ChunkNamer, RawChunk};
use dataguardian_repository::id::ChunkId;
use dataguardian_repository::list::ChunkRef;
use dataguardian_repository::read::ReadError;
use dataguardian_telemetry::cpu_pool::CpuPool;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_stream::wrappers::ReceiverStream;

use super::PipelineSettings;
use super::chunk::{Headers, RawBatch};
use super::counters::Counters;
use crate::reuse::Reuse;
use crate::reuse::index::{Found, Segment};
use crate::reuse::recent::Recent;

/// How long a segment may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so many that did not arrive in time, one after the other, no more are asked for.
const GIVE_UP: u32 = 3;
/// How often one chunk waits for a segment.
const WAITS: usize = 4;
/// So many troubles are told.
const TOLD: usize = 10;

/// A chunk on its way, as far as it is known where it is.
#[derive(Debug, Clone)]
pub(super) enum Piece<Chunk> {
    /// To be stored.
    New(Chunk),
    /// The same as one of the last new ones.
    Again { id: ChunkId, raw_len: u32 },
    /// Stored by an earlier backup or attempt.
    Known(ChunkRef),
}

/// A chunk with its name.
#[derive(Debug, Clone)]
pub(super) struct NamedChunk {
    pub(super) id: ChunkId,
    pub(super) raw: RawChunk,
}

/// What this stage hands to the next one.
#[derive(Debug)]
pub(super) enum LookedUp {
    /// The stream's next chunks.
    Chunks {
        stream: usize,
        chunks: Vec<Piece<NamedChunk>>,
    },
    /// The stream is complete.
    End { stream: usize, end: StreamEnd },
}

/// A batch whose chunks have names.
enum Named {
    Chunks { stream: usize, chunks: Vec<NamedChunk> },
    End { stream: usize, end: StreamEnd },
}

/// The stage.
#[derive(Debug)]
pub(super) struct Lookup {
    cpu: CpuPool,
    namer: ChunkNamer,
    headers: Headers,
    counters: Arc<Counters>,
    reuse: Reuse,
    recent: Recent<()>,
    opened: HashSet<usize>,
    loading: JoinSet<Arrival>,
    /// Segments that did not arrive in time since the last one that did.
    late: u32,
    troubles: Vec<String>,
}

/// A segment that was asked for.
#[derive(Debug)]
struct Arrival {
    segment: Segment,
    /// None if it took too long.
    read: Option<Result<Vec<ChunkRef>, String>>,
}

impl Lookup {
    pub(super) fn new(
        settings: &PipelineSettings,
        cpu: CpuPool,
        headers: Headers,
        counters: Arc<Counters>,
        reuse: Reuse,
    ) -> Self {
        Self {
            cpu,
            counters,
            namer: ChunkNamer::new(&settings.protection),
            headers,
            recent: Recent::new(reuse.recent),
            reuse,
            opened: HashSet::new(),
            loading: JoinSet::new(),
            late: 0,
            troubles: Vec::new(),
        }
    }

    /// Runs until the writers are gone. Gives what a person should know of the looking.
    pub(super) async fn run(
        mut self,
        batches: mpsc::Receiver<RawBatch>,
        next: mpsc::Sender<LookedUp>,
    ) -> Vec<String> {
        let at_once = self.cpu.snapshot().size + 1;
        let (cpu, namer) = (self.cpu.clone(), self.namer.clone());
        let mut named = ReceiverStream::new(batches)
            .map(|batch| name(&cpu, &namer, batch))
            .buffered(at_once);
        while let Some(batch) = named.next().await {
            let looked_up = match batch {
                Named::Chunks { stream, chunks } => LookedUp::Chunks {
                    stream,
                    chunks: self.look_up(stream, chunks).await,
                },
                Named::End { stream, end } => {
                    self.reuse.index.close(stream);
                    LookedUp::End { stream, end }
                }
            };
            if next.send(looked_up).await.is_err() {
                break;
            }
        }
        self.troubles
    }

    async fn look_up(&mut self, stream: usize, chunks: Vec<NamedChunk>) -> Vec<Piece<NamedChunk>> {
        if self.opened.insert(stream)
            && let Some(header) = self.headers.get(stream)
        {
            self.reuse.index.open(stream, &header);
            self.fetch_ahead();
        }
        let mut pieces = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let len = raw_len(&chunk);
            let piece = match self.find(stream, &chunk).await {
                Some(reference) => Piece::Known(reference),
                None if self.recent.get(&chunk.id).is_some() => Piece::Again {
                    id: chunk.id,
                    raw_len: len,
                },
                None => {
                    self.recent.enter(chunk.id, ());
                    Piece::New(chunk)
                }
            };
            if !matches!(piece, Piece::New(_)) {
                self.counters.add_reused(u64::from(len));
            }
            pieces.push(piece);
        }
        pieces
    }

    /// Where the chunk is among what was stored before. A reference to a chunk of another length is none.
    async fn find(&mut self, stream: usize, chunk: &NamedChunk) -> Option<ChunkRef> {
        if self.reuse.index.is_empty() {
            return None;
        }
        self.take_arrived();
        for _ in 0..=WAITS {
            let found = self.reuse.index.find(stream, &chunk.id);
            self.fetch_ahead();
            match found {
                Found::Nowhere => return None,
                Found::Here(reference) => {
                    let is_usable = reference.raw_len == raw_len(chunk)
                        && self.reuse.held.pack(&reference.pack).is_some();
                    return is_usable.then_some(reference);
                }
                Found::AfterLoading(segment) => {
                    self.fetch(segment);
                    let arrived = self.loading.join_next().await?;
                    self.take(arrived);
                }
            }
        }
        None
    }

    fn fetch_ahead(&mut self) {
        for segment in self.reuse.index.take_wanted() {
            self.fetch(segment);
        }
    }

    fn fetch(&mut self, segment: Segment) {
        if self.late >= GIVE_UP || !self.reuse.index.begin_loading(segment) {
            return;
        }
        let source = self.reuse.source.clone();
        self.loading.spawn(async move {
            let read = tokio::time::timeout(PATIENCE, source.load(segment)).await;
            let told = |error: ReadError| format!("{}; what it names is stored anew", error.failure());
            Arrival {
                segment,
                read: read.ok().map(|read| read.map_err(told)),
            }
        });
    }

    fn take_arrived(&mut self) {
        while let Some(arrived) = self.loading.try_join_next() {
            self.take(arrived);
        }
    }

    fn take(&mut self, arrived: Result<Arrival, JoinError>) {
        let Arrival { segment, read } = match arrived {
            Ok(arrival) => arrival,
            Err(error) => return tracing::error!(%error, "the reading of a list died"),
        };
        match read {
            Some(Ok(chunks)) => {
                self.late = 0;
                self.reuse.index.loaded(segment, chunks);
            }
            Some(Err(trouble)) => {
                self.reuse.index.lost(segment);
                self.tell(trouble);
            }
            None => {
                self.late += 1;
                self.reuse.index.lost(segment);
                if self.late == GIVE_UP {
                    self.tell(
                        "the storage does not answer in time: nothing earlier is looked for any more"
                            .to_owned(),
                    );
                }
            }
        }
    }

    fn tell(&mut self, trouble: String) {
        if self.troubles.len() < TOLD {
            self.troubles.push(trouble);
        }
    }
}

async fn name(cpu: &CpuPool, namer: &ChunkNamer, batch: RawBatch) -> Named {
    let (stream, chunks) = match batch {
        RawBatch::End { stream, end } => return Named::End { stream, end },
        RawBatch::Chunks { stream, chunks } => (stream, chunks),
    };
    let namer = namer.clone();
    let name = move || {
        let named = |raw: &RawChunk| NamedChunk {
            id: namer.name(&raw.0),
            raw: raw.clone(),
        };
        chunks.iter().map(named).collect()
    };
    Named::Chunks {
        stream,
        chunks: cpu.run(name).await,
    }
}

fn raw_len(chunk: &NamedChunk) -> u32 {
    u32::try_from(chunk.raw.len()).unwrap_or(u32::MAX)
}
