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
    /// When each is due again, and after which pause.
    failed: Arc<Mutex<HashMap<Key, (DateTime<Utc>, TimeDelta)>>>,
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
        let due = self.failed().get(key).map(|(due, _)| *due);
        due.is_none_or(|due| waited(due, self.clock.now()))
    }

    /// It failed now: its pause begins.
    pub(super) fn fail(&self, key: Key) {
        let now = self.clock.now();
        let mut failed = self.failed();
        let pause = failed
            .get(&key)
            .map_or(self.shortest, |(_, pause)| (*pause * 2).min(self.longest));
        failed.insert(key, (now + pause, pause));
    }

    /// Forgets all others.
    pub(super) fn keep(&self, wanted: impl Fn(&Key) -> bool) {
        self.failed().retain(|key, _| wanted(key));
    }

    fn failed(&self) -> MutexGuard<'_, HashMap<Key, (DateTime<Utc>, TimeDelta)>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
