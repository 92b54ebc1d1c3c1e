//! Copying a committed backup from storages that hold it into one more, without a new dump.
//!
//! What must never happen: the copy is called complete, or gets its manifest, while something that it names is not there; or
//! something else than what was backed up is put there. So each pack and list is known again by its name before it is put,
//! the manifest by its digest, and all are looked for before the manifest goes last.
//!
//! A copy that is damaged is mended the same way: what is named as damaged is put anew over what is there, and nothing else
//! ever is.
//!
//! One question works for a bounded time and says whether it is done, and what it mended. Whoever asks again finds what is there
//! and goes on. What is damaged in every source holds up nothing else.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use bytes::Bytes;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, ControlPlaneId, DatasourceId};
use dataguardian_proto::agent::v1;
use dataguardian_proto::convert::InvalidField;
use dataguardian_repository::id::{ListId, PackId};
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::Outline;
use dataguardian_repository::presence;
use dataguardian_repository::storage::{Listing, Storage};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::time::Instant;

use super::{malformed, place};
use crate::repositories;
use crate::runner::Host;
use crate::runner::manifest;

/// How long one question copies; whoever asks waits longer.
const AT_A_TIME: Duration = Duration::from_secs(60);
/// Objects on their way at once: of packs, so many times 16 MiB of memory.
const IN_FLIGHT: usize = 2;

/// Copies for a while.
pub(super) async fn copy(
    host: &Host,
    asked: v1::CopyBackupQuestion,
) -> Result<v1::CopyBackupAnswer, Failure> {
    let until = Instant::now() + AT_A_TIME;
    let job = Job::open(host, asked).await?;
    let missing = job.missing().await?;
    let total = missing.len();
    let mut copied = v1::CopyBackupAnswer::default();
    let mut copying = futures::stream::iter(missing)
        .take_while(|_| std::future::ready(Instant::now() < until))
        .map(async |key| (key, job.copy(key).await))
        .buffer_unordered(IN_FLIGHT);
    while let Some((key, bytes)) = copying.next().await {
        match bytes {
            Ok(bytes) => {
                copied.copied_objects += 1;
                copied.copied_bytes += bytes;
                copied.mended.extend(job.mend.get(&key).map(ToString::to_string));
            }
            Err(failure) if failure.kind == FailureKind::RepositoryDamaged => {
                copied.failure.get_or_insert((&failure).into());
            }
            Err(failure) => return Err(failure),
        }
    }
    drop(copying);
    if copied.copied_objects == total as u64 {
        job.finish().await?;
        copied.complete = true;
    }
    Ok(copied)
}

/// What to copy, from where, to where.
struct Job {
    outline: Outline,
    manifest: Bytes,
    sources: Vec<Storage>,
    target: Storage,
    /// What of the target is to be put anew, whatever is there.
    mend: HashSet<ObjectKey>,
}

impl Job {
    async fn open(host: &Host, asked: v1::CopyBackupQuestion) -> Result<Self, Failure> {
        let datasource: DatasourceId = asked.datasource_id.parse().map_err(|error| malformed(&error))?;
        let backup: BackupId = asked.backup_id.parse().map_err(|error| malformed(&error))?;
        let owner: ControlPlaneId = asked
            .control_plane_id
            .parse()
            .map_err(|error| malformed(&error))?;
        let mut sources = Vec::new();
        let mut manifest = None;
        let mut last = Failure::new(
            FailureKind::StorageUnreachable,
            "no storage that holds the backup was named",
        );
        for repository in asked.sources {
            let key = ObjectKey::Manifest(datasource, backup);
            match open_source(host, repository, &key, &asked.manifest_sha256).await {
                Ok((storage, found)) => {
                    sources.push(storage);
                    manifest.get_or_insert(found);
                }
                Err(failure) => {
                    tracing::warn!(%failure, "a copy of a backup can't be read from one of its storages");
                    last = failure;
                }
            }
        }
        let manifest = manifest.ok_or(last)?;
        let outline = manifest::outline(&manifest)?;
        if (outline.datasource, outline.backup) != (datasource, backup) {
            let message = "the manifest that was found is of another backup";
            return Err(Failure::new(FailureKind::RepositoryDamaged, message));
        }
        let mend = mend(&asked.mend)?;
        let target = place(asked.target)?;
        let target = repositories::open_for_writing(host, &target, owner, datasource).await?;
        Ok(Self {
            outline,
            manifest,
            sources,
            target,
            mend,
        })
    }

