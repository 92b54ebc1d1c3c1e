//! Streams in memory, in the place of the pipeline.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use dataguardian_agent::engines::{StoredStream, StreamSink, StreamSource, StreamWriter};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::{StreamEnd, StreamHeader, StreamRole};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A stream as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) header: StreamHeader,
    pub(crate) pieces: Vec<Bytes>,
    pub(crate) end: Option<StreamEnd>,
}

impl Written {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

/// Keeps everything. May stop at the first piece of a stream of some role until it is let go.
#[derive(Debug, Default)]
pub(crate) struct MemorySink {
    streams: Mutex<Vec<Written>>,
    taken_back: Mutex<Vec<String>>,
    gate: Option<Gate>,
}

#[derive(Debug)]
struct Gate {
    role: StreamRole,
    reached: Notify,
    opened: CancellationToken,
}

impl MemorySink {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Stops the dump at the first piece of each stream of that role.
    pub(crate) fn stopping_at(role: StreamRole) -> Arc<Self> {
        Arc::new(Self {
            streams: Mutex::default(),
            taken_back: Mutex::default(),
            gate: Some(Gate {
                role,
                reached: Notify::new(),
                opened: CancellationToken::new(),
            }),
        })
    }

    /// Waits until the dump has been stopped.
    pub(crate) async fn reached(&self) {
        if let Some(gate) = &self.gate {
            gate.reached.notified().await;
        }
    }

    /// Lets the dump go on.
    pub(crate) fn open_gate(&self) {
        if let Some(gate) = &self.gate {
            gate.opened.cancel();
        }
    }

    pub(crate) fn streams(&self) -> Vec<Written> {
        let taken_back = self.taken_back.lock().unwrap();
        let kept = |stream: &&Written| {
            let database = stream.header.database.as_ref();
            !database.is_some_and(|database| taken_back.contains(database))
        };
        self.streams
            .lock()
            .unwrap()
            .iter()
            .filter(kept)
            .cloned()
            .collect()
    }

    /// The streams of a database (and, if `globals`, those of none) joined into one script.
    pub(crate) fn script(&self, database: &str) -> Vec<u8> {
        let of_database = |stream: &&Written| stream.header.database.as_deref() == Some(database);
        let streams = self.streams();
        let sql = streams
            .iter()
            .filter(of_database)
            .filter(|stream| stream.header.role.is_sql());
        sql.flat_map(Written::bytes).collect()
    }

    /// The streams for a restore. Every one must be finished.
    pub(crate) fn source(&self) -> Arc<MemorySource> {
        let streams = self.streams();
        let stored = streams.iter().map(|stream| StoredStream {
            header: stream.header.clone(),
            bytes: stream.pieces.iter().map(|piece| piece.len() as u64).sum(),
            end: stream
                .end
                .unwrap_or_else(|| panic!("{:?} is not finished", stream.header)),
        });
        Arc::new(MemorySource {
            stored: stored.collect(),
            pieces: streams.into_iter().map(|stream| stream.pieces).collect(),
            fail_at: None,
            hang_at: None,
            hanging: Arc::default(),
        })
    }
}

struct MemoryWriter {
    sink: Arc<MemorySink>,
    index: usize,
    gate: bool,
}

/// The trait is for the handle, so that writers can share the sink.
#[derive(Debug, Clone)]
pub(crate) struct Sink(pub(crate) Arc<MemorySink>);

#[async_trait]
impl StreamSink for Sink {
    async fn open(&self, header: StreamHeader) -> Result<Box<dyn StreamWriter>, Failure> {
        let gate = self.0.gate.as_ref().is_some_and(|gate| gate.role == header.role);
        let mut streams = self.0.streams.lock().unwrap();
        streams.push(Written {
            header,
            pieces: Vec::new(),
            end: None,
        });
        Ok(Box::new(MemoryWriter {
            sink: Arc::clone(&self.0),
            index: streams.len() - 1,
            gate,
        }))
    }

    async fn take_back(&self, database: &str) -> Result<(), Failure> {
        self.0.taken_back.lock().unwrap().push(database.to_owned());
        Ok(())
    }
}

#[async_trait]
impl StreamWriter for MemoryWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), Failure> {
        if let (true, Some(gate)) = (std::mem::take(&mut self.gate), &self.sink.gate) {
            gate.reached.notify_one();
            gate.opened.cancelled().await;
        }
        self.sink.streams.lock().unwrap()[self.index].pieces.push(bytes);
        Ok(())
    }

    async fn finish(self: Box<Self>, end: StreamEnd) -> Result<(), Failure> {
        self.sink.streams.lock().unwrap()[self.index].end = Some(end);
        Ok(())
    }
}

/// Gives back what a sink has kept.
#[derive(Debug, Clone)]
pub(crate) struct MemorySource {
    pub(crate) stored: Vec<StoredStream>,
    pub(crate) pieces: Vec<Vec<Bytes>>,
    /// A stream that breaks off after its first piece.
    pub(crate) fail_at: Option<usize>,
    /// A stream that never ends, and who is told that it is read.
    pub(crate) hang_at: Option<usize>,
    pub(crate) hanging: Arc<Notify>,
}

#[async_trait]
impl StreamSource for MemorySource {
    fn streams(&self) -> &[StoredStream] {
        &self.stored
    }

    async fn read(&self, index: usize) -> Result<BoxStream<'static, Result<Bytes, Failure>>, Failure> {
        let mut pieces: Vec<Result<Bytes, Failure>> = self.pieces[index].iter().cloned().map(Ok).collect();
        if self.fail_at == Some(index) {
            pieces.truncate(1);
            pieces.push(Err(Failure::new(
                FailureKind::RepositoryDamaged,
                "a chunk is damaged",
            )));
        }
        let pieces = futures::stream::iter(pieces);
        if self.hang_at == Some(index) {
            self.hanging.notify_one();
            return Ok(pieces.take(1).chain(futures::stream::pending()).boxed());
        }
        Ok(pieces.boxed())
    }
}
