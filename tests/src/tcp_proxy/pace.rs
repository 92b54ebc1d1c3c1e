//! How much passes a slow line.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// In how many pieces a second bytes pass, so that a slow line is a trickle and not a drip.
const PIECES_PER_SECOND: u32 = 20;

/// The line that all connections of a proxy share. Clones are the same line.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    bytes_per_second: u32,
    /// When the line has carried what was given to it.
    free_at: Arc<Mutex<Instant>>,
}

impl Pace {
    pub(super) fn of(bytes_per_second: u32) -> Self {
        Self {
            bytes_per_second: bytes_per_second.max(1),
            free_at: Arc::new(Mutex::new(Instant::now())),
        }
    }

    /// How many bytes pass at a time.
    pub(super) fn piece(&self) -> usize {
        (self.bytes_per_second / PIECES_PER_SECOND).max(1) as usize
    }

    /// Waits until the line has carried so many bytes more.
    pub(super) async fn carry(&self, bytes: usize) {
        let takes = Duration::from_secs_f64(bytes as f64 / f64::from(self.bytes_per_second));
        let done = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            *free_at = (*free_at).max(Instant::now()) + takes;
            *free_at
        };
        tokio::time::sleep_until(done).await;
    }
}
