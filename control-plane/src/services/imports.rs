//! Backups that are in a storage and not in the catalogue, as after an older metadata database was restored: whoever reaches the
//! storage reads their manifests; here those of our own are entered.

use std::collections::BTreeSet;

use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use dataguardian_core::storage::Strategy;
use dataguardian_repository::keys::Protection;
use dataguardian_repository::manifest::{Payload, VerifyingKey};

use super::jobs::queued;
use super::{Context, Error, lookup};
use crate::domain::backup::CheckedBy;
use crate::domain::datasource::Datasource;
use crate::domain::deletion::BackupState;
use crate::domain::execution::{BackupSpec, Execution, ExecutionSpec};
use crate::domain::import::{NamedObjects, Unlisted, Vouched, Vouchers, judge, summary};
use crate::domain::job::{BackupOptions, Encryption};
use crate::domain::reference::Reference;
use crate::store::Tx;
use crate::store::backups::backup_get_any;
use crate::store::commits::{
    NewBackup, NewCopy, commit_confirm_in_tx, commit_copy_done_in_tx, commit_copy_failed_in_tx,
    commit_insert_in_tx,
};
use crate::store::copies::{copy_want_in_tx, packs_copied_in_tx};
use crate::store::datasources::datasource_get;
use crate::store::executions::execution_get;
use crate::store::imports::{
    import_execution_in_tx, import_known, import_made_another, import_objects_in_tx, import_signers,
};
use crate::store::jobs::job_get;
use crate::store::transitions::execution_event_imported_in_tx;

/// Backups that the catalogue does not know.
#[derive(Debug, Clone)]
pub struct Imports {
    context: Context,
}

/// A manifest as whoever reaches the storage found it.
#[derive(Debug)]
pub struct FoundManifest {
    /// Which.
    pub which: Unlisted,
    /// In which storage.
    pub storage: StorageId,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many of the objects that it names are not there as they should be.
    pub missing: u64,
}

/// Whether anything is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// Yes.
    Enter,
    /// Everything is checked, and nothing changes.
    Look,
}

impl Imports {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Those of the manifests in a storage that the catalogue does not know there, in order.
    pub async fn missing(
        &self,
        storage: StorageId,
        there: &BTreeSet<(DatasourceId, BackupId)>,
    ) -> Result<Vec<Unlisted>, Error> {
        let ids: Vec<_> = there.iter().map(|(_, backup)| *backup).collect();
        let known = import_known(&self.context.store, storage, &ids).await?;
        let unlisted = there.iter().filter(|(_, backup)| !known.contains(backup));
        let unlisted = unlisted.map(|(datasource, backup)| Unlisted {
            datasource: *datasource,
            backup: *backup,
        });
        Ok(unlisted.collect())
    }

    /// The datasource's name, if the catalogue knows it.
    pub async fn datasource_name(&self, id: DatasourceId) -> Result<Option<String>, Error> {
        let found = datasource_get(&self.context.store, &Reference::Id(id)).await?;
        Ok(found.map(|datasource| datasource.name.to_string()))
    }

    /// Enters a backup, or says why it can't be. What is known already gets a copy in that storage.
    pub async fn enter(
        &self,
        found: FoundManifest,
        mode: ImportMode,
    ) -> Result<Result<Vouched, Failure>, Error> {
        let store = &self.context.store;
        let id = found.which.datasource;
        let Some(datasource) = datasource_get(store, &Reference::Id(id)).await? else {
            let message = format!(
                "datasource {id} is unknown here: it was made after the metadata database that was restored; `dataguardian-agent \
                 rescue` restores its backups"
            );
            return Ok(Err(Failure::new(FailureKind::RepositoryKey, message)));
        };
        let vouchers = self.vouchers(id).await?;
        let protection = Protection::encrypted(self.context.datasource_keys(store, id).await?);
        let (which, bytes) = (found.which.clone(), found.bytes);
        // Manifests can have megabytes: off the runtime.
        let read = tokio::task::spawn_blocking(move || read(&bytes, &which, &vouchers, protection)).await;
        let read = read.map_err(|error| Error::Internal(error.to_string()))?;
        let (vouched, payload) = match read {
            Ok(read) => read,
            Err(failure) => return Ok(Err(failure)),
        };
        if mode == ImportMode::Enter {
            let tx = store.begin().await?;
            let place = (found.storage, found.missing);
            if let Err(failure) = self
                .enter_in_tx(&tx, &datasource, &vouched, &payload, place)
                .await?
            {
                return Ok(Err(failure));
            }
            tx.commit().await?;
            tracing::info!(
                backup.id = %vouched.outline.backup, storage.id = %found.storage,
                "a backup that the catalogue did not know was entered from its manifest"
            );
        }
        Ok(Ok(vouched))
    }

