//! Putting objects into a storage that may be away for a moment.
//!
//! A server that is started anew, or a line that breaks, costs no attempt. But a storage that stays away holds the database's
//! snapshot open, and the other storages back: its time is bounded.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::{Storage, StorageError, StorageErrorKind};
use tokio::time::Instant;

/// Between two tries, at least and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How much longer the only storage is waited for than one of several.
const ALONE: u32 = 5;

/// How long each storage of a backup may be away: the last one that is left longer than one of several.
#[derive(Debug)]
pub(super) struct Patience {
    away: Duration,
    left: Arc<AtomicUsize>,
    has_left: AtomicBool,
}

impl Patience {
    /// One for each of so many storages, which know of each other.
    pub(super) fn of(away: Duration, storages: usize) -> impl Iterator<Item = Self> {
        let left = Arc::new(AtomicUsize::new(storages));
        (0..storages).map(move |_| Self {
            away,
            left: Arc::clone(&left),
            has_left: AtomicBool::new(false),
        })
    }

    /// Whether to try again after this error, when the storage has been away for so long.
    fn tries_again(&self, error: StorageErrorKind, away: Duration) -> bool {
        let one_of_several = match error {
            StorageErrorKind::Unreachable => away < self.away,
            // That alone took as long as one of several may be away.
            StorageErrorKind::Stalled => false,
            _ => return false,
        };
        // Also when all want to go at once, the last one stays for its longer time.
        one_of_several || (!self.leave(Others::Stay) && away < self.away * ALONE)
    }

    /// Takes the storage out of the count. Whether it is out of it.
    fn leave(&self, others: Others) -> bool {
        if self.has_left.load(Ordering::Relaxed) {
            return true;
        }
        let fewer = |left: usize| match others {
            Others::Stay => (left > 1).then(|| left - 1),
            Others::MayBeNone => left.checked_sub(1),
        };
        let left = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer)
            .is_ok();
        self.has_left.store(left, Ordering::Relaxed);
        left
    }
}

/// Who is to be left when a storage falls out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    /// At least one.
    Stay,
    /// Perhaps nobody.
    MayBeNone,
}

/// Puts an object, again and again as long as the storage is merely away. A lost reply ends well: who tries again finds the
/// object there.
pub(super) async fn put(
    storage: &Storage,
    key: &ObjectKey,
    bytes: &Bytes,
    patience: &Patience,
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
            patience.leave(Others::MayBeNone);
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

    const MINUTE: Duration = Duration::from_secs(60);

    fn patience<const STORAGES: usize>() -> [Patience; STORAGES] {
        let all: Vec<_> = Patience::of(MINUTE, STORAGES).collect();
        all.try_into().unwrap()
    }

    #[test]
    fn the_only_storage_is_waited_for_longer() {
        let [alone] = patience();
        for kind in [StorageErrorKind::Unreachable, StorageErrorKind::Stalled] {
            assert!(alone.tries_again(kind, MINUTE * 4));
            assert!(!alone.tries_again(kind, MINUTE * 5));
        }
        assert!(!alone.tries_again(StorageErrorKind::Denied, Duration::ZERO));
    }

    #[test]
    fn one_of_several_is_waited_for_less_and_never_after_a_stall() {
        let [first, second, third] = patience();
        assert!(first.tries_again(StorageErrorKind::Unreachable, MINUTE / 2));
        assert!(!first.tries_again(StorageErrorKind::Unreachable, MINUTE));
        assert!(!second.tries_again(StorageErrorKind::Stalled, Duration::ZERO));
        // Now it is the only one.
        assert!(third.tries_again(StorageErrorKind::Stalled, MINUTE * 4));
        assert!(!third.tries_again(StorageErrorKind::Unreachable, MINUTE * 5));
    }

    #[test]
    fn several_packs_of_one_storage_leave_once() {
        let [first, second, third] = patience();
        for _ in 0..2 {
            assert!(first.leave(Others::MayBeNone));
        }
        assert!(!second.tries_again(StorageErrorKind::Stalled, Duration::ZERO));
        assert!(third.tries_again(StorageErrorKind::Stalled, MINUTE));
    }
}
