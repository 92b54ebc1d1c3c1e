//! How long people stay signed in.

use chrono::TimeDelta;
use serde::Deserialize;

use super::InvalidSetting;
use crate::domain::session::SessionPolicy;

/// Settings of sign-ins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessConfig {
    /// A browser that was not used for so many minutes is signed out.
    pub session_idle_minutes: u32,
    /// A browser is signed out after so many hours, however much it is used.
    pub session_hours: u32,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            session_idle_minutes: 12 * 60,
            session_hours: 7 * 24,
        }
    }
}

impl AccessConfig {
    /// How long a browser stays signed in.
    pub fn sessions(&self) -> SessionPolicy {
        SessionPolicy {
            idle: TimeDelta::minutes(i64::from(self.session_idle_minutes)),
            longest: TimeDelta::hours(i64::from(self.session_hours)),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        let check = |key, value: u32, range: std::ops::RangeInclusive<u32>| {
            if range.contains(&value) {
                return Ok(());
            }
            let problem = format!("is {value}: it must be {} to {}", range.start(), range.end());
            Err(InvalidSetting::new(key, problem))
        };
        // Uses are noted by the minute.
        check(
            "access.session_idle_minutes",
            self.session_idle_minutes,
            2..=527_040,
        )?;
        check("access.session_hours", self.session_hours, 1..=8_784)
    }
}
