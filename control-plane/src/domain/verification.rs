//! Verifying backups: what is asked, what was found, and what of it is kept.

use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::verify::{Level, MAX_FAULTS, MAX_STREAMS};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::reference::Reference;
use super::restore::BackupChoice;
use super::text;

pub mod schedule;

/// A verification may be tried so often: it only reads.
pub const MAX_ATTEMPTS: u32 = 3;
/// The longest that one attempt may take.
pub const MAX_DURATION: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long nothing may move.
pub const NO_PROGRESS: Duration = Duration::from_secs(30 * 60);
/// The most storages that one verification names.
pub const MAX_STORAGES: usize = 100;

/// A verification to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVerification {
    /// Of which backup.
    pub backup: BackupChoice,
    /// How closely to look.
    pub level: Level,
    /// In which storages; in all that can be reached if empty.
    pub storages: Vec<Reference<StorageId>>,
    /// The caller's id for this request.
    pub request_id: Option<Uuid>,
}

/// What a verification needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifySpec {
    /// Which backup.
    pub backup: BackupId,
    /// The datasource that it is of.
    pub source: DatasourceId,
    /// The copies.
    pub storages: Vec<StorageId>,
    /// How closely to look.
    pub level: Level,
}

/// An object that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFault {
    /// Its path in the repository.
    pub object: String,
    /// What is the matter with it.
    pub problem: String,
    /// What can't be read without it, as far as that is known.
    pub hurts: Vec<String>,
    /// How many these are in all.
    pub hurt_count: u64,
}

impl ObjectFault {
    /// The object, if its path is one.
    pub fn key(&self) -> Option<ObjectKey> {
        self.object.parse().ok()
    }
}

/// What an agent found of a backup in one storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyFindings {
    /// The storage.
    pub storage: StorageId,
    /// Objects that were looked at.
    pub objects: u64,
    /// Stored bytes that were read.
    pub bytes: u64,
    /// What is not as it should be.
    pub faults: Vec<ObjectFault>,
    /// How many faults there are in all.
    pub fault_count: u64,
    /// Why nothing is known of it, if it could not be looked into.
    pub failure: Option<Failure>,
}

impl CopyFindings {
    /// What is kept of it: bounded, without zero bytes. More faults than were named are not made up, nor fewer.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.faults.truncate(MAX_FAULTS);
        self.fault_count = self.fault_count.max(self.faults.len() as u64);
        for fault in &mut self.faults {
            fault.object = text::kept(&fault.object, text::MAX_TEXT);
            fault.problem = text::kept(&fault.problem, text::MAX_LONG_TEXT);
            fault.hurts.truncate(MAX_STREAMS);
            for hurt in &mut fault.hurts {
                *hurt = text::kept(hurt, text::MAX_LONG_TEXT);
            }
        }
        self.failure = self.failure.map(super::execution::kept_failure);
        self
    }

    /// Whether it was looked into, and all is as it should be.
    pub const fn is_good(&self) -> bool {
        self.failure.is_none() && self.fault_count == 0
    }
}

/// What a verification found, as it is kept with its execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// How closely was looked.
    pub level: Level,
    /// The copies.
    pub copies: Vec<VerifiedCopy>,
}

/// A copy that was looked into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedCopy {
    /// The storage's name.
    pub storage: String,
    /// Objects that were looked at.
    pub objects: u64,
    /// Stored bytes that were read.
    pub bytes: u64,
    /// What is not as it should be.
    pub faults: Vec<ObjectFault>,
    /// How many faults there are in all.
    pub fault_count: u64,
    /// Why nothing is known of it, if it could not be looked into.
    pub failure: Option<Failure>,
}

impl VerifyReport {
    /// Why the verification counts as failed; none if every copy is good. Damage is told before what could not be seen.
    pub fn verdict(&self) -> Option<Failure> {
        let damaged: Vec<_> = self.copies.iter().filter_map(VerifiedCopy::damage).collect();
        if !damaged.is_empty() {
            return Some(Failure::new(FailureKind::RepositoryDamaged, damaged.join("; ")));
        }
        let unseen = self
            .copies
            .iter()
            .find_map(|copy| copy.failure.as_ref().map(|failure| (copy, failure)));
        unseen
            .map(|(copy, failure)| Failure::new(failure.kind, format!("storage {}: {failure}", copy.storage)))
    }
}

impl VerifiedCopy {
    /// One of which the agent said nothing: that is no good word.
    pub fn unsaid(storage: String) -> Self {
        let failure = Failure::new(FailureKind::Internal, "the agent said nothing of it");
        Self {
            storage,
            objects: 0,
            bytes: 0,
            faults: Vec::new(),
            fault_count: 0,
            failure: Some(failure),
        }
    }

    fn damage(&self) -> Option<String> {
        if self.fault_count == 0 {
            return None;
        }
        let Some(first) = self.faults.first() else {
            return Some(format!("storage {}: {} objects", self.storage, self.fault_count));
        };
        let more = match self.fault_count {
            0 | 1 => String::new(),
            all => format!(" ({all} objects in all)"),
        };
        Some(format!(
            "storage {}: {}: {}{more}",
            self.storage, first.object, first.problem
        ))
    }
}

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// All was as it should be.
    Good,
    /// Something is damaged or lost.
    Damaged,
    /// What was damaged or lost was mended since.
    Mended,
}

/// The last check of a copy at a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyCheck {
    /// How closely was looked.
    pub level: Level,
    /// When.
    pub checked_at: DateTime<Utc>,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// How many faults were found.
    pub faults: u64,
}

/// An object in a storage that is known to be damaged or lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedObject {
    /// Which.
    pub key: ObjectKey,
    /// What is the matter with it.
    pub problem: String,
}

/// Something that a person should see to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What it is about, as a word: `BACKUP_DAMAGED`.
    pub reason: &'static str,
    /// The same for people.
    pub message: String,
    /// What to type.
    pub command: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(storage: &str, faults: u64, failure: Option<Failure>) -> VerifiedCopy {
        let fault = ObjectFault {
            object: "d/packs/00/x".into(),
            problem: "it is missing".into(),
            hurts: vec![],
            hurt_count: 0,
        };
        VerifiedCopy {
            storage: storage.into(),
            objects: 3,
            bytes: 9,
            faults: (0..faults.min(1)).map(|_| fault.clone()).collect(),
            fault_count: faults,
            failure,
        }
    }

    #[test]
    fn damage_is_told_before_what_could_not_be_seen_and_both_fail() {
        let away = || Some(Failure::new(FailureKind::StorageUnreachable, "away"));
        let verdict = |copies: Vec<VerifiedCopy>| {
            VerifyReport {
                level: Level::Digests,
                copies,
            }
            .verdict()
        };
        assert_eq!(verdict(vec![copy("a", 0, None), copy("b", 0, None)]), None);
        let unnamed = VerifiedCopy {
            faults: Vec::new(),
            ..copy("a", 3, None)
        };
        assert_eq!(verdict(vec![unnamed]).unwrap().message, "storage a: 3 objects");
        let unseen = verdict(vec![copy("a", 0, None), copy("b", 0, away())]).unwrap();
        assert_eq!(
            (unseen.kind, unseen.message.as_str()),
            (FailureKind::StorageUnreachable, "storage b: away")
        );
        let damaged = verdict(vec![copy("a", 0, away()), copy("b", 4, None)]).unwrap();
        assert_eq!(damaged.kind, FailureKind::RepositoryDamaged);
        assert_eq!(
            damaged.message,
            "storage b: d/packs/00/x: it is missing (4 objects in all)"
        );
    }
}
