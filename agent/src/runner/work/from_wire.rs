//! Assignments, read once at the edge: what comes out is checked and typed, or the offer is declined.

use std::path::PathBuf;
use std::time::Duration;

use dataguardian_core::object_choice::ObjectChoice;
use dataguardian_core::secret::Secret;
use dataguardian_core::storage::Strategy;
use dataguardian_proto::agent::v1;
use dataguardian_proto::convert::{self, InvalidField};
use dataguardian_proto::v1 as public;
use dataguardian_repository::chunker::Profile;
use dataguardian_repository::compress::Level;
use dataguardian_repository::keys::{DatasourceKeys, Protection};
use dataguardian_repository::manifest::VerifyingKey;
use dataguardian_repository::storage::s3::{self, S3Settings};
use dataguardian_repository::verify::Level as VerifyLevel;

use super::{
    Assignment, BackupWork, Place, RepositoryPlace, RestoreMode, RestoreWork, VerifyWork, Work, WrappedKey,
};
use crate::reuse::Base;

/// How long nothing may move if the assignment does not say.
const DEFAULT_NO_PROGRESS: Duration = Duration::from_secs(30 * 60);
/// Shorter ones would end attempts that go on.
const SHORTEST_NO_PROGRESS: Duration = Duration::from_secs(10);

impl TryFrom<v1::Assignment> for Assignment {
    type Error = InvalidField;

    fn try_from(wire: v1::Assignment) -> Result<Self, InvalidField> {
        let fence = convert::fence(wire.fence).map_err(|error| invalid("fence", &error))?;
        let max_duration = convert::length("max_duration", &wire.max_duration.unwrap_or_default())?;
        // A control plane that does not know of it sends none.
        let no_progress_timeout = wire
            .no_progress_timeout
            .map_or(Ok(DEFAULT_NO_PROGRESS), |timeout| {
                convert::length("no_progress_timeout", &timeout)
            })?;
        let work = match wire.work {
            Some(v1::assignment::Work::Backup(backup)) => Work::Backup(Box::new(backup.try_into()?)),
            Some(v1::assignment::Work::Restore(restore)) => Work::Restore(Box::new(restore.try_into()?)),
            Some(v1::assignment::Work::Verify(verify)) => Work::Verify(Box::new(verify.try_into()?)),
            None => {
                return Err(InvalidField::new(
                    "work",
                    "is of a kind that this agent does not know",
                ));
            }
        };
        Ok(Self {
            fence,
            max_duration,
            no_progress_timeout: no_progress_timeout.max(SHORTEST_NO_PROGRESS),
            work,
            traceparent: wire.traceparent,
        })
    }
}

impl TryFrom<v1::BackupAssignment> for BackupWork {
    type Error = InvalidField;

    fn try_from(wire: v1::BackupAssignment) -> Result<Self, InvalidField> {
        let strategy = Strategy::from(wire.strategy());
        let (profile, because) = chunking(&wire);
        let level = i32::try_from(wire.compression_level).unwrap_or(i32::MAX);
        Ok(Self {
            backup: id("backup_id", &wire.backup_id)?,
            job: optional_id("job_id", &wire.job_id)?,
            datasource: id("datasource_id", &wire.datasource_id)?,
            target: given("connection", wire.connection)?.try_into()?,
            selection: given("databases", wire.databases)?.try_into()?,
            repositories: places(wire.repositories)?,
            strategy,
            protection: protection(&wire.datasource_keys)?,
            level: Level::try_from(level).map_err(|error| invalid("compression_level", &error))?,
            table_connections: count("table_connections", wire.table_connections)?,
            lock_timeout: convert::length("lock_timeout", &wire.lock_timeout.unwrap_or_default())?,
            exclude_tables: wire.exclude_tables,
            exclude_table_data: wire.exclude_table_data,
            control_plane: id("control_plane_id", &wire.control_plane_id)?,
            wrapped_key: wire.wrapped_key.map(WrappedKey::try_from).transpose()?,
            profile,
            because,
            base: wire.base.map(Base::try_from).transpose()?,
        })
    }
}

impl TryFrom<v1::ReuseBase> for Base {
    type Error = InvalidField;

