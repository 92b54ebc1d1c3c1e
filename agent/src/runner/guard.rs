//! Keeps an attempt's limits on time, and says what it waited for when it broke one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dataguardian_core::target::ConnectionTarget;

use super::attempt::Attempt;
use super::status::{AttemptStatus, StopReason, StopSignal};
use super::watchdog::{Watchdog, in_words};
use super::work::Assignment;
use crate::engines::engine::DatabaseEngine;
use crate::engines::marker::SessionMarker;

/// Watches one attempt. Its tasks end with the attempt's work.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    stop: StopSignal,
    status: Arc<AttemptStatus>,
    engine: Arc<dyn DatabaseEngine>,
    target: Option<ConnectionTarget>,
    marker: SessionMarker,
}

impl Guard {
    pub(super) fn new(attempt: &Attempt, assignment: &Assignment) -> Self {
        Self {
            stop: attempt.live.stop.clone(),
            status: attempt.status(),
            engine: attempt.host().engine.clone(),
            target: assignment.work.target().cloned(),
            marker: attempt.marker(),
        }
    }

    /// Ends the attempt when it has lasted this long.
    pub(super) async fn end_when_too_long(self, limit: Duration) {
        tokio::time::sleep(limit).await;
        let words = format!("the attempt took longer than {}", in_words(limit));
        self.end(StopReason::TimedOut, words).await;
    }

    /// Ends the attempt when nothing has moved for this long; waiting for locks may take `locks` besides.
    pub(super) async fn end_when_nothing_moves(self, limit: Duration, locks: Duration) {
        let mut dog = Watchdog::new(limit, locks, Instant::now());
        loop {
            tokio::time::sleep(dog.interval()).await;
            if let Some(still_for) = dog.look(Instant::now(), self.status.sample()) {
                let words = format!("nothing moved for {}", in_words(still_for));
                return self.end(StopReason::NoProgress, words).await;
            }
        }
    }

    /// The server is asked before its sessions are ended: afterwards nobody could tell what they were waiting for.
    async fn end(&self, reason: StopReason, words: String) {
        let mut particulars = format!("{words}; stage: {}", self.status.in_words());
        if let Some(target) = &self.target {
            for line in self.engine.waits(target, &self.marker).await {
                particulars += "; ";
                particulars += &line;
            }
        }
        self.stop.stop_because(reason, particulars);
    }
}
