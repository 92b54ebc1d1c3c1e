//! Verifying backups: by hand as an execution, and a little at a time as [`crate::domain::verification::schedule`] plans it.
//! What is found is written down the same way, in [`found`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dataguardian_core::ids::{AgentId, ExecutionId};
use dataguardian_repository::verify::Level;

use super::jobs::{queue_in_tx, queued};
use super::lookup::{self, Remembered, Request};
use super::{Context, Error, backups};
use crate::domain::backup::Backup;
use crate::domain::datasource::Datasource;
use crate::domain::deletion::CopyState;
use crate::domain::execution::{Execution, ExecutionSpec};
use crate::domain::field::BadField;
use crate::domain::reference::Reference;
use crate::domain::request::RequestKind;
use crate::domain::storage::{Storage, StorageLocation};
use crate::domain::verification::{MAX_STORAGES, NewVerification, Notice, VerifySpec};
use crate::store::backups::backup_get;
use crate::store::copy_checks::{copies_damaged, copies_damaged_count};
use crate::store::object_checks::objects_damaged_count;
use crate::store::storages::storage_get_many;
use crate::store::{Connected, Tx};

pub(super) mod found;
mod scheduled;

pub use scheduled::{ObjectsWork, PresenceWork};

/// The most notices about damage at once.
const NOTICES: u64 = 20;

/// Verifications.
#[derive(Debug, Clone)]
pub struct Verifications {
    context: Context,
    /// How many copies, and how many objects, are known to be damaged: as of the last look.
    damaged: Arc<(AtomicU64, AtomicU64)>,
}

impl Verifications {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            damaged: Arc::default(),
        }
    }

    /// Queues a verification.
    pub async fn start(&self, new: NewVerification) -> Result<Execution, Error> {
        if !self.context.queue.is_online() {
            return Err(Error::QueueOffline);
        }
        let store = &self.context.store;
        let request = Request::new(RequestKind::VerifyBackup, new.request_id, &new);
        if let Some(made) = request.made(store).await? {
            return lookup::execution(store, ExecutionId::from_uuid(made)).await;
        }
        let tx = store.begin().await?;
        let backup = backups::choose(&tx, &new.backup).await?;
        let datasource = lookup::datasource(&tx, &Reference::Id(backup.datasource)).await?;
        let storages = copies(&tx, &backup, &new.storages).await?;
        let (agent, storages) = party(&datasource, storages, new.level, !new.storages.is_empty())?;
        let agent = lookup::working_agent(&tx, &Reference::Id(agent)).await?;
        let spec = ExecutionSpec::Verify(VerifySpec {
            backup: backup.id,
            source: backup.datasource,
            storages: storages.iter().map(|storage| storage.id).collect(),
            level: new.level,
        });
        let execution = queued(&self.context, spec, None, &datasource, &agent);
        let now = self.context.now();
        if request.remember_in_tx(&tx, execution.id.as_uuid(), now).await? == Remembered::Overtaken {
            drop(tx);
            let made = request.made(store).await?.ok_or_else(lookup::overtaken)?;
            return lookup::execution(store, ExecutionId::from_uuid(made)).await;
        }
        queue_in_tx(&tx, &execution).await?;
        tx.commit().await?;
        self.context.work_queued(&execution);
        Ok(execution)
    }

    /// What of the copies a person should see to.
    pub async fn notices(&self) -> Result<Vec<Notice>, Error> {
        let store = &self.context.store;
        let mut notices = Vec::new();
        for (id, storage) in copies_damaged(store, NOTICES).await? {
            let Some(backup) = backup_get(store, id).await? else {
                continue;
            };
            let named = backup.copies.iter().find(|copy| copy.storage == storage);
            let storage = named.map(|copy| copy.storage_name.clone()).unwrap_or_default();
            let mends = if backup.copies.iter().any(|copy| copy.is_whole()) {
                "it is mended from another copy as soon as an agent reaches both"
            } else {
                "no other copy is whole: back up anew"
            };
            notices.push(Notice {
                reason: "BACKUP_DAMAGED",
                message: format!(
                    "backup {id} of {} is damaged in storage {storage}; {mends}",
                    backup.datasource_name
                ),
                command: format!("dgctl backup get {id}"),
            });
        }
        Ok(notices)
    }

    /// Counts what is damaged, for [`Self::damaged`].
    pub async fn count_damage(&self) -> Result<(u64, u64), Error> {
        let store = &self.context.store;
        let counts = (
            copies_damaged_count(store).await?,
            objects_damaged_count(store).await?,
        );
        self.damaged.0.store(counts.0, Ordering::Relaxed);
        self.damaged.1.store(counts.1, Ordering::Relaxed);
        Ok(counts)
    }

    /// How many copies, and how many objects, were known to be damaged when it was counted last.
    pub fn damaged(&self) -> (u64, u64) {
        (
            self.damaged.0.load(Ordering::Relaxed),
            self.damaged.1.load(Ordering::Relaxed),
        )
    }
}

