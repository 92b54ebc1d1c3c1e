//! How many streams are open at a time. Each takes memory and looks into the metadata database now and then, so nobody has more than a
//! share of them, and all together have a bound. Whoever asks for more is told so at once; all other calls go on.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::ids::UserId;
use dataguardian_proto::status::ApiError;
use http_body::{Frame, SizeHint};

use crate::config::StreamLimits;
use crate::listen::Origin;

/// Whose stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reader {
    /// Somebody who is signed in.
    User(UserId),
    /// Nobody we know, from there.
    Stranger(Option<Origin>),
}

/// The streams that are open. Clones count together.
#[derive(Debug, Clone)]
pub(super) struct OpenStreams {
    open: Arc<Mutex<HashMap<Reader, u32>>>,
    limits: StreamLimits,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct OpenStream {
    streams: OpenStreams,
    reader: Reader,
}

impl OpenStreams {
    pub(super) fn new(limits: StreamLimits) -> Self {
        Self {
            open: Arc::default(),
            limits,
        }
    }

    /// One more, if there may be one.
    pub(super) fn open(&self, reader: Reader) -> Result<OpenStream, ApiError> {
        let mut open = self.map();
        let all: u32 = open.values().sum();
        if all >= self.limits.max_streams {
            return Err(too_many("this server has", all, "max_streams"));
        }
        let own = open.entry(reader).or_default();
        if *own >= self.limits.max_streams_per_caller {
            return Err(too_many("you have", *own, "max_streams_per_caller"));
        }
        *own += 1;
        Ok(OpenStream {
            streams: self.clone(),
            reader,
        })
    }

    fn map(&self) -> MutexGuard<'_, HashMap<Reader, u32>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStream {
    /// The response, which is a stream until it has ended or its reader is gone.
    pub(super) fn until_ended(self, response: Response) -> Response {
        response.map(|body| Body::new(Counted { body, _stream: self }))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.streams.map();
        if let Some(own) = open.get_mut(&self.reader) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.reader);
            }
        }
    }
}

/// A body that is counted while it is there.
struct Counted {
    body: Body,
    _stream: OpenStream,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_many(who: &str, open: u32, setting: &str) -> ApiError {
    let message = format!(
        "{who} {open} streams open, and no more are allowed (api.streams.{setting}): end one that is not needed, or list instead of watching"
    );
    ApiError::new(ErrorCode::ResourceExhausted, "TOO_MANY_STREAMS", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_a_share_and_what_ends_is_free_again() {
        let streams = OpenStreams::new(StreamLimits {
            max_streams: 3,
            max_streams_per_caller: 2,
        });
        let (one, other) = (Reader::User(UserId::new()), Reader::Stranger(None));
        let first = streams.open(one).unwrap();
        let second = streams.open(one).unwrap();
        let refused = streams.open(one).unwrap_err();
        assert_eq!(refused.reason, "TOO_MANY_STREAMS");
        assert!(refused.message.contains("max_streams_per_caller"), "{refused:?}");
        let third = streams.open(other).unwrap();
        let refused = streams.open(Reader::User(UserId::new())).unwrap_err();
        assert!(
            refused.message.contains("api.streams.max_streams)"),
            "{refused:?}"
        );
        drop(first);
        let again = streams.open(one).unwrap();
        drop((second, third, again));
        assert!(streams.map().is_empty());
    }
}
