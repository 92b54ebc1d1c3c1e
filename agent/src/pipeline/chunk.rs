//! The first stage: a writer per stream gathers bytes and has them cut into chunks on the CPU pool.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{StreamEnd, StreamHeader, StreamRole};
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

/// What is known of all streams, in the order in which they were opened.
#[derive(Debug, Clone, Default)]
pub(super) struct Headers(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    headers: Vec<StreamHeader>,
    /// Databases whose streams were taken back.
    taken_back: BTreeSet<String>,
}

impl Headers {
    fn add(&self, header: StreamHeader) -> usize {
        let mut known = self.known();
        known.headers.push(header);
        known.headers.len() - 1
    }

    pub(super) fn get(&self, stream: usize) -> Option<StreamHeader> {
        self.known().headers.get(stream).cloned()
    }

    /// Whether the stream will not be part of the backup.
    pub(super) fn is_taken_back(&self, stream: usize) -> bool {
        let known = self.known();
        let database = known
            .headers
            .get(stream)
            .and_then(|header| header.database.as_ref());
        database.is_some_and(|database| known.taken_back.contains(database))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The streams that are open, or were dropped before they were finished.
type Unfinished = Arc<Mutex<BTreeSet<usize>>>;

/// Opens streams. A sender of its channel lives in it and in each open writer.
#[derive(Debug)]
pub struct ChunkingSink {
    profile: Profile,
    protection: Protection,
    cpu: CpuPool,
    next: Mutex<Option<mpsc::Sender<RawBatch>>>,
    headers: Headers,
    unfinished: Unfinished,
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

    /// No stream can be opened any more. Tells whether all that were opened are finished or taken back.
    pub(super) fn close(&self) -> bool {
        self.closed.store(true, Ordering::SeqCst);
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take();
        let unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        unfinished
            .iter()
            .all(|stream| self.headers.is_taken_back(*stream))
    }
}

#[async_trait]
impl StreamSink for ChunkingSink {
    async fn open(&self, header: StreamHeader) -> Result<Box<dyn StreamWriter>, Failure> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let next = next.ok_or_else(|| self.fault.reason())?;
        let holds_rows = header.role == StreamRole::TableData;
        let stream = self.headers.add(header);
        self.unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(stream);
        Ok(Box::new(ChunkingWriter {
            stream,
            holds_rows,
            chunker: Chunker::new(self.profile, &self.protection),
            gathered: BytesMut::new(),
            cpu: self.cpu.clone(),
            next,
            unfinished: self.unfinished.clone(),
            fault: self.fault.clone(),
            counters: self.counters.clone(),
        }))
    }

    async fn take_back(&self, database: &str) -> Result<(), Failure> {
        if let Some(failure) = self.fault.get() {
            return Err(failure);
        }
        self.headers.known().taken_back.insert(database.to_owned());
        Ok(())
    }
}

/// One open stream. Dropped before it is finished, it stays among the unfinished ones for good.
#[derive(Debug)]
struct ChunkingWriter {
    stream: usize,
    /// Sequences and large objects are counted in their streams too, and are no rows.
    holds_rows: bool,
    chunker: Chunker,
    gathered: BytesMut,
    cpu: CpuPool,
    next: mpsc::Sender<RawBatch>,
    unfinished: Unfinished,
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
        self.counters.add_stream(end.rows.filter(|_| self.holds_rows));
        self.unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.stream);
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
