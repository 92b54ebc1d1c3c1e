//! Answers that are streams.

use std::pin::Pin;

use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::guard::stopping;

/// Messages, one after the other.
pub(super) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The stream; told to stop, it ends with a status that says to come back.
pub(super) fn until_stop<T: Send + 'static>(
    messages: impl Stream<Item = Result<T, Status>> + Send + 'static,
    stop: CancellationToken,
) -> Messages<T> {
    let stopped = stop.clone();
    let last_word = stream::once(async move { stopped.is_cancelled() })
        .filter_map(|stopped| async move { stopped.then(|| Err(stopping().into())) });
    Box::pin(messages.take_until(stop.cancelled_owned()).chain(last_word))
}
