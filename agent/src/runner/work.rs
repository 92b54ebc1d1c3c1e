//! Assignments: what an attempt is to do, checked and typed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{BackupId, ControlPlaneId, DatasourceId, JobId, RepositoryId, StorageId};
use dataguardian_core::object_choice::ObjectChoice;
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::storage::Strategy;
use dataguardian_core::target::ConnectionTarget;
use dataguardian_repository::chunker::Profile;
use dataguardian_repository::compress::Level;
use dataguardian_repository::id::KeyId;
use dataguardian_repository::keys::Protection;
use dataguardian_repository::manifest::VerifyingKey;
use dataguardian_repository::storage::s3::S3Settings;
use dataguardian_repository::verify::Level as VerifyLevel;

use crate::reuse::Base;

mod from_wire;

pub(crate) use from_wire::{id, places, protection, trusted_keys};

/// An attempt, as assigned.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub(crate) fence: Fence,
    pub(crate) max_duration: Duration,
    pub(crate) no_progress_timeout: Duration,
    pub(crate) work: Work,
    /// Where in its trace it was offered; empty if that is not known.
    pub(crate) traceparent: String,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Work {
    Backup(Box<BackupWork>),
    Restore(Box<RestoreWork>),
    Verify(Box<VerifyWork>),
}

impl Work {
    /// The database server, if it has to do with one.
    pub(crate) fn target(&self) -> Option<&ConnectionTarget> {
        match self {
            Self::Backup(work) => Some(&work.target),
            Self::Restore(work) => Some(&work.target),
            Self::Verify(_) => None,
        }
    }

    /// How long locks may be waited for.
    pub(crate) fn lock_timeout(&self) -> Duration {
        match self {
            Self::Backup(work) => work.lock_timeout,
            Self::Restore(_) | Self::Verify(_) => Duration::ZERO,
        }
    }

    /// Whether it takes one of the agent's slots. A verification does not: it would hold up the next backup.
    pub(crate) fn takes_a_slot(&self) -> bool {
        match self {
            Self::Backup(_) | Self::Restore(_) => true,
            Self::Verify(_) => false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct BackupWork {
    pub(crate) backup: BackupId,
    /// None if it was deleted after the run was asked for.
    pub(crate) job: Option<JobId>,
    pub(crate) datasource: DatasourceId,
    pub(crate) target: ConnectionTarget,
    pub(crate) selection: DatabaseSelection,
    pub(crate) repositories: Vec<RepositoryPlace>,
    pub(crate) strategy: Strategy,
    pub(crate) protection: Protection,
    pub(crate) level: Level,
    pub(crate) table_connections: usize,
    pub(crate) lock_timeout: Duration,
    pub(crate) exclude_tables: Vec<String>,
    pub(crate) exclude_table_data: Vec<String>,
    pub(crate) control_plane: ControlPlaneId,
    /// A recovery kit for repositories that lack it.
    pub(crate) wrapped_key: Option<WrappedKey>,
    pub(crate) profile: Profile,
    /// Why streams are cut so, for the log; none where nothing is to be said.
    pub(crate) because: Option<&'static str>,
    /// The backup in which chunks are looked for.
    pub(crate) base: Option<Base>,
}

/// A recovery kit that this agent can't open, and the installation key that it is named by.
#[derive(Debug)]
pub(crate) struct WrappedKey {
    pub(crate) key: KeyId,
    pub(crate) kit: String,
}

#[derive(Debug)]
pub(crate) struct RestoreWork {
    pub(crate) backup: BackupId,
    pub(crate) datasource: DatasourceId,
    pub(crate) repositories: Vec<RepositoryPlace>,
    pub(crate) protection: Protection,
    pub(crate) trusted: Vec<VerifyingKey>,
    pub(crate) target: ConnectionTarget,
    pub(crate) mode: RestoreMode,
    /// Old names to new ones; empty means all, under their own.
    pub(crate) databases: BTreeMap<String, String>,
    pub(crate) no_owner: bool,
    pub(crate) create_missing_roles: bool,
    pub(crate) keep_unfinished: bool,
    /// The only parts that are wanted.
    pub(crate) objects: ObjectChoice,
    /// Whether it ends before anything is touched.
    pub(super) plan_only: bool,
    /// The database that they go into, with [`RestoreMode::Into`].
    pub(crate) into: Option<String>,
    pub(crate) parallelism: usize,
}

#[derive(Debug)]
pub(crate) struct VerifyWork {
    pub(crate) backup: BackupId,
    pub(crate) datasource: DatasourceId,
    pub(crate) repositories: Vec<RepositoryPlace>,
    /// What opens the backup; none if it is sealed and no keys came.
    pub(crate) protection: Option<Protection>,
    pub(crate) trusted: Vec<VerifyingKey>,
    pub(crate) level: VerifyLevel,
}

/// What becomes of a database that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RestoreMode {
    Create,
    Replace,
    Into,
    Scratch { keep: bool },
}

/// Where a repository is, on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RepositoryPlace {
    pub(crate) storage: StorageId,
    pub(crate) name: String,
    pub(crate) repository: RepositoryId,
    pub(crate) place: Place,
}

/// What kind of place it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A folder on this host.
    Local(PathBuf),
    /// A folder in a bucket, with what opens it.
    S3(Box<S3Settings>),
    /// A bucket of which this process does not know what opens it: its secret was never written down here.
    Locked,
}