    fn try_from(wire: v1::ReuseBase) -> Result<Self, InvalidField> {
        Ok(Self {
            backup: id("base.backup_id", &wire.backup_id)?,
            trusted: wire
                .trusted_keys
                .into_iter()
                .map(trusted)
                .collect::<Result<_, _>>()?,
        })
    }
}

/// How streams are cut, and why if it is worth a word.
fn chunking(wire: &v1::BackupAssignment) -> (Profile, Option<&'static str>) {
    use public::ChunkingReason as Reason;
    match (wire.chunking(), wire.chunking_reason()) {
        (public::Chunking::Stream, Reason::Job) => (
            Profile::Stream,
            Some("the job says that nothing earlier is looked for: all is stored anew"),
        ),
        (public::Chunking::Stream, _) => (
            Profile::Stream,
            Some(
                "less than 20 % of the last backups was stored already: nothing earlier is looked for, all is stored anew",
            ),
        ),
        (_, Reason::Trial) => (
            Profile::ContentDefined,
            Some(
                "after many backups without looking, it is tried again whether much of the data stays as it is",
            ),
        ),
        _ => (Profile::ContentDefined, None),
    }
}

impl TryFrom<v1::WrappedKey> for WrappedKey {
    type Error = InvalidField;

    fn try_from(wire: v1::WrappedKey) -> Result<Self, InvalidField> {
        Ok(Self {
            key: id("key_id", &wire.key_id)?,
            kit: wire.kit,
        })
    }
}

impl TryFrom<v1::RestoreAssignment> for RestoreWork {
    type Error = InvalidField;

    fn try_from(wire: v1::RestoreAssignment) -> Result<Self, InvalidField> {
        let mode = match wire.mode() {
            public::RestoreMode::Unspecified => return Err(InvalidField::new("mode", "must be given")),
            public::RestoreMode::Create => RestoreMode::Create,
            public::RestoreMode::Replace => RestoreMode::Replace,
            public::RestoreMode::Into => RestoreMode::Into,
            public::RestoreMode::Scratch => RestoreMode::Scratch {
                keep: wire.keep_scratch,
            },
        };
        let objects =
            ObjectChoice::parse(&wire.schemas, &wire.tables).map_err(|error| invalid("tables", &error))?;
        // All of a database never goes into one that lives, and a part never replaces one.
        let fits = match mode {
            RestoreMode::Into => !objects.is_everything() && !wire.into_database.is_empty(),
            RestoreMode::Replace => objects.is_everything(),
            RestoreMode::Create | RestoreMode::Scratch { .. } => true,
        };
        if !fits {
            return Err(InvalidField::new("mode", "does not fit what is to be restored"));
        }
        let name = |mapping: public::DatabaseMapping| {
            let to = if mapping.to.is_empty() {
                mapping.from.clone()
            } else {
                mapping.to
            };
            (mapping.from, to)
        };
        Ok(Self {
            backup: id("backup_id", &wire.backup_id)?,
            datasource: id("source_datasource_id", &wire.source_datasource_id)?,
            repositories: places(wire.repositories)?,
            protection: protection(&wire.datasource_keys)?,
            trusted: trusted_keys(wire.trusted_keys)?,
            target: given("target", wire.target)?.try_into()?,
            mode,
            databases: wire.databases.into_iter().map(name).collect(),
            no_owner: wire.no_owner,
            create_missing_roles: wire.create_missing_roles,
            keep_unfinished: wire.keep_unfinished,
            plan_only: wire.plan_only,
            into: Some(wire.into_database).filter(|name| !name.is_empty()),
            objects,
            parallelism: count("parallelism", wire.parallelism)?,
        })
    }
}

impl TryFrom<v1::VerifyAssignment> for VerifyWork {
    type Error = InvalidField;

