//! A signed manifest on its last way: from the control plane, which keeps it, into the storages that hold all it names.
//!
//! What must never happen: a manifest is put where something that it names is missing, into a folder that is not the
//! repository that is meant, or over another one. Whoever puts it, and however often, it stands there once.

use bytes::Bytes;
use dataguardian_core::execution::Fence;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_failpoints::failpoint;
use dataguardian_proto::agent::v1;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::{MAX_MANIFEST_LEN, Manifest, Outline};
use dataguardian_repository::presence;
use dataguardian_repository::storage::Storage;
use tokio_util::sync::CancellationToken;

use super::Host;
use super::work::{Place, RepositoryPlace};
use crate::control_plane::CallError;
use crate::journal::CommitRepository;
use crate::repositories;

/// When it was last seen that everything the manifest names is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// A moment ago, by this attempt.
    JustTaken,
    /// Long ago, or by somebody else: look again.
    Anew,
}

/// The signed manifest of an attempt whose commit is under way or done. Refused once it has failed.
pub(crate) async fn fetch(
    host: &Host,
    fence: Fence,
    give_up: &CancellationToken,
) -> Result<Vec<u8>, CallError> {
    let limit = usize::try_from(MAX_MANIFEST_LEN).unwrap_or(usize::MAX);
    let call = host.control_plane.call(give_up, |client| {
        let mut client = client.max_decoding_message_size(limit);
        let request = v1::FetchManifestRequest {
            fence: Some(fence.into()),
        };
        async move { client.fetch_manifest(request).await }
    });
    Ok(call.await?.manifest)
}

/// Puts a manifest into each of these repositories; one that is there already is as good.
pub(crate) async fn put(
    host: &Host,
    places: &[RepositoryPlace],
    manifest: Bytes,
    look: Look,
) -> v1::PutManifestAnswer {
    let mut answer = v1::PutManifestAnswer::default();
    for place in places {
        let storage_id = place.storage.to_string();
        failpoint!(ManifestBeforePut);
        let put = put_into(host, place, &manifest, look).await;
        failpoint!(ManifestAfterPut);
        match put {
            Ok(()) => answer.storage_ids.push(storage_id),
            Err(failure) => {
                tracing::warn!(storage.id = storage_id, reason = %failure.kind, %failure, "the manifest was not put there");
                answer.failed_storages.push(v1::StorageFailure {
                    storage_id,
                    failure: Some((&failure).into()),
                });
            }
        }
    }
    answer
}

async fn put_into(host: &Host, place: &RepositoryPlace, manifest: &Bytes, look: Look) -> Result<(), Failure> {
    let outline = outline(manifest)?;
    let storage = repositories::open(host, place)?;
    repositories::check_repository(&storage, place).await?;
    if look == Look::Anew {
        check_presence(&storage, place, &outline).await?;
    }
    let key = ObjectKey::Manifest(outline.datasource, outline.backup);
    let put = storage.put_if_absent(&key, manifest.clone()).await;
    put.map(drop).map_err(|error| error.failure())
}

pub(crate) fn outline(manifest: &[u8]) -> Result<Outline, Failure> {
    let unusable = |error: &dyn std::error::Error| {
        Failure::new(
            FailureKind::Internal,
            format!("the manifest can't be used: {error}"),
        )
    };
    let manifest = Manifest::decode(manifest).map_err(|error| unusable(&error))?;
    Outline::decode(manifest.payload()).map_err(|error| unusable(&error))
}

async fn check_presence(
    storage: &Storage,
    place: &RepositoryPlace,
    outline: &Outline,
) -> Result<(), Failure> {
    let wrong = presence::check_presence(storage, outline)
        .await
        .map_err(|error| error.failure())?;
    let Some(first) = wrong.first() else { return Ok(()) };
    let message = format!(
        "storage {} does not hold all that the backup needs any more: {} objects are missing or cut off, the first being {}",
        place.name,
        wrong.len(),
        first.key.describe()
    );
    Err(Failure::new(FailureKind::RepositoryDamaged, message))
}

impl From<CommitRepository> for RepositoryPlace {
    fn from(repository: CommitRepository) -> Self {
        Self {
            storage: repository.storage,
            name: repository.name,
            repository: repository.repository,
            place: repository.local_path.map_or(Place::Locked, Place::Local),
        }
    }
}
