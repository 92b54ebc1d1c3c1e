//! Copies of committed backups: those that a storage missed when the backup was made, and those that a person asks for. They
//! are made from the copies that are complete, without a new dump; each storage gets the manifest last.

use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{AgentId, BackupId, ControlPlaneId, DatasourceId, StorageId};
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::Outline;

use super::commits::encode;
use super::storages::location;
use super::verifications::found;
use super::{Context, Error, Noun, backups, lookup};
use crate::domain::assignment::RepositoryLocation;
use crate::domain::backup::Backup;
use crate::domain::deletion::CopyState;
use crate::domain::execution::kept_failure;
use crate::domain::pack::PackState;
use crate::domain::reference::Reference;
use crate::domain::restore::BackupChoice;
use crate::domain::storage::Storage;
use crate::store::Connected;
use crate::store::backups::{backup_get, manifest_get};
use crate::store::commits::{commit_copy_done_in_tx, commit_copy_failed_in_tx};
use crate::store::copies::{copies_wanted, copy_want_in_tx, packs_copied_in_tx};
use crate::store::copy_checks::copies_to_mend;
use crate::store::object_checks::{objects_damaged, objects_mended_in_tx};
use crate::store::packs::{pack_known, pack_revive_in_tx};
use crate::store::storages::storage_get_many;

/// Copies in one pass.
const BATCH: u64 = 100;
/// Damaged objects that one question has mended.
const MENDED: usize = 1000;

/// Copies of backups.
#[derive(Debug, Clone)]
pub struct Copies {
    context: Context,
}

/// A copy that can be made.
#[derive(Debug, Clone)]
pub struct CopyWork {
    /// Of what.
    pub datasource: DatasourceId,
    /// Which backup.
    pub backup: BackupId,
    /// The SHA-256 of its manifest.
    pub manifest_sha256: [u8; 32],
    /// The storages that hold it.
    pub sources: Vec<Storage>,
    /// The storage that is to hold it.
    pub target: Storage,
    /// What of the target is damaged and is to be put anew; empty for a copy that is not complete yet.
    pub mend: Vec<ObjectKey>,
    packs: Vec<[u8; 32]>,
}

impl CopyWork {
    /// Those of `agents` that reach the target and a source, and the sources that each reaches.
    pub fn parties(&self, agents: &[AgentId]) -> Option<(AgentId, Vec<Storage>)> {
        let reaching = agents
            .iter()
            .filter(|agent| self.target.location.reached_by(**agent));
        reaching
            .map(|agent| {
                let within = self
                    .sources
                    .iter()
                    .filter(|source| source.location.reached_by(*agent));
                (*agent, within.cloned().collect::<Vec<_>>())
            })
            .max_by_key(|(_, sources)| sources.len())
            .filter(|(_, sources)| !sources.is_empty())
    }
}

impl Copies {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// This control plane.
    pub fn owner(&self) -> ControlPlaneId {
        self.context.installation.control_plane
    }

    /// Copies that are to be made, and those that are damaged and can be mended from another one.
    pub async fn wanted(&self) -> Result<Vec<(BackupId, StorageId)>, Error> {
        let store = &self.context.store;
        let mut wanted = copies_wanted(store, BATCH).await?;
        wanted.extend(copies_to_mend(store, BATCH).await?);
        Ok(wanted)
    }

    /// Enters a copy that a person asks for.
    pub async fn want(&self, choice: &BackupChoice, storage: &Reference<StorageId>) -> Result<Backup, Error> {
        let tx = self.context.store.begin().await?;
        let backup = backups::choose(&tx, choice).await?;
        let storage = lookup::storage(&tx, storage).await?;
        copy_want_in_tx(&tx, backup.id, storage.id).await?;
        let after = backup_get(&tx, backup.id).await?;
        tx.commit().await?;
        after.ok_or_else(|| Error::not_found(Noun::Backup, backup.id))
    }

