//! One stream, piece by piece.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};

use super::fetch::Shared;
use super::plan::{self, Request};
use super::{Damage, REQUESTS_IN_FLIGHT, ReadError};
use crate::digest::StreamDigest;
use crate::layout::ObjectKey;
use crate::list::ChunkRef;
use crate::manifest::{ListRef, Payload};

/// How many lists are fetched ahead.
const LISTS_IN_FLIGHT: usize = 2;

/// A chunk, and the reference that led to it.
type Piece = Result<(ChunkRef, Bytes), ReadError>;

pub(super) fn read(
    shared: Arc<Shared>,
    payload: Arc<Payload>,
    index: usize,
) -> BoxStream<'static, Result<Bytes, ReadError>> {
    let pieces = pieces(requests(references(&shared, &payload, index)), &shared);
    let check = Check {
        digest: StreamDigest::new(),
        bytes: 0,
        payload,
        index,
    };
    // The unfold ends after the first error.
    stream::unfold(Some((pieces, check)), |state| async {
        let (mut pieces, mut check) = state?;
        match pieces.next().await {
            Some(Ok((chunk, bytes))) => {
                check.add(&chunk);
                Some((Ok(bytes), Some((pieces, check))))
            }
            Some(Err(error)) => Some((Err(error), None)),
            None => check.finish().err().map(|error| (Err(error), None)),
        }
    })
    .boxed()
}

/// Where a stream's references come from.
enum Source {
    List(ListRef),
    Tail(Vec<ChunkRef>),
}

/// The stream's references, a list at a time.
fn references(
    shared: &Arc<Shared>,
    payload: &Payload,
    index: usize,
) -> BoxStream<'static, Result<Vec<ChunkRef>, ReadError>> {
    let manifest = ObjectKey::Manifest(payload.outline.datasource, payload.outline.backup);
    let Some(stream) = payload.contents.streams.get(index) else {
        return stream::empty().boxed();
    };
    let lists = stream.lists.clone().into_iter().map(Source::List);
    let sources = lists.chain([Source::Tail(stream.tail.clone())]);
    let shared = Arc::clone(shared);
    stream::iter(sources)
        .map(move |source| {
            let shared = Arc::clone(&shared);
            async move {
                match source {
                    Source::List(list) => shared.list(&list).await,
                    Source::Tail(chunks) => shared.check_places(manifest, &chunks).map(|()| chunks),
                }
            }
        })
        .buffered(LISTS_IN_FLIGHT)
        .boxed()
}

fn requests(
    references: BoxStream<'static, Result<Vec<ChunkRef>, ReadError>>,
) -> BoxStream<'static, Result<Request, ReadError>> {
    references
        .map_ok(|chunks| stream::iter(plan::requests(&chunks).into_iter().map(Ok)))
        .try_flatten()
        .boxed()
}

fn pieces(
    requests: BoxStream<'static, Result<Request, ReadError>>,
    shared: &Arc<Shared>,
) -> BoxStream<'static, Piece> {
    let shared = Arc::clone(shared);
    requests
        .map(move |request| {
            let shared = Arc::clone(&shared);
            async move {
                let request = request?;
                let chunks = request.chunks.clone();
                let contents = shared.chunks(request).await?;
                Ok::<_, ReadError>(stream::iter(chunks.into_iter().zip(contents).map(Ok)))
            }
        })
        .buffered(REQUESTS_IN_FLIGHT)
        .try_flatten()
        .boxed()
}

/// Compares a stream with what the manifest says of it.
struct Check {
    digest: StreamDigest,
    bytes: u64,
    payload: Arc<Payload>,
    index: usize,
}

impl Check {
    fn add(&mut self, chunk: &ChunkRef) {
        self.digest.push(&chunk.id);
        self.bytes = self.bytes.saturating_add(u64::from(chunk.raw_len));
    }

    fn finish(self) -> Result<(), ReadError> {
        let outline = &self.payload.outline;
        let stream = self.payload.contents.streams.get(self.index);
        let expected = stream.map(|stream| (stream.digest, stream.bytes));
        if expected == Some((self.digest.finish(), self.bytes)) {
            return Ok(());
        }
        Err(ReadError::Damaged {
            object: ObjectKey::Manifest(outline.datasource, outline.backup),
            damage: Damage::Stream {
                index: self.index,
                bytes: self.bytes,
            },
        })
    }
}
