//! Putting objects into a storage that may be away for a moment.
//!
//! A server that is started anew, or a line that breaks, costs no attempt. But a storage that stays away holds the database's
//! snapshot open, and the other storages back: its time is bounded.

use std::time::Duration;

use bytes::Bytes;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::{Storage, StorageError, StorageErrorKind};
use tokio::time::Instant;

/// Between two tries, at least and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How much longer the only storage is waited for than one of several.
const ALONE: u32 = 5;

/// How long a storage may be away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patience {
    away: Duration,
    is_alone: bool,
}

impl Patience {
    /// For each of so many storages.
    pub(super) fn of(away: Duration, storages: usize) -> Self {
        let is_alone = storages <= 1;
        Self {
            away: if is_alone { away * ALONE } else { away },
            is_alone,
        }
    }

    /// Whether to try again after this error, when the storage has been away for so long.
    fn tries_again(self, error: StorageErrorKind, away: Duration) -> bool {
        match error {
            StorageErrorKind::Unreachable => away < self.away,
            // That alone took as long as one of several may be away.
            StorageErrorKind::Stalled => self.is_alone && away < self.away,
            _ => false,
        }
    }
}

/// Puts an object, again and again as long as the storage is merely away. A lost reply ends well: who tries again finds the
/// object there.
pub(super) async fn put(
    storage: &Storage,
    key: &ObjectKey,
    bytes: &Bytes,
    patience: Patience,
) -> Result<(), StorageError> {
    let mut away_since = None;
    let mut pause = PAUSE.0;
    loop {
        let error = match storage.put_if_absent(key, bytes.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let since = *away_since.get_or_insert_with(Instant::now);
        if !storage.is_remote() || !patience.tries_again(error.kind, since.elapsed()) {
            return Err(error);
        }
        tracing::info!(object = %key, error = %error.source, "a storage is away and tried again");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_is_waited_for_less_and_never_after_a_stall() {
        let minute = Duration::from_secs(60);
        let (alone, beside) = (Patience::of(minute, 1), Patience::of(minute, 2));
        for kind in [StorageErrorKind::Unreachable, StorageErrorKind::Stalled] {
            assert!(alone.tries_again(kind, minute * 4));
            assert!(!alone.tries_again(kind, minute * 5));
        }
        assert!(beside.tries_again(StorageErrorKind::Unreachable, minute / 2));
        assert!(!beside.tries_again(StorageErrorKind::Unreachable, minute));
        assert!(!beside.tries_again(StorageErrorKind::Stalled, Duration::ZERO));
        assert!(!alone.tries_again(StorageErrorKind::Denied, Duration::ZERO));
    }
}