    /// The packs and lists that are not in the target with their size, packs first.
    async fn missing(&self) -> Result<Vec<ObjectKey>, Failure> {
        let datasource = self.outline.datasource;
        let mut there = HashMap::new();
        for listing in [Listing::Packs(datasource), Listing::Lists(datasource)] {
            let mut listed = self.target.list(listing);
            while let Some(found) = listed.try_next().await.map_err(|error| error.failure())? {
                there.insert(found.key, found.size);
            }
        }
        let packs = self
            .outline
            .packs
            .iter()
            .map(|pack| (ObjectKey::Pack(datasource, pack.id), pack.size));
        let lists = self
            .outline
            .lists
            .iter()
            .map(|list| (ObjectKey::List(datasource, list.id), list.size));
        let missing = packs
            .chain(lists)
            .filter(|(key, size)| self.mend.contains(key) || there.get(key) != Some(size));
        Ok(missing.map(|(key, _)| key).collect())
    }

    /// Copies an object from the first source where it is whole.
    async fn copy(&self, key: ObjectKey) -> Result<u64, Failure> {
        let mut last = Failure::new(
            FailureKind::Internal,
            "a backup without a source was to be copied",
        );
        for source in &self.sources {
            match read_whole(source, &key).await {
                Ok(bytes) => {
                    let size = bytes.len() as u64;
                    self.put(&key, bytes).await?;
                    return Ok(size);
                }
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), Failure> {
        let put = if self.mend.contains(key) {
            self.target.mend(key, bytes).await
        } else {
            self.target.put_if_absent(key, bytes).await
        };
        put.map(drop).map_err(|error| error.failure())
    }

    /// Looks whether everything is there, and puts the manifest.
    async fn finish(&self) -> Result<(), Failure> {
        let wrong = presence::check_presence(&self.target, &self.outline).await;
        let wrong = wrong.map_err(|error| error.failure())?;
        if let Some(first) = wrong.first() {
            let message = format!(
                "storage {}: {} is missing or cut off right after it was copied ({} objects in all)",
                self.target,
                first.key.describe(),
                wrong.len()
            );
            return Err(Failure::new(FailureKind::StorageError, message));
        }
        let key = ObjectKey::Manifest(self.outline.datasource, self.outline.backup);
        self.put(&key, self.manifest.clone()).await
    }
}

/// Most objects that one question has mended.
const MAX_MENDED: usize = 1000;

fn mend(paths: &[String]) -> Result<HashSet<ObjectKey>, Failure> {
    if paths.len() > MAX_MENDED {
        let problem = format!("has more than {MAX_MENDED} objects");
        return Err(malformed(&InvalidField::new("mend", problem)));
    }
    let keys = paths.iter().map(|path| path.parse::<ObjectKey>());
    keys.collect::<Result<_, _>>().map_err(|error| malformed(&error))
}

/// A storage that holds the backup, and its manifest, known again by its digest.
async fn open_source(
    host: &Host,
    repository: v1::RepositoryLocation,
    key: &ObjectKey,
    sha256: &[u8],
) -> Result<(Storage, Bytes), Failure> {
    let place = place(Some(repository))?;
    let storage = repositories::open(host, &place)?;
    repositories::check_repository(&storage, &place).await?;
    let manifest = storage.get(key).await.map_err(|error| error.failure())?;
    if ring::digest::digest(&ring::digest::SHA256, &manifest).as_ref() != sha256 {
        return Err(damaged(&storage, key));
    }
    Ok((storage, manifest))
}

/// An object's bytes, if they are what its name says.
async fn read_whole(source: &Storage, key: &ObjectKey) -> Result<Bytes, Failure> {
    let bytes = source.get(key).await.map_err(|error| error.failure())?;
    let is_whole = match key {
        ObjectKey::Pack(_, id) => PackId::of(&bytes) == *id,
        ObjectKey::List(_, id) => ListId::of(&bytes) == *id,
        ObjectKey::Repository
        | ObjectKey::Instructions
        | ObjectKey::Script
        | ObjectKey::WrappedKey(_)
        | ObjectKey::Manifest(..)
        | ObjectKey::Probe(_) => false,
    };
    if is_whole {
        Ok(bytes)
    } else {
        Err(damaged(source, key))
    }
}

fn damaged(storage: &Storage, key: &ObjectKey) -> Failure {
    let message = format!(
        "storage {storage}: {} is damaged, so it was not copied",
        key.describe()
    );
    Failure::new(FailureKind::RepositoryDamaged, message)
}
