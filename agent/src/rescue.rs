//! Restoring with nothing but a storage and the recovery kit: no control plane, no agent that was enrolled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, DatasourceId};
use dataguardian_core::stream::{StreamHeader, StreamRole};
use dataguardian_repository::id::KeyId;
use dataguardian_repository::keys::{Keyring, Protection};
use dataguardian_repository::kit::RecoveryKit;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::{Outline, VerifyingKey};
use dataguardian_repository::read::{BackupReader, read_outline};
use dataguardian_repository::storage::{Listing, Storage};
use futures::stream::{self, BoxStream};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::engines::restore::RestoreRequest;
use crate::pipeline::counters::Counters;
use crate::pipeline::source::RepositorySource;
use crate::runner::restore::{choose, version_num};

/// How long a bucket may be away while a backup in it is read.
const PATIENCE: Duration = Duration::from_secs(300);

/// How many manifests are read at the same time: in a bucket most of it is waiting.
const MANIFESTS_IN_FLIGHT: usize = 8;

/// A repository, and what opens the backups in it. Nothing is ever written into it.
#[derive(Debug)]
pub struct Rescue {
    storage: Storage,
    /// What is in the kit, and when that was made.
    keys: Option<(Keyring, DateTime<Utc>)>,
    /// Whose signature a manifest must have; none without a kit.
    trusted: Vec<VerifyingKey>,
}

/// A backup that is there.
#[derive(Debug)]
pub struct Found {
    /// The datasource it is of.
    pub datasource: DatasourceId,
    /// The backup.
    pub backup: BackupId,
    /// When its snapshot was taken; none if its manifest can't be read.
    pub started_at: Option<DateTime<Utc>>,
    /// The backup, opened, or why it can't be.
    pub opened: Result<BackupReader, Failure>,
}

impl Rescue {
    /// The repository in that storage, with a kit if there is one: without one, only backups that are not encrypted open, and
    /// nobody vouches for them.
    pub fn open(storage: Storage, kit: Option<&RecoveryKit>) -> Result<Self, Failure> {
        let unfit = |error: dataguardian_repository::kit::KitError| {
            Failure::new(FailureKind::RepositoryKey, error.to_string())
        };
        let (keys, trusted) = match kit {
            Some(kit) => {
                let keys = kit.keys().map_err(unfit)?;
                (Some((keys, kit.created_at)), kit.signers().map_err(unfit)?)
            }
            None => (None, Vec::new()),
        };
        Ok(Self {
            storage,
            keys,
            trusted,
        })
    }

    /// Where it is, in words.
    pub fn place(&self) -> String {
        self.storage.to_string()
    }

    /// Every backup that is there, the oldest first.
    pub async fn backups(&self) -> Result<Vec<Found>, Failure> {
        let mut manifests = Vec::new();
        for datasource in self.datasources().await? {
            let mut listed = self.storage.list(Listing::Manifests(datasource));
            while let Some(listed) = listed.try_next().await.map_err(|error| error.failure())? {
                if let ObjectKey::Manifest(datasource, backup) = listed.key {
                    manifests.push((datasource, backup));
                }
            }
        }
        let looking = stream::iter(manifests).map(|(datasource, backup)| self.look(datasource, backup));
        let mut found: Vec<_> = looking.buffer_unordered(MANIFESTS_IN_FLIGHT).collect().await;
        found.sort_by_key(|found| (found.started_at, found.backup));
        Ok(found)
    }

    /// One backup by its id.
    pub async fn backup(&self, backup: BackupId) -> Result<BackupReader, Failure> {
        for datasource in self.datasources().await? {
            let manifest = self.storage.head(&ObjectKey::Manifest(datasource, backup)).await;
            if manifest.map_err(|error| error.failure())?.is_some() {
                let outline = self.outline(datasource, backup).await?;
                return self.reader(datasource, backup, &outline).await;
            }
        }
        let message = format!("{} has no backup {backup}", self.storage);
        Err(Failure::new(FailureKind::RepositoryDamaged, message))
    }

    async fn datasources(&self) -> Result<Vec<DatasourceId>, Failure> {
        let found = self.storage.datasources().await;
        found.map_err(|error| error.failure())
    }

    async fn look(&self, datasource: DatasourceId, backup: BackupId) -> Found {
        let outline = self.outline(datasource, backup).await;
        let started_at = outline.as_ref().ok().map(|outline| outline.started_at);
        let opened = match outline {
            Ok(outline) => self.reader(datasource, backup, &outline).await,
            Err(failure) => Err(failure),
        };
        Found {
            datasource,
            backup,
            started_at,
            opened,
        }
    }

    async fn outline(&self, datasource: DatasourceId, backup: BackupId) -> Result<Outline, Failure> {
        let read = read_outline(&self.storage, datasource, backup);
        read.await.map_err(|error| error.failure())
    }