    async fn enter_in_tx(
        &self,
        tx: &Tx,
        datasource: &Datasource,
        vouched: &Vouched,
        payload: &Payload,
        (storage, missing): (StorageId, u64),
    ) -> Result<Result<(), Failure>, Error> {
        let outline = &vouched.outline;
        let now = self.context.now();
        let known = backup_get_any(tx, outline.backup).await?;
        if known
            .as_ref()
            .is_some_and(|known| known.state != BackupState::Complete)
        {
            let message = format!(
                "backup {} is being deleted, and this manifest goes with it",
                outline.backup
            );
            return Ok(Err(Failure::new(FailureKind::TargetUnfit, message)));
        }
        if known.is_none() {
            let execution = match self.execution_in_tx(tx, datasource, vouched, storage).await? {
                Ok(execution) => execution,
                Err(failure) => return Ok(Err(failure)),
            };
            let new = NewBackup {
                id: outline.backup,
                execution: execution.id,
                job: execution.job.clone(),
                datasource: datasource.id,
                datasource_name: datasource.name.to_string(),
                agent: vouched.agent,
                engine: outline.engine,
                summary: summary(payload),
                encryption: encryption(vouched),
                packs: u32::try_from(outline.packs.len()).unwrap_or(u32::MAX),
                manifest: vouched.manifest.clone(),
                copies: vec![NewCopy {
                    storage,
                    checked_by: CheckedBy::Agent,
                    failure: None,
                }],
                stored_at: now,
                // No manifest tells how its streams were cut, or what it was compared with.
                reuse: None,
                base: None,
            };
            commit_insert_in_tx(tx, &new).await?;
            commit_confirm_in_tx(tx, outline.backup, outline.finished_at).await?;
        } else {
            copy_want_in_tx(tx, outline.backup, storage).await?;
        }
        let named = NamedObjects::from(outline);
        let whose = (datasource.id, outline.execution);
        import_objects_in_tx(tx, whose, &named, now).await?;
        let ids: Vec<_> = named.packs.iter().map(|(id, _)| *id).collect();
        packs_copied_in_tx(tx, storage, &ids, now).await?;
        if missing == 0 {
            commit_copy_done_in_tx(tx, outline.backup, storage, now).await?;
        } else {
            let message =
                format!("{missing} of the packs and lists that the manifest names are missing or damaged");
            let failure = Failure::new(FailureKind::RepositoryDamaged, message);
            commit_copy_failed_in_tx(tx, outline.backup, storage, &failure).await?;
        }
        Ok(Ok(()))
    }

    /// The execution that made it: as the catalogue knows it, or as far as the manifest tells.
    async fn execution_in_tx(
        &self,
        tx: &Tx,
        datasource: &Datasource,
        vouched: &Vouched,
        storage: StorageId,
    ) -> Result<Result<Execution, Failure>, Error> {
        let outline = &vouched.outline;
        let known = execution_get(tx, outline.execution).await?;
        // After the older catalogue was restored it was tried again, and made another backup: this one gets an execution of its own.
        let made_another = import_made_another(tx, outline.execution, outline.backup).await?;
        if let Some(known) = known.filter(|_| !made_another) {
            if known.state.is_terminal() {
                return Ok(Ok(known));
            }
            let message = format!(
                "execution {} made it, and is {} as this catalogue has it: wait for its end, or cancel it, and import again",
                known.id, known.state
            );
            return Ok(Err(Failure::new(FailureKind::TargetUnfit, message)));
        }
        let job = match outline.job {
            Some(job) => job_get(tx, &Reference::Id(job)).await?,
            None => None,
        };
        let agent = lookup::agent(tx, &Reference::Id(vouched.agent)).await?;
        let spec = ExecutionSpec::Backup(BackupSpec {
            storages: vec![storage],
            strategy: Strategy::Replicate,
            options: BackupOptions {
                encryption: encryption(vouched),
                ..BackupOptions::default()
            },
        });
        let job = job.map(|job| (job.id, job.name.to_string()));
        let mut execution = queued(&self.context, spec, job, datasource, &agent);
        if !made_another {
            execution.id = outline.execution;
        }
        execution.state = ExecutionState::Completed;
        let times = (outline.backup, outline.started_at, outline.finished_at);
        import_execution_in_tx(tx, &execution, times).await?;
        execution_event_imported_in_tx(tx, &execution, self.context.now()).await?;
        Ok(Ok(execution))
    }

    async fn vouchers(&self, datasource: DatasourceId) -> Result<Vouchers, Error> {
        let signers = import_signers(&self.context.store, datasource).await?;
        let agents = signers.into_iter().map(|(agent, key)| {
            let key = VerifyingKey::from_bytes(&key);
            key.map(|key| (agent, key))
                .map_err(|error| Error::Internal(error.to_string()))
        });
        Ok(Vouchers {
            ours: self.context.installation.signing.verifying_key(),
            agents: agents.collect::<Result<_, Error>>()?,
        })
    }
}

fn encryption(vouched: &Vouched) -> Encryption {
    match vouched.outline.encryption {
        Some(_) => Encryption::Sealed,
        None => Encryption::Plain,
    }
}

/// The manifest, checked, and its payload, opened.
fn read(
    bytes: &[u8],
    which: &Unlisted,
    vouchers: &Vouchers,
    sealed: Protection,
) -> Result<(Vouched, Payload), Failure> {
    let vouched = judge(bytes, which, vouchers)?;
    let protection = match vouched.outline.encryption {
        Some(_) => sealed,
        None => Protection::Plain,
    };
    let payload = Payload::decode(&vouched.manifest.payload, &protection)
        .map_err(|error| Failure::new(FailureKind::RepositoryKey, error.to_string()))?;
    Ok((vouched, payload))
}
