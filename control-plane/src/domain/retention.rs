//! Retention: which backups of a job are kept, and why.
//!
//! A job has no retention, and nothing of it is ever deleted by itself, or exactly one of three policies: a number of backups, the
//! older sum of numbers per day, week and month, or generations (hourly to yearly) with a time within which everything stays.
//!
//! What must never happen, whatever the policy says: that the newest backup goes, the newest verified one, one that somebody pinned
//! or that is needed right now, or so many that fewer than `min_backups` are left. Only committed backups of that job are looked
//! at: no restore, no verification, no failed execution, and nothing of another job.
//!
//! Three classes of backups, each judged among itself and the better ones, so that a worse one never takes a better one's place:
//! **complete** ones; **partial** ones, which lack databases; and **unfit** ones, of which no storage has a whole copy. A job
//! whose backups are all partial so keeps as many of them as it would keep complete ones, and no more.
//!
//! Where a job replicates, the policy is applied once more to what is whole in each of its storages: a storage that was away keeps
//! its last backups until it has newer ones.
//!
//! Periods are those of restic, kopia and Proxmox Backup Server: of each of the last N hours, days, ISO weeks, months or years
//! that have a backup the newest one is kept, the rules apart from each other; hours, days and so on without a backup do not
//! count. `keep_within` counts back from the newest backup, as restic does it, so that nothing goes because backups fail. Periods
//! are those of the policy's own time zone, and a backup belongs to that in which it was committed, by the control plane's clock.

mod decide;
mod period;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::time::Duration;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::field::{BadField, Checks};

pub use decide::{Candidate, Class, Decision, Reason, Rule, Verdict, WholeCopy, decide};

/// The greatest number that a policy may name.
const MAX_COUNT: u32 = 100_000;
/// The longest time within which everything is kept: 100 years.
const MAX_WITHIN: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Which backups of a job are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// The policy.
    pub policy: Policy,
    /// Where its hours, days, weeks, months and years begin.
    #[serde(with = "zone_name")]
    pub zone: Tz,
    /// So many complete backups always stay, the newest; at least 1.
    pub min_backups: u32,
}

/// One of three ways to say what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The newest so many.
    MaxBackups(u32),
    /// The newest so many, as a sum.
    Legacy(Legacy),
    /// The newest of each of the last hours, days, weeks, months, years.
    Gfs(Gfs),
}

/// The older way: the three numbers are added up, and the newest so many backups stay, whenever they were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Legacy {
    /// For the days.
    pub daily: u32,
    /// For the weeks.
    pub weekly: u32,
    /// For the months.
    pub monthly: u32,
}

/// Grandfather, father, son: a backup stays if any of these keeps it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gfs {
    /// The newest of each of the last so many hours that have one.
    pub hourly: u32,
    /// The same of days.
    pub daily: u32,
    /// The same of ISO weeks.
    pub weekly: u32,
    /// The same of months.
    pub monthly: u32,
    /// The same of years.
    pub yearly: u32,
    /// All that are not older than the newest one by more than this.
    pub within: Option<Duration>,
}

impl Legacy {
    /// How many backups stay.
    pub const fn sum(self) -> u32 {
        self.daily
            .saturating_add(self.weekly)
            .saturating_add(self.monthly)
    }
}

impl Gfs {
    /// The numbers by the names of their fields.
    const fn counts(self) -> [(&'static str, u32); 5] {
        [
            ("keep_hourly", self.hourly),
            ("keep_daily", self.daily),
            ("keep_weekly", self.weekly),
            ("keep_monthly", self.monthly),
            ("keep_yearly", self.yearly),
        ]
    }
}

impl Retention {
    /// Checks the ranges, and that the policy keeps something.
    pub fn check(&self) -> Result<(), Vec<BadField>> {
        let mut checks = Checks::new();
        count(&mut checks, "retention.min_backups", self.min_backups, 1);
        match self.policy {
            Policy::MaxBackups(most) => count(&mut checks, "retention.max_backups", most, 1),
            Policy::Legacy(legacy) => {
                for (field, number) in [
                    ("keep_daily", legacy.daily),
                    ("keep_weekly", legacy.weekly),
                    ("keep_monthly", legacy.monthly),
                ] {
                    count(&mut checks, &format!("retention.legacy.{field}"), number, 0);
                }
                checks.require(legacy.sum() > 0, "retention.legacy", "must keep something");
            }
            Policy::Gfs(gfs) => {
                for (field, number) in gfs.counts() {
                    count(&mut checks, &format!("retention.gfs.{field}"), number, 0);
                }
                if let Some(within) = gfs.within {
                    checks.require(
                        (Duration::from_secs(1)..=MAX_WITHIN).contains(&within),
                        "retention.gfs.keep_within",
                        "must be 1 s to 100 years",
                    );
                }
                let keeps = gfs.within.is_some() || gfs.counts().iter().any(|(_, number)| *number > 0);
                checks.require(keeps, "retention.gfs", "must keep something");
            }
        }
        if let Some(most) = self.most() {
            checks.require(
                self.min_backups <= most,
                "retention.min_backups",
                "must not be more than the policy keeps",
            );
        }
        checks.finish()
    }

    /// How many backups the policy keeps at most, if it says so with one number.
    const fn most(&self) -> Option<u32> {
        match self.policy {
            Policy::MaxBackups(most) => Some(most),
            Policy::Legacy(legacy) => Some(legacy.sum()),
            Policy::Gfs(_) => None,
        }
    }
}

fn count(checks: &mut Checks, field: &str, number: u32, least: u32) {
    let holds = (least..=MAX_COUNT).contains(&number);
    checks.require(holds, field, &format!("must be {least} to {MAX_COUNT}"));
}

/// Reads the name of a time zone, as in `Europe/Berlin`; UTC if it is empty.
pub fn zone(field: &str, name: &str) -> Result<Tz, BadField> {
    if name.is_empty() {
        return Ok(Tz::UTC);
    }
    name.parse().map_err(|_| {
        BadField::new(
            field,
            "must be a time zone of the IANA database, such as Europe/Berlin",
        )
    })
}

/// A zone as its name.
mod zone_name {
    use chrono_tz::Tz;
    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(zone.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse()
            .map_err(|_| de::Error::custom(format!("unknown time zone {name:?}")))
    }
}