    async fn reader(
        &self,
        datasource: DatasourceId,
        backup: BackupId,
        outline: &Outline,
    ) -> Result<BackupReader, Failure> {
        let storage = self.storage.clone();
        let protection = match &outline.encryption {
            None => Protection::Plain,
            Some(encryption) => self.protection(datasource, &encryption.keys)?,
        };
        let opened = if self.trusted.is_empty() {
            BackupReader::open_unsigned(storage, datasource, backup, protection).await
        } else {
            BackupReader::open(storage, datasource, backup, protection, &self.trusted).await
        };
        // A wrong endpoint was told at once; what is read from now on is waited for.
        let opened = opened.map(|reader| reader.patient(PATIENCE));
        opened.map_err(|error| error.failure())
    }

    /// What opens a backup that needs these data keys.
    fn protection(&self, datasource: DatasourceId, needed: &[KeyId]) -> Result<Protection, Failure> {
        let lacking = |message: String| Failure::new(FailureKind::RepositoryKey, message);
        let Some((keys, made_at)) = &self.keys else {
            let message = "the backup is encrypted: name the recovery kit with --kit";
            return Err(lacking(message.to_owned()));
        };
        let keys = keys.derive(datasource);
        let known = keys.key_ids();
        match needed.iter().find(|key| !known.contains(key)) {
            None => Ok(Protection::encrypted(keys)),
            Some(key) => Err(lacking(format!(
                "the backup needs key {key}, which the recovery kit of {} does not have: the key was replaced after it was made, \
                 or the kit is another installation's. Use a newer kit; where none was saved, one in the repository's folder \
                 `keys` may open with the same identity",
                made_at.format("%Y-%m-%d")
            ))),
        }
    }
}

/// What a restore of these databases of the backup asks the engine for. `rest` fills in what does not depend on the backup.
pub fn request(
    reader: BackupReader,
    names: BTreeMap<String, String>,
    rest: impl FnOnce(Arc<RepositorySource>) -> RestoreRequest,
) -> Result<RestoreRequest, Failure> {
    let contents = &reader.payload().contents;
    let databases = choose(contents, &names)?;
    let source_version_num = version_num(reader.payload().outline.engine, &contents.server_version);
    let source = Arc::new(RepositorySource::new(reader, Arc::new(Counters::default())));
    Ok(RestoreRequest {
        databases,
        names,
        source_version_num,
        ..rest(source)
    })
}

/// Which part of a backup is written as SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Roles and users.
    Globals,
    /// One database.
    Database(String),
}

/// A part of a backup as one script: its streams in the manifest's order, byte for byte.
#[derive(Debug)]
pub struct Script {
    reader: BackupReader,
    /// The numbers of its streams.
    streams: Vec<usize>,
}

impl Script {
    /// That part of a backup, if the backup has it.
    pub fn of(reader: BackupReader, part: &Part) -> Result<Self, Failure> {
        if let Part::Database(name) = part {
            choose(
                &reader.payload().contents,
                &BTreeMap::from([(name.clone(), name.clone())]),
            )?;
        }
        let wanted = |header: &StreamHeader| match part {
            Part::Globals => header.role == StreamRole::Globals,
            Part::Database(name) => header.database.as_ref() == Some(name),
        };
        let numbered = reader.streams().iter().enumerate();
        let streams = numbered
            .filter(|(_, stream)| wanted(&stream.header) && stream.header.role.is_sql())
            .map(|(index, _)| index)
            .collect();
        Ok(Self { reader, streams })
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        let streams = self.reader.streams();
        let lengths = self.streams.iter().filter_map(|index| streams.get(*index));
        lengths.map(|stream| stream.bytes).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes, checked piece by piece. The first failure ends it; a script that ends without one was whole.
    pub fn pieces(self) -> BoxStream<'static, Result<Bytes, Failure>> {
        let Self { reader, streams } = self;
        let streams = stream::iter(streams).map(move |index| reader.read_stream(index));
        // After a failure nothing must follow as if it belonged there.
        let pieces = stream::unfold(Some(streams.try_flatten().boxed()), |pieces| async {
            let mut pieces = pieces?;
            match pieces.next().await? {
                Ok(piece) => Some((Ok(piece), Some(pieces))),
                Err(error) => Some((Err(error.failure()), None)),
            }
        });
        pieces.boxed()
    }
}

/// Writes a part of a backup as one script.
pub async fn write_sql(
    reader: BackupReader,
    part: &Part,
    out: &mut (impl AsyncWrite + Unpin),
) -> Result<(), Failure> {
    let mut pieces = Script::of(reader, part)?.pieces();
    while let Some(piece) = pieces.next().await {
        out.write_all(&piece?).await.map_err(|error| unwritable(&error))?;
    }
    out.flush().await.map_err(|error| unwritable(&error))
}

fn unwritable(error: &std::io::Error) -> Failure {
    Failure::new(
        FailureKind::Internal,
        format!("the script can't be written: {error}"),
    )
}
