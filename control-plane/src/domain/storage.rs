//! Storages: the places for backups.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{AgentId, RepositoryId, StorageId};
use dataguardian_core::name::ResourceName;
use uuid::Uuid;

use super::datasource::absolute_path;
use super::field::{BadField, Checks};
use super::reference::Reference;

mod s3;

pub use s3::{S3Bucket, S3Change, S3Secrets, SealedSecrets};

/// Where a storage is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageLocation {
    /// A folder on an agent's host, reached by that agent alone.
    Local {
        /// The agent.
        agent: AgentId,
        /// Its name.
        agent_name: ResourceName,
        /// Absolute.
        path: PathBuf,
    },
    /// A folder in a bucket, reached by every agent.
    S3(Box<S3Bucket>),
}

impl StorageLocation {
    /// Whether `agent` reaches it.
    pub fn reached_by(&self, agent: AgentId) -> bool {
        match self {
            Self::Local { agent: owner, .. } => *owner == agent,
            Self::S3(_) => true,
        }
    }

    /// Whether an agent that was broken into could destroy what is stored here.
    pub const fn protected_from_agents(&self) -> bool {
        match self {
            // Who may put can put over what is there, unless the bucket's own rules forbid it, which nobody sees from here.
            Self::Local { .. } | Self::S3(_) => false,
        }
    }
}

/// A storage whose place could overlap another one's: a folder that the same agent reaches, or one in the same bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name.
    pub name: ResourceName,
    /// Its folder; in a bucket the prefix.
    pub path: PathBuf,
}

/// How one folder lies to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// They are one.
    Same,
    /// It lies within the other.
    Within,
    /// It holds the other.
    Around,
}

impl StorageLocation {
    /// Refused if it is a neighbour's place, within it, or around it: two storages there would be two copies that are lost
    /// together. Paths are compared as they are written; what links and mounts make of them the agent sees, and of one server
    /// with two names the repository's id shows.
    pub fn keep_apart(&self, neighbours: &[Neighbour]) -> Result<(), String> {
        let (path, root) = match self {
            Self::Local { path, .. } => (path.as_path(), String::new()),
            Self::S3(bucket) => (Path::new(&bucket.prefix), format!("s3://{}/", bucket.bucket)),
        };
        let told = neighbours.iter().find_map(|other| {
            let (name, place) = (&other.name, format!("{root}{}", other.path.display()));
            match overlap(path, &other.path)? {
                Overlap::Same => Some(format!("storage {name} is at that place already")),
                Overlap::Within => Some(format!("storage {name} is at {place}, around that place")),
                Overlap::Around => Some(format!("storage {name} is at {place}, within that place")),
            }
        });
        told.map_or(Ok(()), Err)
    }
}

/// How `path` lies to `other`, as they are written; none if apart.
pub fn overlap(path: &Path, other: &Path) -> Option<Overlap> {
    match (path.starts_with(other), other.starts_with(path)) {
        (true, true) => Some(Overlap::Same),
        (true, false) => Some(Overlap::Within),
        (false, true) => Some(Overlap::Around),
        (false, false) => None,
    }
}

/// A place for backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Its id.
    pub id: StorageId,
    /// Its name.
    pub name: ResourceName,
    /// Where it is.
    pub location: StorageLocation,
    /// Its secrets.
    pub sealed: SealedSecrets,
    /// The repository in it.
    pub repository: RepositoryId,
    /// Whether the place refuses to overwrite, as the probe found.
    pub conditional_put: bool,
    /// Backups that may be written into it at the same time; none for as many as come.
    pub max_concurrent: Option<u32>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Rises with every change: the etag.
    pub revision: i64,
}

/// Why nothing of a datasource may be collected in a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionHold {
    /// The datasource's name.
    pub datasource: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Where a storage is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NewLocation {
    /// A folder on an agent's host.
    Local {
        /// The agent.
        agent: Reference<AgentId>,
        /// Absolute.
        path: PathBuf,
    },
    /// A folder in a bucket.
    S3(Box<S3Bucket>, S3Secrets),
}

