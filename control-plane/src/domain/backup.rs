//! Backups: what completed backup executions left behind.

use chrono::{DateTime, Utc};
use dataguardian_core::database::{MissingDatabase, Warning};
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{AgentId, BackupId, DatasourceId, ExecutionId, JobId, StorageId};
use dataguardian_core::stream::StreamHeader;
use dataguardian_repository::chunker::Profile;
use dataguardian_repository::verify::Level;

use super::deletion::{BackupState, CopyState, Pin};
use super::execution::{kept_missing, kept_warnings};
use super::field::BadField;
use super::job::Encryption;
use super::reference::Reference;
use super::text;
use super::verification::{CheckOutcome, CopyCheck, DamagedObject};

/// A committed backup.
#[derive(Debug, Clone, PartialEq)]
pub struct Backup {
    /// Its id. A later backup of the same datasource has a greater one.
    pub id: BackupId,
    /// The execution that made it.
    pub execution: ExecutionId,
    /// The job, and its name; none when the job is gone.
    pub job: Option<(JobId, String)>,
    /// What it is a backup of.
    pub datasource: DatasourceId,
    /// That datasource's name.
    pub datasource_name: String,
    /// The agent that made it.
    pub agent: AgentId,
    /// The kind of server.
    pub engine: Engine,
    /// What the catalogue shows of it without opening its manifest.
    pub summary: BackupSummary,
    /// When it was committed.
    pub completed_at: DateTime<Utc>,
    /// Whether it is sealed.
    pub encryption: Encryption,
    /// Packs that it names.
    pub packs: u32,
    /// How its streams were cut.
    pub profile: Profile,
    /// The backup that it was compared with.
    pub base: Option<BackupId>,
    /// Where it is.
    pub copies: Vec<BackupCopy>,
    /// Whether it is kept, or on its way out.
    pub state: BackupState,
    /// Why it may not be deleted, if somebody said so.
    pub pin: Option<Pin>,
    /// Rises with each pin and with its deletion.
    pub revision: i64,
}

/// What the catalogue shows of a backup without opening its manifest, as the agent summed it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSummary {
    /// The server's version.
    pub server_version: String,
    /// When the dump began.
    pub started_at: DateTime<Utc>,
    /// When the dump ended.
    pub ended_at: DateTime<Utc>,
    /// The databases in it.
    pub databases: Vec<String>,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Bytes newly stored.
    pub stored_bytes: u64,
    /// Bytes before compression that needed no storing, since they were stored already.
    pub reused_bytes: u64,
    /// Rows in all.
    pub rows: u64,
    /// Tables in all.
    pub tables: u32,
    /// What to know about it all the same.
    pub warnings: Vec<Warning>,
    /// The databases that were meant and are not in it.
    pub missing: Vec<MissingDatabase>,
}

impl BackupSummary {
    /// What is kept of an agent's summary: bounded, without zero bytes.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.server_version = text::kept(&self.server_version, text::MAX_TEXT);
        self.databases.truncate(10_000);
        for database in &mut self.databases {
            *database = text::kept(database, text::MAX_TEXT);
        }
        self.started_at = text::kept_time(self.started_at);
        self.ended_at = text::kept_time(self.ended_at);
        self.warnings = kept_warnings(self.warnings);
        self.missing = kept_missing(self.missing);
        self
    }
}

/// Who saw that all that a manifest names is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckedBy {
    /// The control plane itself.
    ControlPlane,
    /// The agent, since nobody else reaches the storage.
    Agent,
}

impl CheckedBy {
    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ControlPlane => "control_plane",
            Self::Agent => "agent",
        }
    }
}

/// A backup in one storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupCopy {
    /// The storage.
    pub storage: StorageId,
    /// Its name.
    pub storage_name: String,
    /// Who saw to the objects before the commit.
    pub checked_by: CheckedBy,
    /// When manifest and all that it names were there; none while they are not.
    pub completed_at: Option<DateTime<Utc>>,
    /// Whether it is to be, is whole, or is on its way out.
    pub state: CopyState,
    /// Why it is not complete, or why its manifest could not be deleted yet, if that is known.
    pub failure: Option<Failure>,
    /// Since when something of it is known to be damaged or lost.
    pub damaged_at: Option<DateTime<Utc>>,
    /// The last check at each level.
    pub checks: Vec<CopyCheck>,
    /// The first objects that are damaged or lost. Looked up where one backup is shown.
    pub damage: Vec<DamagedObject>,
}

impl BackupCopy {
    /// Whether it is complete, and nothing of it is known to be damaged.
    pub const fn is_whole(&self) -> bool {
        matches!(self.state, CopyState::Complete) && self.damaged_at.is_none()
    }
}

impl Backup {
    /// When it last passed a check that proves that it can be read back, in a storage where it is whole.
    pub fn verified_at(&self) -> Option<DateTime<Utc>> {
        let whole = self.copies.iter().filter(|copy| copy.is_whole());
        let proofs = whole
            .flat_map(|copy| &copy.checks)
            .filter(|check| check.level >= Level::Contents && check.outcome == CheckOutcome::Good);
        proofs.map(|check| check.checked_at).max()
    }
}

/// Which backups to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackupFilter {
    /// Only those of this datasource.
    pub datasource: Option<Reference<DatasourceId>>,
    /// Only those of this job.
    pub job: Option<Reference<JobId>>,
    /// Those too that are being deleted.
    pub with_deleting: bool,
    /// Only those that somebody may see.
    pub within: super::access::Within,
}

/// A manifest with its signatures, as it stands in every storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedManifest {
    /// The payload's bytes.
    pub payload: Vec<u8>,
    /// The agent's signature: Ed25519, 64 bytes.
    pub agent_signature: Vec<u8>,
    /// The agent's public key at that time: Ed25519, 32 bytes.
    pub agent_public_key: Vec<u8>,
    /// The control plane's signature: Ed25519, 64 bytes.
    pub control_plane_signature: Vec<u8>,
    /// The control plane's public key: Ed25519, 32 bytes.
    pub control_plane_public_key: Vec<u8>,
}

/// Which streams of a backup to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamFilter {
    /// Only those of this database.
    pub database: Option<String>,
    /// Only those of tables in this schema.
    pub schema: Option<String>,
}

impl StreamFilter {
    /// Reads both fields; empty ones filter nothing.
    pub fn parse(database: &str, schema: &str) -> Result<Self, BadField> {
        let read = |field, value: &str| match value {
            "" => Ok(None),
            value => text::required(field, value, text::MAX_TEXT).map(|()| Some(value.to_owned())),
        };
        Ok(Self {
            database: read("database", database)?,
            schema: read("schema", schema)?,
        })
    }

    /// Whether a stream is to be listed.
    pub fn admits(&self, header: &StreamHeader) -> bool {
        let schema = header.object.as_ref().map(|object| &object.schema);
        (self.database.is_none() || self.database == header.database)
            && (self.schema.is_none() || self.schema.as_ref() == schema)
    }
}

/// A stream of a backup, as its manifest tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupStream {
    /// What it holds.
    pub header: StreamHeader,
    /// Bytes before compression.
    pub bytes: u64,
    /// Rows; none where counting makes no sense.
    pub rows: Option<u64>,
}
