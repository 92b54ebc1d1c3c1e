//! Restores.

use dataguardian_core::database::Warning;
use dataguardian_core::ids::{AgentId, ExecutionId, StorageId};

use super::jobs::{queue_in_tx, queued};
use super::lookup::{self, Remembered, Request};
use super::{Context, Error, Noun, backups};
use crate::domain::backup::Backup;
use crate::domain::deletion::{BackupState, CopyState};
use crate::domain::execution::{Execution, ExecutionSpec, RestoreSpec};
use crate::domain::field::BadField;
use crate::domain::placement::{NotReachable, some_reached};
use crate::domain::reference::Reference;
use crate::domain::request::RequestKind;
use crate::domain::restore::{DatabaseMapping, NewRestore};
use crate::domain::storage::Storage;
use crate::store::deletion::backup_lock_in_tx;
use crate::store::storages::storage_get_many;
use crate::store::{Connected, Tx};

/// Restores.
#[derive(Debug, Clone)]
pub struct Restores {
    context: Context,
}

impl Restores {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Queues a restore.
    pub async fn start(&self, new: NewRestore) -> Result<Execution, Error> {
        if !self.context.queue.is_online() {
            return Err(Error::QueueOffline);
        }
        new.options.check()?;
        let store = &self.context.store;
        let request = Request::new(RequestKind::StartRestore, new.request_id, &new);
        if let Some(made) = request.made(store).await? {
            return lookup::execution(store, ExecutionId::from_uuid(made)).await;
        }
        let tx = store.begin().await?;
        let backup = backups::choose(&tx, &new.backup).await?;
        hold_in_tx(&tx, &backup).await?;
        check_databases(&backup, &new)?;
        let target = new.target.clone().unwrap_or(Reference::Id(backup.datasource));
        let target = lookup::datasource(&tx, &target).await?;
        if target.engine != backup.engine {
            let message = format!(
                "is a {} server; the backup is of {}",
                target.engine, backup.engine
            );
            return Err(BadField::new("target_datasource", message).into());
        }
        let agent = lookup::working_agent(&tx, &Reference::Id(target.agent)).await?;
        let reached = reachable_copies(&tx, &backup, target.agent).await?;
        let reached = reached.map_err(|storages| Error::StorageNotReachable {
            agent: agent.name.to_string(),
            storages,
        })?;
        let spec = ExecutionSpec::Restore(RestoreSpec {
            backup: backup.id,
            source: backup.datasource,
            options: new.options,
        });
        let mut execution = queued(&self.context, spec, None, &target, &agent);
        execution.warnings = damage_known(&backup, &reached);
        if request
            .remember_in_tx(&tx, execution.id.as_uuid(), self.context.now())
            .await?
            == Remembered::Overtaken
        {
            drop(tx);
            let made = request.made(store).await?.ok_or_else(lookup::overtaken)?;
            return lookup::execution(store, ExecutionId::from_uuid(made)).await;
        }
        queue_in_tx(&tx, &execution).await?;
        tx.commit().await?;
        self.context.work_queued(&execution);
        Ok(execution)
    }
}

/// Holds a backup until the transaction ends, so that nobody deletes it before the restore of it is there to be seen.
async fn hold_in_tx(tx: &Tx, backup: &Backup) -> Result<(), Error> {
    let held = backup_lock_in_tx(tx, backup.id).await?;
    match held.filter(|held| held.state == BackupState::Complete) {
        Some(_) => Ok(()),
        None => Err(Error::not_found(Noun::Backup, backup.id)),
    }
}

/// That every copy which can be read is known to be damaged: what is damaged may not be needed, but nobody should wonder.
fn damage_known(backup: &Backup, reached: &[Storage]) -> Vec<Warning> {
    let is_whole = |storage: &Storage| {
        backup
            .copies
            .iter()
            .any(|copy| copy.storage == storage.id && copy.is_whole())
    };
    if reached.iter().any(is_whole) {
        return Vec::new();
    }
    let names: Vec<_> = reached.iter().map(|storage| storage.name.as_str()).collect();
    let message = format!(
        "every copy that can be reached is known to be damaged ({}): see `dgctl backup get {}`",
        names.join(", "),
        backup.id
    );
    vec![Warning {
        database: None,
        message,
    }]
}

/// The storages with a complete copy of a backup that an agent reaches, in the backup's order, those that are damaged last.
pub(super) async fn reachable_copies(
    on: &impl Connected,
    backup: &Backup,
    agent: AgentId,
) -> Result<Result<Vec<Storage>, NotReachable>, Error> {
    let mut complete: Vec<_> = backup
        .copies
        .iter()
        .filter(|copy| copy.state == CopyState::Complete)
        .collect();
    // Those that are known to be damaged are the last resort.
    complete.sort_by_key(|copy| copy.damaged_at.is_some());
    let complete: Vec<StorageId> = complete.into_iter().map(|copy| copy.storage).collect();
    Ok(some_reached(agent, storage_get_many(on, &complete).await?))
}

/// Databases that the backup does not hold are a mistake that is better told now.
fn check_databases(backup: &Backup, new: &NewRestore) -> Result<(), Error> {
    let held = &backup.summary.databases;
    let lacks = |mapping: &&DatabaseMapping| {
        backup
            .summary
            .missing
            .iter()
            .find(|missing| missing.name == mapping.from)
    };
    if let Some(missing) = new.options.databases.iter().find_map(|mapping| lacks(&mapping)) {
        let (name, failure) = (&missing.name, &missing.failure);
        let message = format!(
            "the backup is partial and lacks {name:?}: {}: {}; restore that from another backup",
            failure.kind, failure.message
        );
        return Err(BadField::new("databases.from", message).into());
    }
    let missing = new
        .options
        .databases
        .iter()
        .find(|mapping| !held.contains(&mapping.from));
    match missing {
        None => Ok(()),
        Some(mapping) => {
            let shown: String = mapping.from.chars().take(64).collect();
            Err(BadField::new(
                "databases.from",
                format!("the backup holds no database {shown:?}"),
            )
            .into())
        }
    }
}
