//! What a backup builds upon, chosen when it is offered.

use dataguardian_core::chunking::{Chunking, ChunkingReason};
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use dataguardian_repository::chunker::Profile;

use crate::domain::assignment::ReuseBase;
use crate::domain::deletion::BackupState;
use crate::domain::execution::BackupSpec;
use crate::domain::job::Encryption;
use crate::domain::reuse::{ReusePlan, choose};
use crate::services::Error;
use crate::store::backups::manifest_get;
use crate::store::deletion::backup_lock_in_tx;
use crate::store::reuse::{reuse_base, reuse_history};
use crate::store::{Connected, Tx};

/// How the next backup of a datasource is cut, and why.
pub(in crate::services) async fn chunking(
    on: &impl Connected,
    datasource: DatasourceId,
    wanted: Chunking,
) -> Result<(Profile, ChunkingReason), Error> {
    Ok(choose(wanted, &reuse_history(on, datasource).await?))
}

/// What an attempt that is offered now builds upon. The base is named by the execution from the same transaction on, and so
/// pinned. The first storage decides, since it is where the backup goes first.
pub(super) async fn plan_in_tx(
    tx: &Tx,
    datasource: Option<DatasourceId>,
    spec: &BackupSpec,
) -> Result<Option<ReusePlan>, Error> {
    let (Some(datasource), Some(storage)) = (datasource, spec.storages.first()) else {
        return Ok(None);
    };
    let (profile, reason) = chunking(tx, datasource, spec.options.chunking).await?;
    let base = match profile {
        Profile::ContentDefined => held_base_in_tx(tx, datasource, *storage, spec.options.encryption).await?,
        Profile::Stream => None,
    };
    Ok(Some(ReusePlan {
        profile,
        reason,
        base,
    }))
}

/// The base, held until the transaction ends: whoever deletes it comes before, and it is not chosen, or comes after, and sees
/// whom it serves.
async fn held_base_in_tx(
    tx: &Tx,
    datasource: DatasourceId,
    storage: StorageId,
    encryption: Encryption,
) -> Result<Option<BackupId>, Error> {
    while let Some(base) = reuse_base(tx, datasource, storage, encryption).await? {
        let held = backup_lock_in_tx(tx, base).await?;
        if held.is_some_and(|held| held.state == BackupState::Complete) {
            return Ok(Some(base));
        }
        // Somebody deleted it between the two: the next look passes over it.
    }
    Ok(None)
}

/// The base with whoever may have signed it; none if its manifest is not known any more.
pub(super) async fn base_in_tx(tx: &Tx, plan: Option<ReusePlan>) -> Result<Option<ReuseBase>, Error> {
    let Some(backup) = plan.and_then(|plan| plan.base) else {
        return Ok(None);
    };
    let manifest = manifest_get(tx, backup).await?;
    Ok(manifest.map(|manifest| ReuseBase {
        backup,
        agent_public_key: manifest.agent_public_key,
        control_plane_public_key: manifest.control_plane_public_key,
    }))
}
