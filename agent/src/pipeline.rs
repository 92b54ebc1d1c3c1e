//! From a database's streams to objects in storages, with bounded memory and no temporary file.
//!
//! ```text
//! engine ──bytes──▶ chunk ──RawChunk──▶ look up ──NamedChunk──▶ compress ──CompressedChunk──▶ seal ──SealedPack──▶ upload ──▶ storages
//!  (one writer        (CPU pool, one      (named on the CPU       (CPU pool, several            (a thread of its     (one worker
//!   per stream)        batch after         pool; what is stored    batches at once,              own: packs,          per storage)
//!                      the other)          goes past the rest)     order kept)                   lists, digests)
//! ```
//! Each arrow is a bounded channel, so a slow storage holds back everything up to the database. The memory is bounded by
//! (packs in flight + 1) × 16 MiB plus a few batches of 1 MiB, whatever the database's size; and by what [`crate::reuse`]
//! was given.
//!
//! Write order: packs, then the lists that name them, then, in [`commit`], the manifest. What fails stays behind as objects
//! that no manifest names. Nothing here retries a whole backup.

use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, DatasourceId};
use dataguardian_core::stream::{StreamEnd, StreamHeader};
use dataguardian_repository::chunker::Profile;
use dataguardian_repository::compress::Level;
use dataguardian_repository::id::{Digest, ListId, PackId};
use dataguardian_repository::keys::Protection;
use dataguardian_repository::list::ChunkRef;
use dataguardian_telemetry::cpu_pool::CpuPool;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

mod chunk;
pub mod commit;
mod compress;
pub mod counters;
mod fault;
mod insist;
mod lookup;
mod seal;
pub mod source;
mod upload;
mod uses;

pub use chunk::ChunkingSink;
pub use upload::{Destination, StoredPack};

use counters::Counters;
use fault::Fault;
use seal::Sealed;
use upload::Uploaded;

use crate::reuse::Reuse;

/// How a backup is written.
#[derive(Debug, Clone)]
pub struct PipelineSettings {
    /// The datasource the backup is of.
    pub datasource: DatasourceId,
    /// How it is protected.
    pub protection: Protection,
    /// How streams are cut.
    pub profile: Profile,
    /// How hard they are compressed.
    pub level: Level,
    /// Packs that may be on their way into storages at the same time.
    pub packs_in_flight: usize,
    /// How long one of several storages may be away before it falls out; the only one may be away for five times as long.
    pub storage_patience: Duration,
}

/// A pipeline at work.
#[derive(Debug)]
pub struct Pipeline {
    sink: Arc<ChunkingSink>,
    fault: Fault,
    base: Option<BackupId>,
    looking_up: JoinHandle<Vec<String>>,
    compressing: JoinSet<()>,
    sealing: JoinHandle<Option<Sealed>>,
    uploading: JoinHandle<Uploaded>,
}

/// A stream that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenStream {
    /// What it holds.
    pub header: StreamHeader,
    /// What was counted.
    pub end: StreamEnd,
    /// Its length before compression, in bytes.
    pub bytes: u64,
    /// The digest over its chunks.
    pub digest: Digest,
    /// Its lists, in order.
    pub lists: Vec<WrittenList>,
    /// Its last references, where they are too few for a list.
    pub tail: Vec<ChunkRef>,
}

/// A list that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenList {
    /// Its name.
    pub id: ListId,
    /// The length of its object in bytes.
    pub stored_bytes: u64,
    /// Its first chunk.
    pub first_chunk: dataguardian_repository::id::ChunkId,
    /// How many chunks it refers to.
    pub entries: u32,
    /// Their length together, in bytes.
    pub raw_bytes: u64,
}

/// A pack that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenPack {
    /// Its name.
    pub id: PackId,
    /// The length of its object in bytes.
    pub stored_bytes: u64,
}

/// Everything that a pipeline wrote.
#[derive(Debug)]
pub struct Written {
    /// The streams, in the order in which they were opened.
    pub streams: Vec<WrittenStream>,
    /// The packs, in the order in which they were made.
    pub packs: Vec<WrittenPack>,
    /// Packs that were there before and that it needs.
    pub earlier_packs: Vec<WrittenPack>,
    /// How much of each of these packs it refers to, those that were made first.
    pub referenced: Vec<u64>,
    /// The length of the chunks that needed no storing, in bytes before compression.
    pub reused_bytes: u64,
    /// The earlier backup that chunks were looked for in.
    pub base: Option<BackupId>,
    /// What could not be used of what is stored.
    pub troubles: Vec<String>,
    /// The storages that took everything; at least one.
    pub complete: Vec<Destination>,
    /// The storages that fell out, and why.
    pub failed: Vec<(Destination, Failure)>,
}

