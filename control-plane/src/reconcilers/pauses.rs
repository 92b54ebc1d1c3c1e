//! Pauses before something that failed is tried again: each twice as long as the one before it, up to a longest.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::clock::SharedClock;

use crate::domain::patience::waited;

/// The pauses of whatever has failed. It is only for the pace, so it may be lost. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Pauses<Key> {
    clock: SharedClock,
    shortest: TimeDelta,
    longest: TimeDelta,
    failed: Arc<Mutex<HashMap<Key, Pause>>>,
}

/// A pause that has begun.
#[derive(Debug, Clone, Copy)]
struct Pause {
    until: DateTime<Utc>,
    length: TimeDelta,
}

impl<Key: Eq + Hash> Pauses<Key> {
    /// Nothing has failed yet.
    pub(super) fn new(clock: SharedClock, shortest: TimeDelta, longest: TimeDelta) -> Self {
        Self {
            clock,
            shortest,
            longest,
            failed: Arc::default(),
        }
    }

    /// Whether it may be tried now.
    pub(super) fn is_due(&self, key: &Key) -> bool {
        let pause = self.failed().get(key).copied();
        pause.is_none_or(|pause| waited(pause.until, self.clock.now()))
    }

    /// It failed now: its pause begins.
    pub(super) fn fail(&self, key: Key) {
        let now = self.clock.now();
        let mut failed = self.failed();
        let before = failed.get(&key).map(|pause| pause.length);
        let length = before.map_or(self.shortest, |length| (length * 2).min(self.longest));
        let until = now + length;
        failed.insert(key, Pause { until, length });
    }

    /// Forgets all others.
    pub(super) fn keep(&self, wanted: impl Fn(&Key) -> bool) {
        self.failed().retain(|key, _| wanted(key));
    }

    fn failed(&self) -> MutexGuard<'_, HashMap<Key, Pause>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
