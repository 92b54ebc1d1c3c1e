//! Looking at datasources and storages from time to time.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use super::InvalidSetting;
use crate::domain::health::Policy;

/// Settings of the health loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// Seconds between two looks at the same datasource or storage.
    pub interval_seconds: u32,
    /// A storage with less room than so many MiB is nearly full.
    pub low_space_mib: u32,
    /// Days that looks are kept.
    pub keep_days: u32,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            interval_seconds: 300,
            low_space_mib: 5 << 10,
            keep_days: 30,
        }
    }
}

impl HealthConfig {
    /// How often is looked, and what counts as nearly full.
    pub fn policy(&self) -> Policy {
        Policy {
            every: TimeDelta::seconds(i64::from(self.interval_seconds)),
            low_space: u64::from(self.low_space_mib) << 20,
        }
    }

    /// How long looks are kept.
    pub fn keep(&self) -> TimeDelta {
        TimeDelta::days(i64::from(self.keep_days))
    }

    /// The time between two passes, which take whatever is due.
    pub fn beat(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval_seconds).min(10))
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let check = |key, value: u32, range: std::ops::RangeInclusive<u32>| {
            if range.contains(&value) {
                return Ok(());
            }
            let problem = format!("is {value}: it must be {} to {}", range.start(), range.end());
            Err(InvalidSetting::new(key, problem))
        };
        check("health.interval_seconds", self.interval_seconds, 1..=86_400)?;
        check("health.keep_days", self.keep_days, 1..=3650)
    }
}