    /// What making a copy needs; none if it can't be made now. Whatever of the backup is on its way out comes back, so that
    /// none of it goes while the copy has no manifest.
    pub async fn work(&self, backup: BackupId, target: StorageId) -> Result<Option<CopyWork>, Error> {
        let tx = self.context.store.begin().await?;
        let (Some(backup), Some(manifest)) =
            (backup_get(&tx, backup).await?, manifest_get(&tx, backup).await?)
        else {
            return Ok(None);
        };
        let others = backup.copies.iter().filter(|copy| copy.storage != target);
        let mut complete: Vec<_> = others.filter(|copy| copy.state == CopyState::Complete).collect();
        // Of one that is damaged too, some objects may be whole all the same.
        complete.sort_by_key(|copy| copy.damaged_at.is_some());
        let complete: Vec<_> = complete.into_iter().map(|copy| copy.storage).collect();
        let needed = found::needed(&tx, backup.datasource, backup.id).await?;
        let damaged = objects_damaged(&tx, target, backup.datasource, found::MOST).await?;
        let damaged = damaged.into_iter().map(|object| object.key);
        let mend = damaged.filter(|key| needed.contains(key)).take(MENDED).collect();
        let sources = storage_get_many(&tx, &complete).await?;
        let Some(target) = storage_get_many(&tx, &[target]).await?.pop() else {
            return Ok(None);
        };
        let outline = Outline::decode(&manifest.payload)
            .map_err(|error| Error::Internal(format!("a stored manifest: {error}")))?;
        let packs: Vec<_> = outline.packs.iter().map(|pack| *pack.id.as_bytes()).collect();
        let lists = outline.lists.iter().map(|list| *list.id.as_bytes());
        let all: Vec<_> = packs.iter().copied().chain(lists).collect();
        if is_going(&tx, &all).await? {
            return Ok(None);
        }
        pack_revive_in_tx(&tx, &all, self.context.now()).await?;
        tx.commit().await?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &encode(manifest)?);
        let manifest_sha256 = digest.as_ref().try_into();
        Ok(Some(CopyWork {
            datasource: backup.datasource,
            backup: backup.id,
            manifest_sha256: manifest_sha256
                .map_err(|_| Error::Internal("a digest of another length".into()))?,
            sources,
            target,
            mend,
            packs,
        }))
    }

    /// How an agent reaches a storage.
    pub fn location(&self, storage: &Storage) -> Result<RepositoryLocation, Error> {
        location(&self.context, storage)
    }

    /// The copy is complete.
    pub async fn done(&self, work: &CopyWork) -> Result<(), Error> {
        let now = self.context.now();
        let tx = self.context.store.begin().await?;
        packs_copied_in_tx(&tx, work.target.id, &work.packs, now).await?;
        objects_mended_in_tx(&tx, work.target.id, &work.mend).await?;
        commit_copy_done_in_tx(&tx, work.backup, work.target.id, now).await?;
        found::copies_in_tx(&self.context, &tx, work.target.id, work.datasource).await?;
        Ok(tx.commit().await?)
    }

    /// Some of what was damaged is whole again, and need not be mended once more.
    pub async fn mended(&self, work: &CopyWork, mended: &[ObjectKey]) -> Result<(), Error> {
        let asked = mended.iter().filter(|key| work.mend.contains(key));
        let asked: Vec<_> = asked.copied().collect();
        if asked.is_empty() {
            return Ok(());
        }
        let tx = self.context.store.begin().await?;
        objects_mended_in_tx(&tx, work.target.id, &asked).await?;
        found::copies_in_tx(&self.context, &tx, work.target.id, work.datasource).await?;
        Ok(tx.commit().await?)
    }

    /// It could not be made, and will be tried again.
    pub async fn failed(&self, backup: BackupId, storage: StorageId, failure: Failure) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        commit_copy_failed_in_tx(&tx, backup, storage, &kept_failure(failure)).await?;
        Ok(tx.commit().await?)
    }
}

/// Whether any of these is to be deleted for good.
async fn is_going(on: &impl Connected, ids: &[[u8; 32]]) -> Result<bool, Error> {
    let known = pack_known(on, ids).await?;
    Ok(known.iter().any(|known| known.state == PackState::Condemned))
}