    fn try_from(wire: v1::VerifyAssignment) -> Result<Self, InvalidField> {
        let protection = match (wire.sealed, wire.datasource_keys.is_empty()) {
            (true, true) => None,
            (true, false) | (false, _) => Some(protection(&wire.datasource_keys)?),
        };
        let level = VerifyLevel::from_number(wire.level);
        let level =
            level.ok_or_else(|| InvalidField::new("level", "is one that this agent does not know"))?;
        if level == VerifyLevel::Contents && protection.is_none() {
            return Err(InvalidField::new(
                "datasource_keys",
                "must be given for this level",
            ));
        }
        Ok(Self {
            backup: id("backup_id", &wire.backup_id)?,
            datasource: id("datasource_id", &wire.datasource_id)?,
            repositories: places(wire.repositories)?,
            protection,
            trusted: trusted_keys(wire.trusted_keys)?,
            level,
        })
    }
}

impl TryFrom<v1::RepositoryLocation> for RepositoryPlace {
    type Error = InvalidField;

    fn try_from(wire: v1::RepositoryLocation) -> Result<Self, InvalidField> {
        let place = match wire.place {
            Some(v1::repository_location::Place::LocalPath(path)) => Place::Local(PathBuf::from(path)),
            Some(v1::repository_location::Place::S3(bucket)) => Place::S3(Box::new(s3_settings(bucket))),
            None => {
                return Err(InvalidField::new(
                    "place",
                    "is of a kind that this agent does not know",
                ));
            }
        };
        Ok(Self {
            storage: id("storage_id", &wire.storage_id)?,
            name: wire.storage_name,
            repository: id("repository_id", &wire.repository_id)?,
            place,
        })
    }
}

/// Where the copies of a backup are.
pub(crate) fn places(wire: Vec<v1::RepositoryLocation>) -> Result<Vec<RepositoryPlace>, InvalidField> {
    if wire.is_empty() {
        return Err(InvalidField::new("repositories", "must not be empty"));
    }
    wire.into_iter().map(RepositoryPlace::try_from).collect()
}

fn s3_settings(bucket: v1::S3Bucket) -> S3Settings {
    S3Settings {
        bucket: bucket.bucket,
        prefix: bucket.prefix,
        region: bucket.region,
        endpoint: bucket.endpoint,
        path_style: bucket.path_style,
        ca_pem: bucket.ca_pem,
        allow_http: bucket.allow_http,
        access_key_id: bucket.access_key_id,
        secret_access_key: Secret::new(bucket.secret_access_key),
        stall: s3::STALL,
    }
}

/// What opens a backup: nothing where no keys are given.
pub(crate) fn protection(keys: &[u8]) -> Result<Protection, InvalidField> {
    if keys.is_empty() {
        return Ok(Protection::Plain);
    }
    let keys = DatasourceKeys::from_bytes(keys).map_err(|error| invalid("datasource_keys", &error))?;
    Ok(Protection::encrypted(keys))
}

/// The keys that may have signed a manifest.
pub(crate) fn trusted_keys(wire: Vec<v1::TrustedKey>) -> Result<Vec<VerifyingKey>, InvalidField> {
    wire.into_iter().map(trusted).collect()
}

fn trusted(wire: v1::TrustedKey) -> Result<VerifyingKey, InvalidField> {
    VerifyingKey::from_bytes(&wire.public_key).map_err(|error| invalid("trusted_keys", &error))
}

/// An id in a message.
pub(crate) fn id<T: std::str::FromStr<Err: std::error::Error>>(
    field: &'static str,
    text: &str,
) -> Result<T, InvalidField> {
    text.parse().map_err(|error| invalid(field, &error))
}

/// None where the field is left empty.
fn optional_id<T: std::str::FromStr<Err: std::error::Error>>(
    field: &'static str,
    text: &str,
) -> Result<Option<T>, InvalidField> {
    (!text.is_empty()).then(|| id(field, text)).transpose()
}

fn given<T>(field: &'static str, value: Option<T>) -> Result<T, InvalidField> {
    value.ok_or_else(|| InvalidField::new(field, "must be given"))
}

fn count(field: &'static str, value: u32) -> Result<usize, InvalidField> {
    let in_range = (1..=64).contains(&value);
    in_range
        .then_some(value as usize)
        .ok_or_else(|| InvalidField::new(field, "must be 1 to 64"))
}

fn invalid(field: &'static str, error: &dyn std::error::Error) -> InvalidField {
    InvalidField::new(field, error.to_string())
}