/// The storages of the complete copies that are meant.
async fn copies(
    tx: &Tx,
    backup: &Backup,
    named: &[Reference<dataguardian_core::ids::StorageId>],
) -> Result<Vec<Storage>, Error> {
    if named.len() > MAX_STORAGES {
        return Err(BadField::new("storages", format!("names more than {MAX_STORAGES}")).into());
    }
    let complete = |id| {
        backup
            .copies
            .iter()
            .any(|copy| copy.storage == id && copy.state == CopyState::Complete)
    };
    if named.is_empty() {
        let all: Vec<_> = backup
            .copies
            .iter()
            .map(|copy| copy.storage)
            .filter(|id| complete(*id))
            .collect();
        return Ok(storage_get_many(tx, &all).await?);
    }
    let mut storages: Vec<Storage> = Vec::new();
    for which in named {
        let storage = lookup::storage(tx, which).await?;
        if !complete(storage.id) {
            let message = format!("{} holds no complete copy of the backup", storage.name);
            return Err(BadField::new("storages", message).into());
        }
        if storages.iter().all(|other| other.id != storage.id) {
            storages.push(storage);
        }
    }
    Ok(storages)
}

/// Who looks: the datasource's own agent where it reaches them; else, for what needs no keys, the agent that does. An agent
/// gets no keys but those of its own datasources.
fn party(
    datasource: &Datasource,
    storages: Vec<Storage>,
    level: Level,
    all: bool,
) -> Result<(AgentId, Vec<Storage>), Error> {
    let names = |storages: &[Storage]| {
        crate::domain::placement::NotReachable(storages.iter().map(|storage| storage.name.clone()).collect())
    };
    let own = datasource.agent;
    let (within, beyond): (Vec<_>, Vec<_>) = storages
        .into_iter()
        .partition(|storage| storage.location.reached_by(own));
    let not_reachable = |beyond: &[Storage]| Error::StorageNotReachable {
        agent: datasource.agent_name.to_string(),
        storages: names(beyond),
    };
    if !within.is_empty() && (beyond.is_empty() || !all) {
        return Ok((own, within));
    }
    let another = match beyond.first().map(|storage| &storage.location) {
        Some(StorageLocation::Local { agent, .. }) if level < Level::Contents && within.is_empty() => *agent,
        _ => return Err(not_reachable(&beyond)),
    };
    if beyond.iter().any(|storage| !storage.location.reached_by(another)) {
        return Err(not_reachable(&beyond));
    }
    Ok((another, beyond))
}

/// Of the connected agents, one that reaches a storage.
pub(crate) fn reaching(storage: &Storage, agents: &[AgentId]) -> Option<AgentId> {
    agents
        .iter()
        .copied()
        .find(|agent| storage.location.reached_by(*agent))
}

/// The manifest's clear part, as it is kept.
pub(super) async fn outline_of(
    on: &impl Connected,
    backup: dataguardian_core::ids::BackupId,
) -> Result<Option<dataguardian_repository::manifest::Outline>, Error> {
    let Some(manifest) = crate::store::backups::manifest_get(on, backup).await? else {
        return Ok(None);
    };
    let outline = dataguardian_repository::manifest::Outline::decode(&manifest.payload);
    outline
        .map(Some)
        .map_err(|error| Error::Internal(format!("a stored manifest: {error}")))
}
