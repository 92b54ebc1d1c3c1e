//! The third stage: chunks that are new are compressed on the CPU pool, several batches at once, their order kept.

use std::sync::{Arc, Mutex, PoisonError};

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::StreamEnd;
use dataguardian_repository::compress::{CompressError, CompressedChunk, Compressor, Level};
use dataguardian_repository::keys::Protection;
use dataguardian_telemetry::cpu_pool::CpuPool;
use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::PipelineSettings;
use super::fault::Fault;
use super::lookup::{LookedUp, NamedChunk, Piece};

/// What this stage hands to the next one.
#[derive(Debug)]
pub(super) enum CompressedBatch {
    /// The stream's next chunks.
    Chunks {
        stream: usize,
        chunks: Vec<Piece<CompressedChunk>>,
    },
    /// The stream is complete.
    End { stream: usize, end: StreamEnd },
}

/// The stage.
#[derive(Debug)]
pub(super) struct Compress {
    cpu: CpuPool,
    compressors: Arc<Compressors>,
    fault: Fault,
}

impl Compress {
    pub(super) fn new(settings: &PipelineSettings, cpu: CpuPool, fault: Fault) -> Self {
        let compressors = Compressors {
            level: settings.level,
            protection: settings.protection.clone(),
            idle: Mutex::default(),
        };
        Self {
            cpu,
            compressors: Arc::new(compressors),
            fault,
        }
    }

    /// Runs until the stage before is gone, or something fails.
    pub(super) async fn run(self, batches: mpsc::Receiver<LookedUp>, next: mpsc::Sender<CompressedBatch>) {
        // One batch more than threads, so that a thread that ends one finds another waiting.
        let at_once = self.cpu.snapshot().size + 1;
        let mut compressed = ReceiverStream::new(batches)
            .map(|batch| self.compress(batch))
            .buffered(at_once);
        while let Some(batch) = compressed.next().await {
            match batch {
                Ok(batch) => {
                    if next.send(batch).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let message = format!("a chunk could not be compressed: {error}");
                    return self.fault.set(Failure::new(FailureKind::Internal, message));
                }
            }
        }
    }

    async fn compress(&self, batch: LookedUp) -> Result<CompressedBatch, CompressError> {
        let (stream, chunks) = match batch {
            LookedUp::Chunks { stream, chunks } => (stream, chunks),
            LookedUp::End { stream, end } => return Ok(CompressedBatch::End { stream, end }),
        };
        let compressors = self.compressors.clone();
        let chunks = self.cpu.run(move || compressors.compress_all(&chunks)).await?;
        Ok(CompressedBatch::Chunks { stream, chunks })
    }
}

/// Compressors that wait for work: making one costs more than compressing a chunk.
#[derive(Debug)]
struct Compressors {
    level: Level,
    protection: Protection,
    idle: Mutex<Vec<Compressor>>,
}

impl Compressors {
    fn compress_all(
        &self,
        chunks: &[Piece<NamedChunk>],
    ) -> Result<Vec<Piece<CompressedChunk>>, CompressError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut compressor = match idle {
            Some(compressor) => compressor,
            None => Compressor::new(self.level, &self.protection)?,
        };
        let compress = |piece: &Piece<NamedChunk>| {
            Ok(match piece {
                Piece::New(chunk) => Piece::New(compressor.compress_named(chunk.id, &chunk.raw)?),
                Piece::Again { id, raw_len } => Piece::Again {
                    id: *id,
                    raw_len: *raw_len,
                },
                Piece::Known(reference) => Piece::Known(*reference),
            })
        };
        let compressed = chunks.iter().map(compress).collect();
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(compressor);
        compressed
    }
}
