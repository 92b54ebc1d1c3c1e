//! Putting together everything that an assignment needs, secrets included.

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::DatasourceId;
use dataguardian_core::secret::SecretBytes;

use super::reuse;
use crate::domain::assignment::{
    Assignment, BackupAssignment, RepositoryLocation, RestoreAssignment, VerifyAssignment, Work,
};
use crate::domain::datasource::Datasource;
use crate::domain::execution::{BackupSpec, Execution, ExecutionSpec, RestoreSpec};
use crate::domain::job::Encryption;
use crate::domain::placement::all_reached;
use crate::domain::reference::Reference;
use crate::domain::storage::Storage;
use crate::domain::verification::VerifySpec;
use crate::services::datasources::target;
use crate::services::restores::reachable_copies;
use crate::services::storages::location;
use crate::services::{Context, Error};
use crate::store::Tx;
use crate::store::backups::{backup_get, manifest_get};
use crate::store::datasources::datasource_get;
use crate::store::storages::storage_get_many;

/// The assignment, or why the execution can't be done at all any more.
pub(super) async fn build(
    context: &Context,
    tx: &Tx,
    leased: &Execution,
) -> Result<Result<Assignment, Failure>, Error> {
    let Some(fence) = leased.fence() else {
        return Err(Error::Internal(
            "an execution without a lease was to be offered".into(),
        ));
    };
    let Some(datasource) = datasource_of(tx, leased).await? else {
        return Ok(Err(gone(FailureKind::TargetUnfit, "the datasource")));
    };
    let work = match &leased.spec {
        ExecutionSpec::Backup(spec) => backup(context, tx, leased, spec, datasource).await?,
        ExecutionSpec::Restore(spec) => restore(context, tx, spec, datasource).await?,
        ExecutionSpec::Verify(spec) => verify(context, tx, spec, (leased, &datasource)).await?,
    };
    Ok(work.map(|work| Assignment {
        fence,
        max_duration: leased.spec.max_duration(),
        no_progress_timeout: leased.spec.no_progress_timeout(),
        work,
    }))
}

async fn backup(
    context: &Context,
    tx: &Tx,
    leased: &Execution,
    spec: &BackupSpec,
    datasource: Datasource,
) -> Result<Result<Work, Failure>, Error> {
    let Some(backup) = leased.leased_backup else {
        return Err(Error::Internal("a backup without an id was to be offered".into()));
    };
    let storages = storage_get_many(tx, &spec.storages).await?;
    if storages.len() != spec.storages.len() {
        return Ok(Err(gone(FailureKind::Internal, "a storage of the job")));
    }
    if let Err(beyond) = all_reached(datasource.agent, &storages) {
        let names: Vec<_> = beyond.0.iter().map(|name| name.as_str()).collect();
        let message = format!(
            "agent {} does not reach {}",
            datasource.agent_name,
            names.join(", ")
        );
        return Ok(Err(Failure::new(FailureKind::StorageUnreachable, message)));
    }
    let connection = target(context, tx, &datasource).await?;
    let keys = match spec.options.encryption {
        Encryption::Sealed => Some(keys(context, tx, datasource.id).await?),
        Encryption::Plain => None,
    };
    Ok(Ok(Work::Backup(Box::new(BackupAssignment {
        backup,
        job: leased.job.as_ref().map(|(id, _)| *id),
        datasource: datasource.id,
        datasource_name: datasource.name,
        connection,
        databases: datasource.databases,
        repositories: locations(context, &storages)?,
        strategy: spec.strategy,
        datasource_keys: keys,
        options: spec.options.clone(),
        wrapped_key: context.wrapped_key(tx).await?,
        reuse: leased.reuse,
        base: reuse::base_in_tx(tx, leased.reuse).await?,
    }))))
}

async fn restore(
    context: &Context,
    tx: &Tx,
    spec: &RestoreSpec,
    datasource: Datasource,
) -> Result<Result<Work, Failure>, Error> {
    let (backup, manifest) = (
        backup_get(tx, spec.backup).await?,
        manifest_get(tx, spec.backup).await?,
    );
    let (Some(backup), Some(manifest)) = (backup, manifest) else {
        return Ok(Err(gone(FailureKind::RepositoryDamaged, "the backup")));
    };
    let Ok(storages) = reachable_copies(tx, &backup, datasource.agent).await? else {
        let message = format!(
            "agent {} reaches no complete copy of the backup any more",
            datasource.agent_name
        );
        return Ok(Err(Failure::new(FailureKind::StorageUnreachable, message)));
    };
    let keys = match backup.encryption {
        Encryption::Sealed => Some(keys(context, tx, spec.source).await?),
        Encryption::Plain => None,
    };
    Ok(Ok(Work::Restore(Box::new(RestoreAssignment {
        backup: spec.backup,
        source_datasource: spec.source,
        repositories: locations(context, &storages)?,
        datasource_keys: keys,
        agent_public_key: manifest.agent_public_key,
        control_plane_public_key: manifest.control_plane_public_key,
        target: target(context, tx, &datasource).await?,
        options: spec.options.clone(),
    }))))
}

async fn verify(
    context: &Context,
    tx: &Tx,
    spec: &VerifySpec,
    (leased, datasource): (&Execution, &Datasource),
) -> Result<Result<Work, Failure>, Error> {
    let (backup, manifest) = (
        backup_get(tx, spec.backup).await?,
        manifest_get(tx, spec.backup).await?,
    );
    let (Some(backup), Some(manifest)) = (backup, manifest) else {
        return Ok(Err(gone(FailureKind::RepositoryDamaged, "the backup")));
    };
    let storages = storage_get_many(tx, &spec.storages).await?;
    if storages.len() != spec.storages.len() {
        return Ok(Err(gone(
            FailureKind::Internal,
            "a storage that holds the backup",
        )));
    }
    // An agent gets no keys but those of its own datasources.
    let may_have_keys = datasource.agent == leased.agent && datasource.id == spec.source;
    let keys = match backup.encryption {
        Encryption::Sealed if may_have_keys => Some(keys(context, tx, spec.source).await?),
        Encryption::Sealed | Encryption::Plain => None,
    };
    Ok(Ok(Work::Verify(Box::new(VerifyAssignment {
        backup: spec.backup,
        datasource: spec.source,
        repositories: locations(context, &storages)?,
        encryption: backup.encryption,
        datasource_keys: keys,
        agent_public_key: manifest.agent_public_key,
        control_plane_public_key: manifest.control_plane_public_key,
        level: spec.level,
    }))))
}

fn locations(context: &Context, storages: &[Storage]) -> Result<Vec<RepositoryLocation>, Error> {
    storages
        .iter()
        .map(|storage| location(context, storage))
        .collect()
}

async fn datasource_of(tx: &Tx, execution: &Execution) -> Result<Option<Datasource>, Error> {
    let Some(id) = execution.datasource else {
        return Ok(None);
    };
    Ok(datasource_get(tx, &Reference::Id(id)).await?)
}

async fn keys(context: &Context, tx: &Tx, datasource: DatasourceId) -> Result<SecretBytes, Error> {
    Ok(context.datasource_keys(tx, datasource).await?.to_bytes())
}

/// What an execution needs is not there any more.
pub(in crate::services) fn gone(kind: FailureKind, what: &str) -> Failure {
    Failure::new(kind, format!("{what} was deleted in the meantime"))
}
