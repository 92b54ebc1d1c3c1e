//! Storages that a backup did not reach. The backup is good without them, but whoever relies on a copy there has to hear of it.

use dataguardian_core::database::Warning;
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::StorageId;
use dataguardian_core::storage::Strategy;

use super::commit::failure_of;
use crate::domain::assignment::BackupOutcome;
use crate::domain::execution::{Execution, ExecutionSpec};
use crate::services::Error;
use crate::store::Tx;
use crate::store::storages::storage_get_many;

/// The storages that do not hold everything, each with its failure: with `replicate` all others, with `fallback` those that
/// were tried before the one that took the backup.
pub(super) fn by_outcome(execution: &Execution, outcome: &BackupOutcome) -> Vec<(StorageId, Failure)> {
    let ExecutionSpec::Backup(spec) = &execution.spec else {
        return Vec::new();
    };
    let failed = &outcome.failed_storages;
    let missed = spec.storages.iter().filter(|storage| {
        let wanted =
            spec.strategy == Strategy::Replicate || failed.iter().any(|failed| failed.storage == **storage);
        wanted && !outcome.complete_storages.contains(storage)
    });
    missed
        .map(|storage| (*storage, failure_of(failed, *storage, "not every pack is there")))
        .collect()
}

/// A warning for each of them, by name.
pub(super) async fn warnings_in_tx(tx: &Tx, missed: &[(StorageId, Failure)]) -> Result<Vec<Warning>, Error> {
    let ids: Vec<_> = missed.iter().map(|(storage, _)| *storage).collect();
    let storages = if ids.is_empty() {
        Vec::new()
    } else {
        storage_get_many(tx, &ids).await?
    };
    let told = missed.iter().map(|(id, failure)| {
        let name = storages
            .iter()
            .find(|storage| storage.id == *id)
            .map_or_else(|| id.to_string(), |storage| storage.name.to_string());
        // Agents put the storage in front of some of their messages.
        let prefix = format!("storage {name}: ");
        let message = failure.message.strip_prefix(&prefix).unwrap_or(&failure.message);
        Warning {
            database: None,
            message: format!("storage {name} did not get this backup: {message}"),
        }
    });
    Ok(told.collect())
}