/// A storage to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStorage {
    /// Its name.
    pub name: ResourceName,
    /// Where it is to be.
    pub location: NewLocation,
    /// Backups that may be written into it at the same time; none for as many as come.
    pub max_concurrent: Option<u32>,
    /// The caller's id for this request.
    pub request_id: Option<Uuid>,
}

impl NewStorage {
    /// Checks everything that can be checked without looking anything up.
    pub fn check(&self) -> Result<(), Vec<BadField>> {
        let mut checks = Checks::new();
        match &self.location {
            NewLocation::Local { path, .. } => drop(checks.take(absolute_path("local.path", path))),
            NewLocation::S3(bucket, secrets) => {
                bucket.check(&mut checks);
                checks.require(!secrets.secret.is_empty(), "secret_access_key", "must be given");
                checks.require(
                    secrets.delete.is_some() != bucket.delete_access_key_id.is_empty(),
                    "delete_secret_access_key",
                    "must be given together with delete_access_key_id",
                );
            }
        }
        check_max_concurrent(&mut checks, self.max_concurrent);
        checks.finish()
    }
}

/// Where a local storage lies from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalMove {
    /// Another agent.
    pub agent: Option<Reference<AgentId>>,
    /// Another folder.
    pub path: Option<PathBuf>,
}

/// A storage as it is to be, not saved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageUpdate {
    /// The storage, with the revision that it has now.
    pub after: Storage,
    /// Whether it lies elsewhere from now on. Then an agent has to find its repository there first.
    pub moves: bool,
}

/// A change of a storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageChange {
    /// Field `max_concurrent`: the new value, none for as many as come.
    pub max_concurrent: Option<Option<u32>>,
    /// What changes of a bucket's keys and address.
    pub s3: S3Change,
    /// Field `local`: where a local storage lies from now on.
    pub local: Option<LocalMove>,
    /// Refuse the change unless this is the present revision.
    pub expected_revision: Option<i64>,
}

impl StorageChange {
    /// Checks the ranges.
    pub fn check(&self) -> Result<(), Vec<BadField>> {
        let mut checks = Checks::new();
        check_max_concurrent(&mut checks, self.max_concurrent.flatten());
        if let Some(path) = self.local.as_ref().and_then(|local| local.path.as_ref()) {
            checks.take(absolute_path("local.path", path));
        }
        checks.finish()
    }
}

fn check_max_concurrent(checks: &mut Checks, limit: Option<u32>) {
    let fits = limit.is_none_or(|limit| (1..=1000).contains(&limit));
    checks.require(
        fits,
        "max_concurrent",
        "must be 1 to 1000, or 0 for as many as come",
    );
}

/// The outcome of the first step of making a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageCreation {
    /// The same request was answered before with this storage.
    Done(Box<Storage>),
    /// All is right so far: have an agent prepare the repository, then save it.
    Prepare(Box<StorageDraft>),
}

/// A storage that is checked but not saved yet. Pass it on to the second step as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageDraft {
    /// The id it will have.
    pub id: StorageId,
    /// Its name.
    pub name: ResourceName,
    /// Where it is.
    pub location: StorageLocation,
    /// Its secrets.
    pub sealed: SealedSecrets,
    /// The id the repository will have, unless there is one of ours already.
    pub repository: RepositoryId,
    /// Backups that may be written into it at the same time; none for as many as come.
    pub max_concurrent: Option<u32>,
    /// The storages beside it, from which it must keep apart.
    pub neighbours: Vec<Neighbour>,
    /// The caller's id for this request.
    pub request_id: Option<Uuid>,
}

/// What the agent found when it prepared a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreparedRepository {
    /// The repository's id: the one asked for, or the one that was there already and is ours.
    pub repository: RepositoryId,
    /// Whether the place refuses to overwrite.
    pub conditional_put: bool,
}
