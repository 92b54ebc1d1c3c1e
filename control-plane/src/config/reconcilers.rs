//! The loops that make things so.

use std::time::Duration;

use serde::Deserialize;

use super::InvalidSetting;

/// Settings of the loops. How long is waited for whom is no setting: see `domain::patience`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReconcilerConfig {
    /// Seconds between passes that nobody asked for. A lost wake-up costs at most this much.
    pub interval_seconds: u64,
}

impl Default for ReconcilerConfig {
    fn default() -> Self {
        Self { interval_seconds: 5 }
    }
}

impl ReconcilerConfig {
    /// The time between passes.
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds)
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        if (1..=3_600).contains(&self.interval_seconds) {
            return Ok(());
        }
        let problem = format!("is {}: it must be 1 to 3600", self.interval_seconds);
        Err(InvalidSetting::new("reconcilers.interval_seconds", problem))
    }
}
