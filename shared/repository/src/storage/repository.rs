//! `repository.json`: what a repository says of itself. Written once, when the repository is made.

use bytes::Bytes;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{ControlPlaneId, RepositoryId};
use serde::{Deserialize, Serialize};

use super::{PutOutcome, Storage, StorageError, StorageErrorKind};
use crate::failure::with_causes;
use crate::format::FORMAT_VERSION;
use crate::id::KeyId;
use crate::layout::ObjectKey;
use crate::rescue::{INSTRUCTIONS, SCRIPT};

/// A repository's description.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryDescriptor {
    /// The format's version.
    pub format: u8,
    /// The repository.
    pub id: RepositoryId,
    /// The control plane that owns it. Nobody else writes into it or deletes from it.
    pub owner: ControlPlaneId,
    /// How streams are cut unless a job says otherwise: `content-defined` or `stream`.
    pub chunker: String,
    /// The installation keys that its datasources' keys come from, as they were when it was made.
    pub keys: Vec<KeyId>,
}

/// A repository that is open for writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedRepository {
    /// What it says of itself.
    pub descriptor: RepositoryDescriptor,
    /// Whether it was made just now.
    pub created: bool,
}

/// A repository that is not for us.
#[derive(Debug, thiserror::Error)]
pub enum OpenRepositoryError {
    /// The storage does not let us look, or write.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Another control plane's.
    #[error(
        "storage {storage} holds repository {repository} of control plane {owner}; two must not share one: choose another path or prefix"
    )]
    ForeignOwner {
        /// Which storage.
        storage: String,
        /// The repository there.
        repository: RepositoryId,
        /// Whose it is.
        owner: ControlPlaneId,
    },
    /// Made by a newer version.
    #[error(
        "storage {storage} holds a repository of format version {version}; this program knows up to {FORMAT_VERSION}: use a newer one"
    )]
    NewerFormat {
        /// Which storage.
        storage: String,
        /// Its version.
        version: u64,
    },
    /// No description of a repository.
    #[error("storage {storage}: repository.json does not describe a repository")]
    Unreadable {
        /// Which storage.
        storage: String,
        /// What is the matter with it.
        source: serde_json::Error,
    },
}

impl OpenRepositoryError {
    /// How an execution that ends with this error failed.
    pub fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Storage(error) => error.failure_kind(),
            Self::ForeignOwner { .. } | Self::NewerFormat { .. } => FailureKind::RepositoryForeign,
            Self::Unreadable { .. } => FailureKind::RepositoryDamaged,
        }
    }

    /// The same for people, with its causes.
    pub fn failure(&self) -> Failure {
        with_causes(self.failure_kind(), self)
    }
}

impl Storage {
    /// The repository in this storage, made as `wanted` if there is none. Of one that is there only the owner and the
    /// version must be as wanted; what it says is returned.
    pub async fn open_or_create_repository(
        &self,
        wanted: &RepositoryDescriptor,
    ) -> Result<OpenedRepository, OpenRepositoryError> {
        let unreadable = |source| OpenRepositoryError::Unreadable {
            storage: self.to_string(),
            source,
        };
        if let Some(descriptor) = self.describe_repository().await? {
            let opened = self.admit(descriptor, wanted.owner, false)?;
            self.put_instructions().await?;
            return Ok(opened);
        }
        // First, so that no repository is without them.
        self.put_instructions().await?;
        let json = serde_json::to_vec_pretty(wanted).map_err(unreadable)?;
        match self
            .put_if_absent(&ObjectKey::Repository, Bytes::from(json))
            .await
        {
            Ok(outcome) => Ok(OpenedRepository {
                descriptor: wanted.clone(),
                created: outcome == PutOutcome::Created,
            }),
            // Somebody else was quicker.
            Err(error) if error.kind == StorageErrorKind::Conflict => {
                let descriptor = self.describe_repository().await?.ok_or(error)?;
                self.admit(descriptor, wanted.owner, false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts what tells how to restore without us, where somebody removed it too. Of an older release it may stay, since the
    /// format is the same.
    async fn put_instructions(&self) -> Result<(), StorageError> {
        for (key, text) in [
            (ObjectKey::Instructions, INSTRUCTIONS),
            (ObjectKey::Script, SCRIPT),
        ] {
            self.put_unless_there(&key, Bytes::from_static(text.as_bytes()))
                .await?;
        }
        Ok(())
    }

    /// What the repository in this storage says of itself; none if there is none.
    pub async fn describe_repository(&self) -> Result<Option<RepositoryDescriptor>, OpenRepositoryError> {
        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let unreadable = |source| OpenRepositoryError::Unreadable {
            storage: self.to_string(),
            source,
        };
        let json = match self.get(&ObjectKey::Repository).await {
            Ok(json) => json,
            Err(error) if error.kind == StorageErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Version { format } = serde_json::from_slice(&json).map_err(unreadable)?;
        if format > u64::from(FORMAT_VERSION) {
            return Err(OpenRepositoryError::NewerFormat {
                storage: self.to_string(),
                version: format,
            });
        }
        serde_json::from_slice(&json).map(Some).map_err(unreadable)
    }

    /// Stores an object unless one of that name is there, whatever it holds.
    pub async fn put_unless_there(&self, key: &ObjectKey, bytes: Bytes) -> Result<(), StorageError> {
        if self.head(key).await?.is_some() {
            return Ok(());
        }
        match self.put_if_absent(key, bytes).await {
            Err(error) if error.kind != StorageErrorKind::Conflict => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn admit(
        &self,
        descriptor: RepositoryDescriptor,
        owner: ControlPlaneId,
        created: bool,
    ) -> Result<OpenedRepository, OpenRepositoryError> {
        if descriptor.owner != owner {
            return Err(OpenRepositoryError::ForeignOwner {
                storage: self.to_string(),
                repository: descriptor.id,
                owner: descriptor.owner,
            });
        }
        Ok(OpenedRepository { descriptor, created })
    }
}
