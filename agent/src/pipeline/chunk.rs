//! The first stage: a writer per stream gathers bytes and has them cut into chunks on the CPU pool.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{StreamEnd, StreamHeader};
use dataguardian_repository::chunk::RawChunk;
use dataguardian_repository::chunker::{Chunker, Profile};
use dataguardian_repository::keys::Protection;
use dataguardian_telemetry::cpu_pool::CpuPool;
use tokio::sync::mpsc;

use super::PipelineSettings;
use super::counters::Counters;
use super::fault::Fault;
use crate::engines::{StreamSink, StreamWriter};

/// How many bytes a writer gathers before it has them cut, and how many are compressed as one task.
pub(super) const BATCH_LEN: usize = 1 << 20;

/// What a writer hands to the next stage.
#[derive(Debug)]
pub(super) enum RawBatch {
    /// The stream's next chunks.
    Chunks { stream: usize, chunks: Vec<RawChunk> },
    /// The stream is complete.
    End { stream: usize, end: StreamEnd },
}

/// The headers of all streams, in the order in which they were opened.
pub(super) type Headers = Arc<Mutex<Vec<StreamHeader>>>;

/// Opens streams. A sender of its channel lives in it and in each open writer.
#[derive(Debug)]
pub struct ChunkingSink {
    profile: Profile,
    protection: Protection,
    cpu: CpuPool,
    next: Mutex<Option<mpsc::Sender<RawBatch>>>,
    headers: Headers,
    unfinished: Arc<AtomicUsize>,
    closed: AtomicBool,
    fault: Fault,
    counters: Arc<Counters>,
}

impl ChunkingSink {
    pub(super) fn new(
        settings: &PipelineSettings,
        cpu: CpuPool,
        next: mpsc::Sender<RawBatch>,
        fault: Fault,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            profile: settings.profile,
            protection: settings.protection.clone(),
            cpu,
            next: Mutex::new(Some(next)),
            headers: Headers::default(),
            unfinished: Arc::default(),
            closed: AtomicBool::new(false),
            fault,
            counters,
        }
    }

    pub(super) fn headers(&self) -> Headers {
        self.headers.clone()
    }

    /// No stream can be opened any more. Tells whether all that were opened are finished.
    pub(super) fn close(&self) -> bool {
        self.closed.store(true, Ordering::SeqCst);
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.unfinished.load(Ordering::SeqCst) == 0
    }
}

#[async_trait]
impl StreamSink for ChunkingSink {
    async fn open(&self, header: StreamHeader) -> Result<Box<dyn StreamWriter>, Failure> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let next = next.ok_or_else(|| self.fault.reason())?;
        let stream = {
            let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
            headers.push(header);
            headers.len() - 1
        };
        self.unfinished.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(ChunkingWriter {
            stream,
            chunker: Chunker::new(self.profile, &self.protection),
            gathered: BytesMut::new(),
            cpu: self.cpu.clone(),
            next,
            unfinished: self.unfinished.clone(),
            fault: self.fault.clone(),
            counters: self.counters.clone(),
        }))
    }
}

/// One open stream. Dropped before it is finished, it leaves the sink's count of unfinished streams raised for good.
#[derive(Debug)]
struct ChunkingWriter {
    stream: usize,
    chunker: Chunker,
    gathered: BytesMut,
    cpu: CpuPool,
    next: mpsc::Sender<RawBatch>,
    unfinished: Arc<AtomicUsize>,
    fault: Fault,
    counters: Arc<Counters>,
}

#[async_trait]
impl StreamWriter for ChunkingWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Failure> {
        self.counters.add_raw(bytes.len() as u64);
        if self.gathered.len() + bytes.len() < BATCH_LEN {
            if self.gathered.is_empty() {
                self.gathered.reserve(BATCH_LEN);
            }
            self.gathered.extend_from_slice(&bytes);
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered).freeze();
        for part in [gathered, bytes] {
            if !part.is_empty() {
                self.cut(part).await?;
            }
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>, end: StreamEnd) -> Result<(), Failure> {
        let rest = std::mem::take(&mut self.gathered).freeze();
        if !rest.is_empty() {
            self.cut(rest).await?;
        }
        let mut last = Vec::new();
        self.chunker.clone().finish(&mut |chunk| last.push(chunk));
        self.hand_on(last).await?;
        self.send(RawBatch::End {
            stream: self.stream,
            end,
        })
        .await?;
        self.counters.add_stream(end.rows);
        self.unfinished.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

impl ChunkingWriter {
    /// The task works on a copy of the chunker, so that it gives the same result when it has to run again.
    async fn cut(&mut self, bytes: Bytes) -> Result<(), Failure> {
        let before = self.chunker.clone();
        let task = move || {
            let mut chunker = before.clone();
            let mut chunks = Vec::new();
            chunker.push(bytes.clone(), &mut |chunk| chunks.push(chunk));
            (chunker, chunks)
        };
        let (after, chunks) = self.cpu.run(task).await;
        self.chunker = after;
        self.hand_on(chunks).await
    }

    async fn hand_on(&self, chunks: Vec<RawChunk>) -> Result<(), Failure> {
        let mut batch = Vec::new();
        let mut batch_len = 0;
        for chunk in chunks {
            batch_len += chunk.len();
            batch.push(chunk);
            if batch_len >= BATCH_LEN {
                self.send(RawBatch::Chunks {
                    stream: self.stream,
                    chunks: std::mem::take(&mut batch),
                })
                .await?;
                batch_len = 0;
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.send(RawBatch::Chunks {
            stream: self.stream,
            chunks: batch,
        })
        .await
    }

    async fn send(&self, batch: RawBatch) -> Result<(), Failure> {
        self.next.send(batch).await.map_err(|_| self.fault.reason())
    }
}
