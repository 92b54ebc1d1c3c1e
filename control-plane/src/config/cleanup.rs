//! Clean-up of what failed backups left in the storages.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use super::InvalidSetting;

/// Settings of clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleanupConfig {
    /// Seconds that an object which no manifest names is kept, from when it was found so.
    pub grace_seconds: u32,
    /// Seconds between looks into the storages.
    pub interval_seconds: u64,
}

impl Default for CleanupConfig {
    fn default() -> Self {
        Self {
            grace_seconds: 72 * 3600,
            interval_seconds: 3600,
        }
    }
}

impl CleanupConfig {
    /// How long what nobody needs is kept.
    pub fn grace(&self) -> TimeDelta {
        TimeDelta::seconds(i64::from(self.grace_seconds))
    }

    /// The time between looks.
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds)
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        if self.grace_seconds == 0 {
            return Err(InvalidSetting::new(
                "cleanup.grace_seconds",
                "is 0: it must be at least 1",
            ));
        }
        if (1..=86_400).contains(&self.interval_seconds) {
            return Ok(());
        }
        let problem = format!("is {}: it must be 1 to 86400", self.interval_seconds);
        Err(InvalidSetting::new("cleanup.interval_seconds", problem))
    }
}
