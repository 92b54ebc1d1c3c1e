//! Reading from a storage that may be away for a moment: a server that is started anew, a line that breaks, an answer that breaks
//! off. Hours of restoring are not thrown away for it.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::{Storage, StorageError, StorageErrorKind};

/// Between two tries, at least and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

impl Storage {
    /// The same, whose objects are read again and again for so long while it is away. Without this, and in a local storage, the
    /// first error is the answer.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Reads, and again while the storage is away and its time is not over.
    pub(super) async fn patiently<T, Reading>(
        &self,
        read: impl Fn() -> Reading + Send + Sync,
    ) -> Result<T, StorageError>
    where
        Reading: Future<Output = Result<T, StorageError>> + Send,
    {
        let mut away_since = None;
        let mut pause = PAUSE.0;
        loop {
            let error = match read().await {
                Ok(read) => return Ok(read),
                Err(error) => error,
            };
            let away = away_since.get_or_insert_with(Instant::now).elapsed();
            if !self.is_remote() || !is_away(error.kind) || away >= self.patience {
                return Err(error);
            }
            tracing::info!(object = %error.object, error = %error.source, "a storage is away and read from again");
            tokio::time::sleep(pause.min(self.patience - away)).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }
}

/// Whether another try may find the storage there.
fn is_away(kind: StorageErrorKind) -> bool {
    matches!(kind, StorageErrorKind::Unreachable | StorageErrorKind::Stalled)
}
