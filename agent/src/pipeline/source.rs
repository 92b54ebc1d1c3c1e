//! The way back: a backup's streams out of a repository, each piece checked before it is handed out.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{StreamEnd, StreamRole};
use dataguardian_repository::read::BackupReader;
use futures::stream::{self, BoxStream, StreamExt as _};

use super::counters::Counters;
use crate::engines::{StoredStream, StreamSource};

/// A backup's streams.
#[derive(Debug)]
pub struct RepositorySource {
    reader: BackupReader,
    streams: Vec<StoredStream>,
    counters: Arc<Counters>,
}

impl RepositorySource {
    /// The streams of a backup that is open. What is read is added to `counters`.
    pub fn new(reader: BackupReader, counters: Arc<Counters>) -> Self {
        let stored = |stream: &dataguardian_repository::manifest::Stream| StoredStream {
            header: stream.header.clone(),
            bytes: stream.bytes,
            end: StreamEnd { rows: stream.rows },
        };
        let streams = reader.streams().iter().map(stored).collect();
        Self {
            reader,
            streams,
            counters,
        }
    }
}

#[async_trait]
impl StreamSource for RepositorySource {
    fn streams(&self) -> &[StoredStream] {
        &self.streams
    }

    async fn read(&self, index: usize) -> Result<BoxStream<'static, Result<Bytes, Failure>>, Failure> {
        let pieces = self.reader.read_stream(index).map_err(|error| error.failure())?;
        let counters = self.counters.clone();
        let rows = self.streams.get(index).and_then(|stream| {
            let holds_rows = stream.header.role == StreamRole::TableData;
            stream.end.rows.filter(|_| holds_rows)
        });
        // Ends after the first error, without counting the stream.
        let counted = stream::unfold(Some(pieces), move |pieces| {
            let counters = counters.clone();
            async move {
                let mut pieces = pieces?;
                match pieces.next().await {
                    Some(Ok(bytes)) => {
                        counters.add_raw(bytes.len() as u64);
                        Some((Ok(bytes), Some(pieces)))
                    }
                    Some(Err(error)) => Some((Err(error.failure()), None)),
                    None => {
                        counters.add_stream(rows);
                        None
                    }
                }
            }
        });
        Ok(counted.boxed())
    }
}
