//! Answers that are streams.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dataguardian_core::error_code::ErrorCode;
use dataguardian_proto::status::ApiError;
use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::Shared;
use super::call::caller;
use super::guard::stopping;
use crate::domain::user::Caller;
use crate::services::auth::Auth;

/// Messages, one after the other.
pub(super) type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// How often is looked whether a caller may still have what it is sent.
const LOOK: Duration = Duration::from_secs(3);

/// Who is sent a stream.
pub(super) struct Reader {
    auth: Auth,
    caller: Caller,
}

impl Reader {
    /// Who calls.
    pub(super) fn of<T>(request: &Request<T>, shared: &Shared) -> Result<Self, Status> {
        Ok(Self {
            auth: shared.services.auth.clone(),
            caller: caller(request)?,
        })
    }

    /// Waits until the caller is signed out, or may do more or less than before. A database that does not answer ends nothing.
    async fn changed(&self) -> Status {
        loop {
            tokio::time::sleep(LOOK).await;
            match self.auth.still(&self.caller).await {
                Ok(rights) if rights == self.caller.rights => {}
                Ok(_) => return rights_changed().into(),
                Err(error) if error.code() == ErrorCode::Unauthenticated => return error.into(),
                Err(_) => {}
            }
        }
    }
}

/// The stream, as long as its reader may have it.
pub(super) fn while_allowed<T: Send + 'static>(
    messages: impl Stream<Item = Result<T, Status>> + Send + 'static,
    reader: Reader,
) -> impl Stream<Item = Result<T, Status>> + Send + 'static {
    let why = Arc::new(OnceLock::new());
    let told = Arc::clone(&why);
    let changed = async move {
        let status = reader.changed().await;
        why.get_or_init(|| status);
    };
    let last_word =
        stream::once(async move { told.get().cloned() }).filter_map(|status| async move { status.map(Err) });
    messages.take_until(Box::pin(changed)).chain(last_word)
}

fn rights_changed() -> ApiError {
    ApiError::new(
        ErrorCode::Aborted,
        "RIGHTS_CHANGED",
        "what you may do has changed in the meantime: call again",
    )
}

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
