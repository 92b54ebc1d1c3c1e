//! Taking a backup away: its manifest, and nothing else. What only it named is left for collection ([`crate::unnamed`]).
//!
//! What must never happen: another manifest goes than the one that is meant.

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, DatasourceId};

use crate::id::sha256;
use crate::layout::ObjectKey;
use crate::manifest::Manifest;
use crate::storage::{Storage, StorageError};

/// A manifest that was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// The storage does not let us.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What is there is not what is meant.
    #[error(
        "storage {storage}: {} is not the manifest that was committed, and was left alone: look at it, and remove the file by hand if it is of no use",
        .key.describe()
    )]
    Another {
        /// Which storage.
        storage: String,
        /// The manifest.
        key: ObjectKey,
    },
}

impl RemovalError {
    /// The same for people.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Storage(error) => error.failure(),
            Self::Another { .. } => Failure::new(FailureKind::RepositoryDamaged, self.to_string()),
        }
    }
}

/// Removes the manifest of a backup if its payload has this SHA-256, or if it is damaged so that it can't be told. That it is
/// not there is no error, so doing it again changes nothing.
pub async fn remove_manifest(
    storage: &Storage,
    datasource: DatasourceId,
    backup: BackupId,
    payload_sha256: &[u8; 32],
) -> Result<(), RemovalError> {
    let key = ObjectKey::Manifest(datasource, backup);
    if storage.head(&key).await?.is_none() {
        return Ok(());
    }
    let there = Manifest::decode(&storage.get(&key).await?);
    if there.is_ok_and(|manifest| sha256(manifest.payload()) != *payload_sha256) {
        let storage = storage.to_string();
        return Err(RemovalError::Another { storage, key });
    }
    Ok(storage.remove(&key).await?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use object_store::memory::InMemory;

    use super::*;

    fn manifest(payload: &str) -> Bytes {
        let manifest = Manifest::new(payload.as_bytes().to_vec(), Vec::new()).unwrap();
        manifest.encode().unwrap().into()
    }

    #[tokio::test]
    async fn exactly_the_manifest_that_is_meant_goes() {
        let storage = Storage::over(Arc::new(InMemory::new()), object_store::path::Path::from("r"));
        let (datasource, backup) = (DatasourceId::new(), BackupId::new());
        let key = ObjectKey::Manifest(datasource, backup);
        let digest = sha256(b"{}");
        let remove = || remove_manifest(&storage, datasource, backup, &digest);
        remove().await.unwrap();
        storage.put_if_absent(&key, manifest("[]")).await.unwrap();
        let error = remove().await.unwrap_err();
        assert_eq!(error.failure().kind, FailureKind::RepositoryDamaged);
        assert!(storage.head(&key).await.unwrap().is_some());
        storage.remove(&key).await.unwrap();
        for there in [manifest("{}"), Bytes::from_static(b"{ damaged")] {
            storage.put_if_absent(&key, there).await.unwrap();
            remove().await.unwrap();
            assert_eq!(storage.head(&key).await.unwrap(), None);
        }
    }
}
