//! Manifests that are in a storage that this agent reaches: listing and reading them for a catalogue that does not know them,
//! and deleting exactly the one that was asked.

use std::collections::BTreeSet;

use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{BackupId, DatasourceId};
use dataguardian_failpoints::failpoint;
use dataguardian_proto::agent::v1;
use dataguardian_proto::convert::InvalidField;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::{Manifest, Outline};
use dataguardian_repository::presence::check_presence;
use dataguardian_repository::removal::remove_manifest;
use dataguardian_repository::storage::{Listing, Storage};
use futures::TryStreamExt as _;

use super::garbage::{open, open_own};
use super::malformed;
use crate::runner::Host;

/// Manifests in one answer.
const MAX_LISTED: usize = 10_000;
/// Bytes of a manifest in one answer.
const MAX_PART: u64 = 256 << 10;

pub(super) async fn delete(
    host: &Host,
    asked: v1::DeleteManifestQuestion,
) -> Result<v1::DeleteManifestAnswer, Failure> {
    let (storage, datasource) = open(host, asked.repository, &asked.datasource_id).await?;
    let backup = backup(&asked.backup_id)?;
    let digest = asked.payload_sha256.as_slice().try_into();
    let digest =
        digest.map_err(|_| malformed(&InvalidField::new("payload_sha256", "is not 32 bytes long")))?;
    let removed = remove_manifest(&storage, datasource, backup, digest).await;
    removed.map_err(|error| error.failure())?;
    failpoint!(LeavingManifestDeleted);
    tracing::info!(
        datasource.id = %datasource, backup.id = %backup, storage = %storage,
        "the manifest of a backup that is deleted is gone"
    );
    Ok(v1::DeleteManifestAnswer {})
}

pub(super) async fn list(
    host: &Host,
    asked: v1::ListManifestsQuestion,
) -> Result<v1::ListManifestsAnswer, Failure> {
    let after = match (asked.after_datasource_id.as_str(), asked.after_backup_id.as_str()) {
        ("", "") => None,
        (datasource, of) => {
            let datasource: DatasourceId = datasource.parse().map_err(|error| malformed(&error))?;
            Some((datasource, backup(of)?))
        }
    };
    let storage = open_own(host, asked.repository).await?;
    let mut found = BTreeSet::new();
    let mut listed = storage.list(Listing::Everything);
    while let Some(object) = listed.try_next().await.map_err(|error| error.failure())? {
        if let ObjectKey::Manifest(datasource, backup) = object.key
            && after.is_none_or(|after| (datasource, backup) > after)
        {
            found.insert((datasource, backup));
        }
    }
    let manifests = found
        .iter()
        .take(MAX_LISTED)
        .map(|(datasource, backup)| v1::FoundManifest {
            datasource_id: datasource.to_string(),
            backup_id: backup.to_string(),
        });
    Ok(v1::ListManifestsAnswer {
        manifests: manifests.collect(),
        truncated: found.len() > MAX_LISTED,
    })
}

pub(super) async fn read(
    host: &Host,
    asked: v1::ReadManifestQuestion,
) -> Result<v1::ReadManifestAnswer, Failure> {
    let (storage, datasource) = open(host, asked.repository, &asked.datasource_id).await?;
    let key = ObjectKey::Manifest(datasource, backup(&asked.backup_id)?);
    let length = storage.head(&key).await.map_err(|error| error.failure())?;
    let length = length.unwrap_or_default();
    let end = asked.offset.saturating_add(MAX_PART).min(length);
    let part = if asked.offset < end {
        let part = storage.get_range(&key, asked.offset..end).await;
        part.map_err(|error| error.failure())?.to_vec()
    } else {
        Vec::new()
    };
    let missing_objects = match asked.offset {
        0 => missing(&storage, &key).await?,
        _ => None,
    };
    Ok(v1::ReadManifestAnswer {
        part,
        length,
        missing_objects,
    })
}

/// How many of the objects that a manifest names are not there as they should be; none if it can't be read.
async fn missing(storage: &Storage, key: &ObjectKey) -> Result<Option<u64>, Failure> {
    let bytes = storage.get(key).await.map_err(|error| error.failure())?;
    let outline = Manifest::decode(&bytes)
        .ok()
        .and_then(|manifest| Outline::decode(manifest.payload()).ok());
    let Some(outline) = outline else { return Ok(None) };
    let missing = check_presence(storage, &outline).await;
    let missing = missing.map_err(|error| error.failure())?;
    Ok(Some(missing.len() as u64))
}

fn backup(text: &str) -> Result<BackupId, Failure> {
    text.parse().map_err(|error| malformed(&error))
}
