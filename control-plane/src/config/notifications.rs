//! What people are told of, and when.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::InvalidSetting;
use crate::domain::notification::Policy;

/// Settings of notifications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationsConfig {
    /// Seconds between two looks for troubles.
    pub interval_seconds: u32,
    /// A scheduled backup is missing so many seconds after its time, with the jitter.
    pub missing_after_seconds: u32,
    /// An agent that was not heard of for so many seconds is offline.
    pub agent_offline_after_seconds: u32,
    /// A queue that is offline for so many seconds is told of.
    pub queue_offline_after_seconds: u32,
    /// Hours after which a trouble that lasts is told of again; never if 0.
    pub remind_after_hours: u32,
    /// Seconds that one attempt to deliver may take.
    pub timeout_seconds: u32,
    /// Hours after which a delivery is given up.
    pub give_up_after_hours: u32,
    /// Days that notifications are kept.
    pub keep_days: u32,
}

impl Default for NotificationsConfig {
    fn default() -> Self {
        Self {
            interval_seconds: 10,
            missing_after_seconds: 3600,
            agent_offline_after_seconds: 600,
            queue_offline_after_seconds: 60,
            remind_after_hours: 24,
            timeout_seconds: 20,
            give_up_after_hours: 24,
            keep_days: 90,
        }
    }
}

impl NotificationsConfig {
    /// The same for those who use it, with how long agents' certificates live and when the API's own ends.
    pub fn policy(&self, certificate_life: Duration, api_certificate_ends: Option<DateTime<Utc>>) -> Policy {
        let seconds = |seconds: u32| TimeDelta::seconds(seconds.into());
        let hours = |hours: u32| TimeDelta::hours(hours.into());
        Policy {
            missing_after: seconds(self.missing_after_seconds),
            agent_offline_after: seconds(self.agent_offline_after_seconds),
            queue_offline_after: seconds(self.queue_offline_after_seconds),
            remind_after: (self.remind_after_hours > 0).then(|| hours(self.remind_after_hours)),
            certificate_life: TimeDelta::from_std(certificate_life).unwrap_or(TimeDelta::days(1)),
            api_certificate_ends,
            give_up_after: hours(self.give_up_after_hours),
            timeout: Duration::from_secs(self.timeout_seconds.into()),
        }
    }

    /// The time between two looks.
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds.into())
    }

    /// How long notifications are kept.
    pub fn keep(&self) -> TimeDelta {
        TimeDelta::days(self.keep_days.into())
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        const WEEK: u32 = 7 * 24 * 3600;
        let check = |key, value: u32, range: std::ops::RangeInclusive<u32>| {
            if range.contains(&value) {
                return Ok(());
            }
            let problem = format!("is {value}: it must be {} to {}", range.start(), range.end());
            Err(InvalidSetting::new(key, problem))
        };
        check("notifications.interval_seconds", self.interval_seconds, 1..=3600)?;
        check(
            "notifications.missing_after_seconds",
            self.missing_after_seconds,
            1..=WEEK,
        )?;
        check(
            "notifications.agent_offline_after_seconds",
            self.agent_offline_after_seconds,
            1..=WEEK,
        )?;
        check(
            "notifications.queue_offline_after_seconds",
            self.queue_offline_after_seconds,
            1..=WEEK,
        )?;
        check(
            "notifications.remind_after_hours",
            self.remind_after_hours,
            0..=8784,
        )?;
        check("notifications.timeout_seconds", self.timeout_seconds, 1..=300)?;
        check(
            "notifications.give_up_after_hours",
            self.give_up_after_hours,
            1..=8784,
        )?;
        check("notifications.keep_days", self.keep_days, 1..=36_600)
    }
}