impl Pipeline {
    /// Starts the stages. Each pack that a storage has taken is told to `stored`. When a stage fails for good, `broken`
    /// is cancelled, so that the engine need not find out by its next write.
    pub fn start(
        settings: &PipelineSettings,
        reuse: Reuse,
        destinations: Vec<Destination>,
        cpu: &CpuPool,
        counters: Arc<Counters>,
        stored: mpsc::Sender<StoredPack>,
        broken: CancellationToken,
    ) -> Self {
        let fault = Fault::new(broken);
        let (raw, raw_batches) = mpsc::channel(1);
        let (looked_up, looked_up_batches) = mpsc::channel(1);
        let (compressed, compressed_batches) = mpsc::channel(1);
        let (objects, object_queue) = mpsc::channel(1);
        let mut compressing = JoinSet::new();
        let compress = compress::Compress::new(settings, cpu.clone(), fault.clone());
        compressing.spawn(compress.run(looked_up_batches, compressed));
        let sink = Arc::new(ChunkingSink::new(
            settings,
            cpu.clone(),
            raw,
            fault.clone(),
            counters.clone(),
        ));
        let base = reuse.base;
        let known = (reuse.held.clone(), reuse.recent);
        let seal = seal::Seal::new(settings, fault.clone(), objects, sink.headers(), known);
        let lookup = lookup::Lookup::new(settings, cpu.clone(), sink.headers(), counters.clone(), reuse);
        let looking_up = runtime_task(lookup.run(raw_batches, looked_up));
        let runtime = tokio::runtime::Handle::current();
        let sealing = tokio::task::spawn_blocking(move || seal.run(compressed_batches, &runtime));
        let upload = upload::Upload::new(settings, destinations, fault.clone(), counters, stored);
        let uploading = runtime_task(upload.run(object_queue).in_current_span());
        Self {
            sink,
            fault,
            base,
            looking_up,
            compressing,
            sealing,
            uploading,
        }
    }

    /// Where the engine's streams go.
    pub fn sink(&self) -> Arc<ChunkingSink> {
        self.sink.clone()
    }

    /// Ends the pipeline after the engine has finished every stream, and waits until everything is stored.
    pub async fn finish(self) -> Result<Written, Failure> {
        let Self {
            sink,
            fault,
            base,
            looking_up,
            mut compressing,
            sealing,
            uploading,
        } = self;
        if !sink.close() {
            return Err(fault.or(Failure::new(
                FailureKind::Internal,
                "a stream was left unfinished",
            )));
        }
        drop(sink);
        let died = |_| Failure::new(FailureKind::Internal, "a stage of the pipeline died");
        let troubles = looking_up.await.map_err(|error| fault.or(died(error)))?;
        while let Some(ended) = compressing.join_next().await {
            ended.map_err(|error| fault.or(died(error)))?;
        }
        let sealed = sealing.await.map_err(|error| fault.or(died(error)))?;
        let uploaded = uploading.await.map_err(|error| fault.or(died(error)))?;
        let (Some(Sealed { streams, uses }), None) = (sealed, fault.get()) else {
            return Err(fault.or(Failure::new(FailureKind::Internal, "the pipeline ended early")));
        };
        let earlier_packs = uses.earlier_packs();
        let all = uploaded.packs.iter().chain(&earlier_packs);
        Ok(Written {
            streams,
            referenced: all.map(|pack| uses.bytes(&pack.id)).collect(),
            earlier_packs,
            reused_bytes: uses.reused_bytes(),
            base,
            troubles,
            packs: uploaded.packs,
            complete: uploaded.complete,
            failed: uploaded.failed,
        })
    }

    /// Gives up: stops every stage and waits until none of them does anything more. Gives the stages' own failure, if
    /// one of them was the cause.
    pub async fn abandon(self) -> Option<Failure> {
        let Self {
            sink,
            fault,
            looking_up,
            mut compressing,
            sealing,
            uploading,
            ..
        } = self;
        let cause = fault.get();
        fault.set(Failure::new(FailureKind::Superseded, "the backup was abandoned"));
        sink.close();
        drop(sink);
        looking_up.abort();
        compressing.shutdown().await;
        uploading.abort();
        let (looked_up, sealed, uploaded) = tokio::join!(looking_up, sealing, uploading);
        let died = |error: &tokio::task::JoinError| !error.is_cancelled();
        if sealed.is_err() || looked_up.as_ref().is_err_and(died) || uploaded.as_ref().is_err_and(died) {
            tracing::error!("a stage of the pipeline died");
        }
        cause
    }
}

/// A task that its pipeline joins in [`Pipeline::finish`] or [`Pipeline::abandon`].
#[expect(clippy::disallowed_methods, reason = "owned by the pipeline, which joins it")]
fn runtime_task<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

#[cfg(test)]
mod tests;
