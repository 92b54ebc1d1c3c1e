//! How a database becomes streams, and streams a database again.
//!
//! An engine knows its database and nothing of storages, keys or the control plane: it hands streams to a [`StreamSink`]
//! when dumping and asks a [`StreamSource`] for them when restoring. The pipeline implements both; tests do it in memory.
//!
//! What must never happen: a stream that ended early looks whole. An engine therefore calls [`StreamWriter::finish`] only
//! after it has seen the end *and* the exit status of whatever produced the stream; a writer dropped unfinished spoils the
//! whole backup, unless the streams of its database are taken back.

use async_trait::async_trait;
use bytes::Bytes;
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{StreamEnd, StreamHeader};
use futures::stream::BoxStream;

pub mod clients;
pub mod discover;
pub mod dump;
pub mod engine;
mod failure;
pub mod greeting;
pub mod marker;
pub mod mysql;
mod patterns;
pub mod postgres;
pub mod probe;
mod process;
pub mod progress;
pub mod restore;
mod spool;

/// Where a dump's streams go. The order in which streams are opened is their order in the manifest.
#[async_trait]
pub trait StreamSink: Send + Sync {
    /// Begins a stream. Several may be open at once.
    async fn open(&self, header: StreamHeader) -> Result<Box<dyn StreamWriter>, Failure>;

    /// Takes back every stream of a database, finished or not: the backup will lack it.
    ///
    /// # Errors
    /// The sink's own failure, if that is why the database failed: then the whole backup has.
    async fn take_back(&self, database: &str) -> Result<(), Failure>;
}

/// One stream being written.
#[async_trait]
pub trait StreamWriter: Send {
    /// Hands bytes on. Waits while the pipeline is full, which holds the database back.
    async fn write(&mut self, bytes: Bytes) -> Result<(), Failure>;

    /// Declares the stream complete.
    async fn finish(self: Box<Self>, end: StreamEnd) -> Result<(), Failure>;
}

/// A stream of a backup, as the manifest knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStream {
    /// What it holds.
    pub header: StreamHeader,
    /// Its length before compression, in bytes.
    pub bytes: u64,
    /// What was counted when it was written.
    pub end: StreamEnd,
}

/// Where a restore's streams come from.
#[async_trait]
pub trait StreamSource: Send + Sync {
    /// All streams of the backup, in the manifest's order.
    fn streams(&self) -> &[StoredStream];

    /// The contents of stream number `index`. Every piece is checked before it is handed out; the first error ends the
    /// stream, and a stream that ends without error was whole.
    async fn read(&self, index: usize) -> Result<BoxStream<'static, Result<Bytes, Failure>>, Failure>;
}
