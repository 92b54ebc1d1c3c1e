//! Deleting and pinning backups. The rules are in [`crate::domain::deletion`]; the manifests are deleted by the
//! `delete_backups` loop, what they alone named by `cleanup`.

use std::collections::BTreeSet;

use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{BackupId, StorageId};

use super::verifications::found::copies_in_tx;
use super::{Context, Error, Noun};
use crate::domain::backup::{Backup, BackupCopy};
use crate::domain::deletion::{
    BackupEvent, BackupState, CopyEvent, CopyState, Deletable, LastBackup, LeavingManifest, NoSuchStep, Pin,
    Refusal, check,
};
use crate::domain::execution::kept_failure;
use crate::domain::storage::Storage;
use crate::queue::Signal;
use crate::store::Tx;
use crate::store::backups::{backup_get, backup_get_any};
use crate::store::deletion::{
    backup_delete_in_tx, backup_lock_in_tx, backup_others, backup_pin_in_tx, backup_uses, leaving_copies,
    leaving_failed_in_tx, leaving_manifest, manifest_gone_in_tx,
};
use crate::store::retention::retention_mark_of_in_tx;
use crate::store::storages::storage_get_many;

/// Manifests of each storage in one pass.
const BATCH: u64 = 200;

/// Deleting and pinning backups.
#[derive(Debug, Clone)]
pub struct Deletion {
    context: Context,
}

/// What a caller asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionRequest {
    /// Which backup.
    pub backup: BackupId,
    /// Whether it may be the newest.
    pub last: LastBackup,
    /// The revision that the caller knows.
    pub revision: Option<i64>,
}

/// What goes, and what stays.
#[derive(Debug, Clone, PartialEq)]
pub struct Deleted {
    /// The backup.
    pub backup: Backup,
    /// Other backups of its datasource that are whole in some storage.
    pub remaining: u64,
    /// The newest of them.
    pub newest_remaining: Option<Backup>,
}

impl Deletion {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Checks everything that `delete` would, and changes nothing. Gives what would go.
    pub async fn validate(&self, request: DeletionRequest) -> Result<Deleted, Error> {
        let tx = self.context.store.begin().await?;
        let before = held(&tx, request.backup, request.revision).await?;
        judge_in_tx(&tx, &before, request.last).await??;
        account_in_tx(&tx, before).await
    }

    /// Deletes a backup: from now on nobody restores it. Deleting it again changes nothing.
    pub async fn delete(&self, request: DeletionRequest) -> Result<Deleted, Error> {
        let tx = self.context.store.begin().await?;
        let before = held(&tx, request.backup, request.revision).await?;
        judge_in_tx(&tx, &before, request.last).await??;
        leave_in_tx(&self.context, &tx, &before).await?;
        let after = backup_get_any(&tx, request.backup).await?;
        let after = after.ok_or_else(|| Error::not_found(Noun::Backup, request.backup))?;
        let deleted = account_in_tx(&tx, after).await?;
        tx.commit().await?;
        self.context.signal(Signal::BackupDeleted);
        Ok(deleted)
    }

    /// Keeps a backup from being deleted.
    pub async fn pin(
        &self,
        backup: BackupId,
        revision: Option<i64>,
        (by, reason): (String, String),
    ) -> Result<Backup, Error> {
        let pin = Pin {
            at: self.context.now(),
            by,
            reason,
        };
        self.set_pin(backup, revision, Some(&pin)).await
    }

    /// Takes the pin away; if there is none nothing changes.
    pub async fn unpin(&self, backup: BackupId, revision: Option<i64>) -> Result<Backup, Error> {
        self.set_pin(backup, revision, None).await
    }

    async fn set_pin(
        &self,
        backup: BackupId,
        revision: Option<i64>,
        pin: Option<&Pin>,
    ) -> Result<Backup, Error> {
        let tx = self.context.store.begin().await?;
        let before = held(&tx, backup, revision).await?;
        if before.state != BackupState::Complete {
            let message = format!("backup {backup} is being deleted already");
            return Err(Error::precondition("BACKUP_DELETING", message));
        }
        if pin.is_none() && before.pin.is_none() {
            return Ok(before);
        }
        if !backup_pin_in_tx(&tx, &before, pin).await? {
            return Err(changed(backup));
        }
        if pin.is_none() {
            retention_mark_of_in_tx(&tx, backup, self.context.now()).await?;
        }
        let after = backup_get(&tx, backup).await?;
        tx.commit().await?;
        self.context.signal(Signal::RetentionDue);
        after.ok_or_else(|| Error::not_found(Noun::Backup, backup))
    }

