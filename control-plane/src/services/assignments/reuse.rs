//! What a backup builds upon, chosen when it is offered.

use dataguardian_core::chunking::{Chunking, ChunkingReason};
use dataguardian_core::ids::{BackupId, DatasourceId, StorageId};
use dataguardian_repository::chunker::Profile;

use crate::domain::assignment::ReuseBase;
use crate::domain::deletion::BackupState;
use crate::domain::execution::BackupSpec;
use crate::domain::job::Encryption;
use crate::domain::reuse::{ReusePlan, choose};
use crate::services::verifications::outline_of;
use crate::services::{Context, Error};
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
    context: &Context,
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
    let base = match base {
        Some(base) if names_alike(context, tx, datasource, base).await? => Some(base),
        Some(_) | None => None,
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

/// Whether a new backup can refer to what that one holds: not after the key was compromised in between, since other keys name
/// its chunks.
async fn names_alike(
    context: &Context,
    tx: &Tx,
    datasource: DatasourceId,
    base: BackupId,
) -> Result<bool, Error> {
    let keys = context.keyring(tx).await?;
    // As a rule, and then no manifest has to be read.
    if !keys.names_differ() {
        return Ok(true);
    }
    let Some(outline) = outline_of(tx, base).await? else {
        return Ok(false);
    };
    let keys = keys.derive(datasource);
    Ok(outline.encryption.is_none_or(|encryption| {
        let sealed_with = encryption.keys.first();
        sealed_with.is_some_and(|key| keys.names_alike(*key))
    }))
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
