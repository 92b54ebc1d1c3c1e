//! Looking into the storages on schedule.

use std::time::Duration;

use chrono::TimeDelta;
use serde::Deserialize;

use super::InvalidSetting;
use crate::domain::verification::schedule::Policy;

/// Settings of verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VerificationConfig {
    /// Seconds between two looks at a copy's manifest and at the sizes of all that it names.
    pub presence_every_seconds: u32,
    /// Seconds within which every byte in every storage is read again.
    pub read_every_seconds: u32,
    /// The most bytes that are read of one storage in 24 h; as many as that needs if 0.
    pub bytes_per_day: u64,
    /// Seconds between two looks into one storage, at least.
    pub interval_seconds: u64,
}

impl Default for VerificationConfig {
    fn default() -> Self {
        Self {
            presence_every_seconds: 24 * 3600,
            read_every_seconds: 30 * 24 * 3600,
            bytes_per_day: 0,
            interval_seconds: 60,
        }
    }
}

impl VerificationConfig {
    /// What is read when.
    pub fn policy(&self) -> Policy {
        Policy {
            presence_every: TimeDelta::seconds(i64::from(self.presence_every_seconds)),
            read_every: TimeDelta::seconds(i64::from(self.read_every_seconds)),
            bytes_per_day: (self.bytes_per_day != 0).then_some(self.bytes_per_day),
        }
    }

    /// The time between two looks.
    pub const fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds)
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let check = |key: &'static str, value: u64, range: std::ops::RangeInclusive<u64>| {
            if range.contains(&value) {
                return Ok(());
            }
            let problem = format!("is {value}: it must be {} to {}", range.start(), range.end());
            Err(InvalidSetting::new(key, problem))
        };
        let longest = 10 * 366 * 24 * 3600;
        check(
            "verification.presence_every_seconds",
            self.presence_every_seconds.into(),
            1..=longest,
        )?;
        check(
            "verification.read_every_seconds",
            self.read_every_seconds.into(),
            1..=longest,
        )?;
        check("verification.interval_seconds", self.interval_seconds, 1..=86_400)
    }
}
