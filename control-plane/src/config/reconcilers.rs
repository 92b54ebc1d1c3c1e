//! The loops that make things so.

use std::time::Duration;

use serde::Deserialize;

use super::InvalidSetting;

/// Settings of the loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconcilerConfig {
    /// Seconds between passes that nobody asked for. A lost wake-up costs at most this much.
    pub interval_seconds: u64,
    /// Milliseconds that an agent has to accept an offer.
    pub offer_timeout_ms: u64,
    /// Seconds that an agent has to acknowledge a cancellation before its slot is free again.
    pub cancel_timeout_seconds: u64,
}

impl Default for ReconcilerConfig {
    fn default() -> Self {
        Self {
            interval_seconds: 5,
            offer_timeout_ms: 10_000,
            cancel_timeout_seconds: 300,
        }
    }
}

impl ReconcilerConfig {
    /// The time between passes.
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds)
    }

    /// The time an agent has to accept.
    pub const fn offer_timeout(&self) -> Duration {
        Duration::from_millis(self.offer_timeout_ms)
    }

    /// The time an agent has to acknowledge a cancellation.
    pub const fn cancel_timeout(&self) -> Duration {
        Duration::from_secs(self.cancel_timeout_seconds)
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let ranges = [
            ("reconcilers.interval_seconds", self.interval_seconds, 1..=3_600),
            (
                "reconcilers.offer_timeout_ms",
                self.offer_timeout_ms,
                100..=600_000,
            ),
            (
                "reconcilers.cancel_timeout_seconds",
                self.cancel_timeout_seconds,
                1..=86_400,
            ),
        ];
        for (key, value, range) in ranges {
            if !range.contains(&value) {
                let problem = format!("is {value}: it must be {} to {}", range.start(), range.end());
                return Err(InvalidSetting::new(key, problem));
            }
        }
        Ok(())
    }
}
