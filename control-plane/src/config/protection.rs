//! How old backups may be before that is told.

use chrono::TimeDelta;
use serde::Deserialize;

use super::InvalidSetting;
use crate::domain::protection::Objectives;

/// Settings of what counts as protected, for every datasource. They are shown and measured; nothing is done by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProtectionConfig {
    /// Hours that the newest backup may be old; as old as it likes if 0.
    pub backup_hours: u32,
    /// Hours that the newest verified backup may be old; as old as it likes if 0.
    pub verified_hours: u32,
}

impl Default for ProtectionConfig {
    fn default() -> Self {
        Self {
            // A nightly backup that was missed once.
            backup_hours: 50,
            verified_hours: 0,
        }
    }
}

impl ProtectionConfig {
    /// The same, as times.
    pub fn objectives(&self) -> Objectives {
        let hours = |hours: u32| (hours > 0).then(|| TimeDelta::hours(i64::from(hours)));
        Objectives {
            backup: hours(self.backup_hours),
            verified: hours(self.verified_hours),
        }
    }

    pub(super) fn validate(&self) -> Result<(), InvalidSetting> {
        const MOST: u32 = 10 * 366 * 24;
        for (key, hours) in [
            ("protection.backup_hours", self.backup_hours),
            ("protection.verified_hours", self.verified_hours),
        ] {
            if hours > MOST {
                let problem = format!("is {hours}: it must be at most {MOST}, which is ten years");
                return Err(InvalidSetting::new(key, problem));
            }
        }
        Ok(())
    }
}
