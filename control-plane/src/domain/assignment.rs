//! Assignments: work on its way to an agent, and what comes back.

use std::path::PathBuf;
use std::time::Duration;

use dataguardian_core::database::Warning;
use dataguardian_core::execution::Fence;
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{BackupId, DatasourceId, JobId, RepositoryId, StorageId};
use dataguardian_core::name::ResourceName;
use dataguardian_core::secret::{Secret, SecretBytes};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::storage::Strategy;
use dataguardian_core::target::ConnectionTarget;
use dataguardian_repository::id::KeyId;
use dataguardian_repository::verify::Level;

use super::backup::BackupSummary;
use super::execution::RestoreReport;
use super::job::{BackupOptions, Encryption};
use super::restore::RestoreOptions;
use super::reuse::ReusePlan;
use super::storage::S3Bucket;
use super::verification::CopyFindings;

/// Work, with everything that is needed for it, the secrets included. Lives in memory only.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// What every report on it must carry.
    pub fence: Fence,
    /// The agent ends the attempt itself after this long.
    pub max_duration: Duration,
    /// The agent ends the attempt itself when nothing moves for this long.
    pub no_progress_timeout: Duration,
    /// What is to be done.
    pub work: Work,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Work {
    /// A backup.
    Backup(Box<BackupAssignment>),
    /// A restore.
    Restore(Box<RestoreAssignment>),
    /// A verification.
    Verify(Box<VerifyAssignment>),
}

/// How an agent reaches a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryLocation {
    /// The storage.
    pub storage: StorageId,
    /// Its name.
    pub storage_name: ResourceName,
    /// The repository in it.
    pub repository: RepositoryId,
    /// Where it is.
    pub place: Place,
}

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An absolute path on the agent's host.
    LocalPath(PathBuf),
    /// A folder in a bucket, with the secret of the agents' key.
    S3(Box<S3Bucket>, Secret),
}

/// Everything for a backup.
#[derive(Debug, Clone)]
pub struct BackupAssignment {
    /// The id the backup will have.
    pub backup: BackupId,
    /// The job that it is of; none if that was deleted after the run was asked for.
    pub job: Option<JobId>,
    /// What is backed up.
    pub datasource: DatasourceId,
    /// Its name.
    pub datasource_name: ResourceName,
    /// How it is reached.
    pub connection: ConnectionTarget,
    /// Which databases.
    pub databases: DatabaseSelection,
    /// To where, in the order in which they are used.
    pub repositories: Vec<RepositoryLocation>,
    /// How they are used.
    pub strategy: Strategy,
    /// The datasource's keys, encoded; none for an unencrypted backup.
    pub datasource_keys: Option<SecretBytes>,
    /// How it is made.
    pub options: BackupOptions,
    /// A recovery kit for repositories that lack it; none if nobody has made one.
    pub wrapped_key: Option<WrappedKey>,
    /// How streams are cut, and why.
    pub reuse: Option<ReusePlan>,
    /// The backup in which chunks are looked for.
    pub base: Option<ReuseBase>,
}

/// An earlier backup that a backup builds upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReuseBase {
    /// Which.
    pub backup: BackupId,
    /// The agent's key that signed its manifest: Ed25519, 32 bytes.
    pub agent_public_key: Vec<u8>,
    /// The control plane's key that signed it: Ed25519, 32 bytes.
    pub control_plane_public_key: Vec<u8>,
}

/// A recovery kit, sealed for its recipients: whoever writes into a repository puts it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The installation key in use.
    pub key: KeyId,
    /// An age file, as text.
    pub kit: String,
}

/// Everything for a restore.
#[derive(Debug, Clone)]
pub struct RestoreAssignment {
    /// Which backup.
    pub backup: BackupId,
    /// The datasource it is of.
    pub source_datasource: DatasourceId,
    /// The copies, the best first.
    pub repositories: Vec<RepositoryLocation>,
    /// The source datasource's keys, encoded; none for an unencrypted backup.
    pub datasource_keys: Option<SecretBytes>,
    /// The agent's key that signed the manifest: Ed25519, 32 bytes.
    pub agent_public_key: Vec<u8>,
    /// The control plane's key that signed the manifest: Ed25519, 32 bytes.
    pub control_plane_public_key: Vec<u8>,
    /// How the target is reached.
    pub target: ConnectionTarget,
    /// How it is done.
    pub options: RestoreOptions,
}

/// Everything for a verification.
#[derive(Debug, Clone)]
pub struct VerifyAssignment {
    /// Which backup.
    pub backup: BackupId,
    /// The datasource it is of.
    pub datasource: DatasourceId,
    /// The copies.
    pub repositories: Vec<RepositoryLocation>,
    /// Whether the backup is sealed.
    pub encryption: Encryption,
    /// The datasource's keys, encoded; none for an unencrypted backup, and for an agent that may not have them.
    pub datasource_keys: Option<SecretBytes>,
    /// The agent's key that signed the manifest: Ed25519, 32 bytes.
    pub agent_public_key: Vec<u8>,
    /// The control plane's key that signed the manifest: Ed25519, 32 bytes.
    pub control_plane_public_key: Vec<u8>,
    /// How closely to look.
    pub level: Level,
}

/// What an agent can take on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FreeSlots(pub u32);

/// What became of an accepted offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// The attempt has begun.
    Running,
    /// In the meantime somebody wished that it end: tell the agent to cancel.
    Cancelling,
}

/// A pack that is in a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPack {
    /// SHA-256 of the stored bytes.
    pub id: [u8; 32],
    /// Where it is.
    pub storage: StorageId,
    /// Its size.
    pub stored_bytes: u64,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Chunks in it.
    pub chunks: u32,
}

/// The most packs in one report.
pub const MAX_PACKS_PER_REPORT: usize = 1000;
/// The largest payload of a manifest, in bytes.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// How an attempt ended, by the agent.
#[derive(Debug, Clone)]
pub enum AttemptOutcome {
    /// The backup's data is stored; its manifest is not.
    Backup(Box<BackupOutcome>),
    /// The restore is done.
    Restore {
        /// What was restored.
        report: RestoreReport,
        /// What to know about it all the same.
        warnings: Vec<Warning>,
    },
    /// Copies were looked into.
    Verify(Vec<CopyFindings>),
    /// It failed.
    Failed(Failure),
    /// Nothing of a cancelled attempt is left.
    Cancelled,
}

/// A backup whose data is stored.
#[derive(Debug, Clone)]
pub struct BackupOutcome {
    /// The manifest's payload, as it will stand in every storage.
    pub payload: Vec<u8>,
    /// The agent's signature over it: Ed25519, 64 bytes.
    pub agent_signature: Vec<u8>,
    /// What the catalogue shows.
    pub summary: BackupSummary,
    /// The storages that hold every object that the payload names.
    pub complete_storages: Vec<StorageId>,
    /// Storages that failed.
    pub failed_storages: Vec<StorageFailure>,
}

/// A storage that failed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageFailure {
    /// The storage.
    pub storage: StorageId,
    /// Why.
    pub failure: Failure,
}

/// The answer to an attempt's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completion {
    /// Put the manifest into the storages with this signature beside the agent's own, then confirm.
    Commit(Countersignature),
    /// Nothing more to do.
    Settled,
}

/// The control plane's signature over a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Countersignature {
    /// Ed25519, 64 bytes.
    pub signature: Vec<u8>,
    /// Ed25519, 32 bytes.
    pub public_key: Vec<u8>,
}

/// An attempt that an agent names when it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InFlight {
    /// Which.
    pub fence: Fence,
    /// Whether it runs; otherwise it has a result to send.
    pub running: bool,
}
