//! Clean-up of what failed backups left in the storages, and of what is old in the metadata database.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use super::InvalidSetting;
use crate::services::ageing::Ages;

/// Settings of clean-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleanupConfig {
    /// Seconds that an object which no manifest names is kept, from when it was found so.
    pub grace_seconds: u32,
    /// Seconds between looks into the storages, in which retention is applied to all jobs as well.
    pub interval_seconds: u64,
    /// Days that events and logs of an execution are kept after its end; those of one whose backup is there stay with it.
    pub keep_history_days: u32,
    /// Days that the audit log is kept.
    pub keep_audit_days: u32,
}

impl Default for CleanupConfig {
    fn default() -> Self {
        Self {
            grace_seconds: 72 * 3600,
            interval_seconds: 3600,
            keep_history_days: 90,
            keep_audit_days: 400,
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

    /// How long what is kept in the metadata database.
    pub fn ages(&self, notifications: TimeDelta) -> Ages {
        let days = |days: u32| TimeDelta::days(days.into());
        Ages {
            history: days(self.keep_history_days),
            audit: days(self.keep_audit_days),
            notifications,
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        if self.grace_seconds == 0 {
            return Err(InvalidSetting::new(
                "cleanup.grace_seconds",
                "is 0: it must be at least 1",
            ));
        }
        if !(1..=86_400).contains(&self.interval_seconds) {
            let problem = format!("is {}: it must be 1 to 86400", self.interval_seconds);
            return Err(InvalidSetting::new("cleanup.interval_seconds", problem));
        }
        for (key, days) in [
            ("cleanup.keep_history_days", self.keep_history_days),
            ("cleanup.keep_audit_days", self.keep_audit_days),
        ] {
            if !(1..=36_600).contains(&days) {
                let problem = format!("is {days}: it must be 1 to 36600");
                return Err(InvalidSetting::new(key, problem));
            }
        }
        Ok(())
    }
}
