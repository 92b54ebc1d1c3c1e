//! How datasources and storages do, judged by looks at them from time to time.
//!
//! A condition changes only when a second look in a row says so: one lost packet wakes nobody. The second look follows soon.
//! What nobody could look at for long is unknown, however well it was; that is told when it is shown, and never written down.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{DatasourceId, StorageId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::storage::StorageLocation;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A database server.
    Datasource(DatasourceId),
    /// A place for backups.
    Storage(StorageId),
}

/// How a subject does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Nobody looked, or not for long.
    Unknown,
    /// A backup could use it now.
    Healthy,
    /// A backup could use it now, and soon perhaps not any more: a storage that is nearly full.
    Degraded,
    /// A backup could not use it now.
    Unhealthy,
}

/// What a look found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What stands in the way of a backup.
    pub problems: Vec<Failure>,
    /// How long the server took to answer.
    pub latency: Option<Duration>,
    /// The database server's version.
    pub server_version: Option<String>,
    /// The version of the client programs that fit it.
    pub client_version: Option<String>,
    /// Whether the storage refuses to overwrite; none where a look did not write.
    pub conditional_put: Option<bool>,
    /// The room that is left in the storage, in bytes, where that can be known.
    pub free_bytes: Option<u64>,
}

/// How closely a storage is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The repository is there and ours, and can be read.
    Read,
    /// An object can be written, read, not overwritten, and removed, too.
    Write,
}

/// How a subject does, by the looks so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// What two looks in a row have said.
    pub condition: Condition,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The last look.
    pub checked_at: DateTime<Utc>,
    /// The last look at a storage that wrote.
    pub written_at: Option<DateTime<Utc>>,
    /// Looks in a row, the last one among them, that say otherwise.
    pub doubt: u32,
    /// What the last look found.
    pub report: Report,
}

/// A look, as the history keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// When.
    pub checked_at: DateTime<Utc>,
    /// What this one look said.
    pub condition: Condition,
    /// How long the server took to answer.
    pub latency: Option<Duration>,
    /// The room that was left, in bytes.
    pub free_bytes: Option<u64>,
    /// The first problem.
    pub problem: Option<String>,
}

/// How often is looked, and what counts as nearly full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Between two looks at the same subject.
    pub every: TimeDelta,
    /// A storage with less room than this is nearly full.
    pub low_space: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            every: TimeDelta::minutes(5),
            low_space: 5 << 30,
        }
    }
}

/// Looks in a row that have to agree before a condition changes.
const AGREE: u32 = 2;
/// The second look follows the first that says otherwise so soon, if looks are not more frequent anyway.
const SECOND_LOOK: TimeDelta = TimeDelta::seconds(30);
/// Between two looks that write into a bucket. Each leaves versions where the bucket keeps them, and costs money.
const BUCKET_WRITES: TimeDelta = TimeDelta::hours(24);
/// So many looks may be missed before a condition is unknown.
const MISSED: i32 = 3;

impl Subject {
    /// Which kind it is.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Datasource(_) => "datasource",
            Self::Storage(_) => "storage",
        }
    }

    /// Its id.
    pub const fn id(&self) -> &Uuid {
        match self {
            Self::Datasource(id) => id.as_uuid(),
            Self::Storage(id) => id.as_uuid(),
        }
    }
}

impl Report {
    /// What this look alone says.
    pub fn condition(&self, policy: &Policy) -> Condition {
        if !self.problems.is_empty() {
            return Condition::Unhealthy;
        }
        match self.free_bytes {
            Some(free) if free < policy.low_space => Condition::Degraded,
            Some(_) | None => Condition::Healthy,
        }
    }
}

impl Health {
    /// How a subject does after one more look.
    pub fn after(
        before: Option<&Self>,
        report: Report,
        depth: Depth,
        at: DateTime<Utc>,
        policy: &Policy,
    ) -> Self {
        let says = report.condition(policy);
        let written_at = match depth {
            Depth::Write => Some(at),
            Depth::Read => before.and_then(|before| before.written_at),
        };
        let doubt = match before {
            Some(before) if before.condition != says => before.doubt + 1,
            Some(_) | None => 0,
        };
        let (condition, since, doubt) = match before {
            None => (says, at, 0),
            Some(_) if doubt >= AGREE => (says, at, 0),
            Some(before) => (before.condition, before.since, doubt),
        };
        Self {
            condition,
            since,
            checked_at: at,
            written_at,
            doubt,
            report,
        }
    }

    /// What is shown now: a condition that nobody looked at for long is unknown.
    pub fn shown(&self, now: DateTime<Utc>, policy: &Policy) -> Condition {
        match now - self.checked_at > policy.every * MISSED + SECOND_LOOK.min(policy.every) {
            true => Condition::Unknown,
            false => self.condition,
        }
    }

    /// Whether the next look is due. One that lies in the future was before the clock was set back.
    pub fn is_due(&self, now: DateTime<Utc>, policy: &Policy) -> bool {
        let pause = match self.doubt {
            0 => policy.every,
            _ => SECOND_LOOK.min(policy.every),
        };
        let since = now - self.checked_at;
        since >= pause || since < TimeDelta::zero()
    }
}

/// How closely a storage is looked at now. A folder is written to each time; a bucket once a day, and whenever it was not well.
pub fn depth(location: &StorageLocation, before: Option<&Health>, now: DateTime<Utc>) -> Depth {
    match (location, before) {
        (StorageLocation::Local { .. }, _) | (_, None) => Depth::Write,
        (StorageLocation::S3(_), Some(before)) => {
            let written = before.written_at.is_some_and(|written| {
                let since = now - written;
                since >= TimeDelta::zero() && since < BUCKET_WRITES
            });
            match written && before.condition == Condition::Healthy {
                true => Depth::Read,
                false => Depth::Write,
            }
        }
    }
}

#[cfg(test)]
mod tests;