    /// Backups whose manifests are to go, with the storages that they are in.
    pub async fn leaving(&self) -> Result<Vec<(BackupId, Storage)>, Error> {
        let store = &self.context.store;
        let copies = leaving_copies(store, BATCH).await?;
        let ids: BTreeSet<StorageId> = copies.iter().map(|(_, storage)| *storage).collect();
        let storages = storage_get_many(store, &ids.into_iter().collect::<Vec<_>>()).await?;
        let place = |(backup, id): (BackupId, StorageId)| {
            let storage = storages.iter().find(|storage| storage.id == id);
            storage.map(|storage| (backup, storage.clone()))
        };
        Ok(copies.into_iter().filter_map(place).collect())
    }

    /// The manifest of such a backup in a storage; none if it is gone by now.
    pub async fn manifest(
        &self,
        backup: BackupId,
        storage: StorageId,
    ) -> Result<Option<LeavingManifest>, Error> {
        Ok(leaving_manifest(&self.context.store, (backup, storage)).await?)
    }

    /// A manifest is gone from its storage. True if it was the last, and the backup is deleted.
    pub async fn gone(&self, manifest: &LeavingManifest) -> Result<bool, Error> {
        let tx = self.context.store.begin().await?;
        let Some(backup) = backup_lock_in_tx(&tx, manifest.backup).await? else {
            return Ok(false);
        };
        let Some(copy) = backup.copies.iter().find(|copy| copy.storage == manifest.storage) else {
            return Ok(false);
        };
        let after = copy.state.apply(CopyEvent::ManifestGone);
        if after.map_err(|error| wrong(&error))? != CopyState::Deleted {
            return Ok(false);
        }
        let last = manifest_gone_in_tx(&tx, manifest, self.context.now()).await?;
        tx.commit().await?;
        Ok(last)
    }

    /// A manifest could not be deleted, and it will be tried again.
    pub async fn failed(&self, manifest: &LeavingManifest, failure: Failure) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        leaving_failed_in_tx(&tx, manifest, &kept_failure(failure)).await?;
        Ok(tx.commit().await?)
    }
}

/// The backup, held until the transaction ends, as the caller knows it.
async fn held(tx: &Tx, backup: BackupId, revision: Option<i64>) -> Result<Backup, Error> {
    let found = backup_lock_in_tx(tx, backup).await?;
    let found = found.ok_or_else(|| Error::not_found(Noun::Backup, backup))?;
    if revision.is_some_and(|revision| revision != found.revision) {
        return Err(changed(backup));
    }
    Ok(found)
}

/// Takes a backup away for retention, whose word it is that nobody needs it, unless something forbids to delete it: then why.
pub(super) async fn take_away_in_tx(
    context: &Context,
    tx: &Tx,
    backup: BackupId,
) -> Result<Result<(), Refusal>, Error> {
    let before = held(tx, backup, None).await?;
    if let Err(refusal) = judge_in_tx(tx, &before, LastBackup::Keep).await? {
        return Ok(Err(refusal));
    }
    leave_in_tx(context, tx, &before).await?;
    Ok(Ok(()))
}

/// The backup is on its way out from now on. What is already stays so.
async fn leave_in_tx(context: &Context, tx: &Tx, before: &Backup) -> Result<(), Error> {
    let state = before
        .state
        .apply(BackupEvent::DeletionAsked)
        .map_err(|error| wrong(&error))?;
    if state == before.state {
        return Ok(());
    }
    if !backup_delete_in_tx(tx, before, context.now()).await? {
        return Err(changed(before.id));
    }
    // What was damaged of it alone is no matter any more.
    for copy in &before.copies {
        copies_in_tx(context, tx, copy.storage, before.datasource).await?;
    }
    Ok(())
}

/// Whether it may go. What is on its way already may.
async fn judge_in_tx(tx: &Tx, backup: &Backup, last: LastBackup) -> Result<Result<(), Refusal>, Error> {
    if backup.state != BackupState::Complete {
        return Ok(Ok(()));
    }
    let uses = backup_uses(tx, backup.id).await?;
    let (_, newest) = backup_others(tx, backup).await?;
    let whole = backup.copies.iter().any(BackupCopy::is_whole);
    let what = Deletable {
        backup: backup.id,
        datasource: &backup.datasource_name,
        pin: backup.pin.as_ref(),
        uses: &uses,
        is_newest: whole && newest.is_none_or(|newest| newest < backup.id),
    };
    Ok(check(&what, last))
}

async fn account_in_tx(tx: &Tx, backup: Backup) -> Result<Deleted, Error> {
    let (remaining, newest) = backup_others(tx, &backup).await?;
    let newest_remaining = match newest {
        Some(newest) => backup_get(tx, newest).await?,
        None => None,
    };
    Ok(Deleted {
        backup,
        remaining,
        newest_remaining,
    })
}

fn changed(backup: BackupId) -> Error {
    Error::EtagMismatch {
        noun: Noun::Backup,
        which: backup.to_string(),
    }
}

fn wrong(error: &NoSuchStep) -> Error {
    Error::Internal(error.to_string())
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::precondition(refusal.reason(), refusal.to_string())
    }
}
