//! What survives a restart of the agent: one small file per attempt.
//!
//! An attempt is in the journal, durably, before the agent accepts it, and leaves the journal only after the control plane
//! has taken its result. So a started agent knows what its predecessor was at: it first kills what that one left running,
//! then reports each attempt as restarted, or sends the result that was not taken yet.
//!
//! No secret is ever written here.

use std::fs;
use std::path::PathBuf;

use dataguardian_core::execution::Fence;
use dataguardian_core::failure::Failure;
use serde::{Deserialize, Serialize};

use crate::state::{self, StateDir, StateError};

/// The journal.
#[derive(Debug, Clone)]
pub struct Journal {
    folder: PathBuf,
}

/// What is known of one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Which attempt.
    pub fence: Fence,
    /// How far it is.
    pub stage: AttemptStage,
    /// Process groups that were started for it and may still be there.
    #[serde(default)]
    pub process_groups: Vec<ProcessGroup>,
}

/// How far an attempt is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptStage {
    /// It works.
    Running,
    /// It ended without success; the control plane has not taken the word yet.
    Failed(Failure),
    /// It was cancelled and nothing of it is left; the control plane has not taken the word yet.
    Cancelled,
    /// A restore succeeded; the control plane has not taken the report yet. The report is a `RestoreOutcome`, encoded.
    Restored {
        /// The encoded message.
        #[serde(with = "hex")]
        outcome: Vec<u8>,
    },
    /// Copies of a backup were looked into; the control plane has not taken the report yet. The report is a `VerifyOutcome`,
    /// encoded.
    Verified {
        /// The encoded message.
        #[serde(with = "hex")]
        outcome: Vec<u8>,
    },
    /// A backup's payload is stored and countersigned; the manifest may not be in every storage yet.
    Committing(CommitInProgress),
}

/// What is needed to finish a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInProgress {
    /// The datasource the backup is of.
    pub datasource: dataguardian_core::ids::DatasourceId,
    /// The backup.
    pub backup: dataguardian_core::ids::BackupId,
    /// Where the manifest goes.
    pub repositories: Vec<CommitRepository>,
    /// The storages that fell out before.
    pub failed: Vec<(String, Failure)>,
    /// The manifest as it will stand.
    #[serde(with = "hex")]
    pub manifest: Vec<u8>,
}

/// A repository that a manifest goes into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRepository {
    /// The storage.
    pub storage: dataguardian_core::ids::StorageId,
    /// Its name, for messages.
    pub name: String,
    /// The repository that must be there.
    pub repository: dataguardian_core::ids::RepositoryId,
    /// The path on this host; none for a bucket, whose secret is not written down: the control plane has its manifest put
    /// if this process does not come to it.
    #[serde(default)]
    pub local_path: Option<PathBuf>,
}

/// A process group, with what tells it from a later one of the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessGroup {
    /// The leader's process id, which is the group's number.
    pub id: i32,
    /// When the leader started, in clock ticks after boot (`proc(5)`, `/proc/<pid>/stat`, field 22).
    pub started: u64,
}

impl Journal {
    /// The journal of a state directory.
    pub fn open(state: &StateDir) -> Self {
        Self {
            folder: state.journal(),
        }
    }

    /// Writes an entry down, durably, in place of the attempt's earlier one.
    pub fn write(&self, entry: &JournalEntry) -> Result<(), StateError> {
        let path = self.path(&entry.fence);
        let text = serde_json::to_vec(entry).map_err(|error| StateError::Io {
            path: path.clone(),
            source: std::io::Error::other(error),
        })?;
        state::write(&path, &text)
    }

    /// Forgets an attempt, durably.
    pub fn forget(&self, fence: &Fence) -> Result<(), StateError> {
        state::remove(&self.path(fence))
    }

    /// Every attempt, and the files that are no entries: damaged ones are kept for a person to look at.
    pub fn load(&self) -> Result<(Vec<JournalEntry>, Vec<PathBuf>), StateError> {
        let mut entries = Vec::new();
        let mut damaged = Vec::new();
        let error = |source| StateError::Io {
            path: self.folder.clone(),
            source,
        };
        for file in fs::read_dir(&self.folder).map_err(error)? {
            let path = file.map_err(error)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match state::read(&path)?.map(|text| serde_json::from_slice(&text)) {
                Some(Ok(entry)) => entries.push(entry),
                Some(Err(_)) => damaged.push(path),
                None => {}
            }
        }
        Ok((entries, damaged))
    }

    fn path(&self, fence: &Fence) -> PathBuf {
        self.folder
            .join(format!("{}-{}.json", fence.execution, fence.attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataguardian_core::failure::FailureKind;
    use dataguardian_core::ids::{ExecutionId, LeaseToken};

    fn entry(stage: AttemptStage) -> JournalEntry {
        let fence = Fence {
            execution: ExecutionId::new(),
            attempt: 1,
            lease_token: LeaseToken::new(),
        };
        JournalEntry {
            fence,
            stage,
            process_groups: vec![ProcessGroup { id: 42, started: 7 }],
        }
    }

    #[test]
    fn an_entry_is_replaced_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&StateDir::open(&folder.path().join("state")).unwrap());
        let mut entry = entry(AttemptStage::Running);
        journal.write(&entry).unwrap();
        entry.stage = AttemptStage::Failed(Failure::new(FailureKind::StorageFull, "no room"));
        journal.write(&entry).unwrap();
        assert_eq!(journal.load().unwrap(), (vec![entry.clone()], vec![]));
        journal.forget(&entry.fence).unwrap();
        journal.forget(&entry.fence).unwrap();
        assert_eq!(journal.load().unwrap(), (vec![], vec![]));
    }

    #[test]
    fn a_damaged_entry_is_told_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(&folder.path().join("state")).unwrap();
        fs::write(state.journal().join("x-1.json"), "{").unwrap();
        let (entries, damaged) = Journal::open(&state).load().unwrap();
        assert_eq!((entries.len(), damaged.len()), (0, 1));
    }
}
