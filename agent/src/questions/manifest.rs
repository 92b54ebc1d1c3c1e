//! Putting the manifest of a backup whose agent's process died, or lost its journal, in the middle of the commit.

use bytes::Bytes;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, DatasourceId};
use dataguardian_proto::agent::v1;
use dataguardian_proto::convert;
use tokio_util::sync::CancellationToken;

use super::{malformed, place};
use crate::runner::Host;
use crate::runner::manifest::{self, Look};

/// Fetches the manifest and puts it. The control plane vouches for it; that it is of that backup is checked here.
pub(super) async fn put(
    host: &Host,
    asked: v1::PutManifestQuestion,
) -> Result<v1::PutManifestAnswer, Failure> {
    let fence = convert::fence(asked.fence).map_err(|error| malformed(&error))?;
    let datasource: DatasourceId = asked.datasource_id.parse().map_err(|error| malformed(&error))?;
    let backup: BackupId = asked.backup_id.parse().map_err(|error| malformed(&error))?;
    let (mut places, mut answer) = (Vec::new(), v1::PutManifestAnswer::default());
    for repository in asked.repositories {
        let storage_id = repository.storage_id.clone();
        match place(Some(repository)) {
            Ok(place) => places.push(place),
            Err(failure) => answer.failed_storages.push(v1::StorageFailure {
                storage_id,
                failure: Some((&failure).into()),
            }),
        }
    }
    let fetched = manifest::fetch(host, fence, &CancellationToken::new()).await;
    let manifest = fetched.map_err(|error| {
        let message = format!("the manifest could not be fetched: {error}");
        Failure::new(FailureKind::Superseded, message)
    })?;
    let outline = manifest::outline(&manifest)?;
    if (outline.datasource, outline.backup) != (datasource, backup) {
        let message = "the manifest that was fetched is of another backup";
        return Err(Failure::new(FailureKind::Internal, message));
    }
    let put = manifest::put(host, &places, Bytes::from(manifest), Look::Anew).await;
    answer.storage_ids = put.storage_ids;
    answer.failed_storages.extend(put.failed_storages);
    Ok(answer)
}
