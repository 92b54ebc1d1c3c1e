//! Storages.

use super::{Context, Error};
use crate::domain::assignment::RepositoryLocation;
use crate::domain::page::{Page, PageRequest};
use crate::domain::reference::Reference;
use crate::domain::storage::{NewStorage, PreparedRepository, Storage, StorageCreation, StorageDraft};
use dataguardian_core::ids::StorageId;

/// Storages.
#[derive(Debug, Clone)]
pub struct Storages {
    context: Context,
}

impl Storages {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// First step: checks everything. Then the agent prepares the repository, unless the same request was answered before. For `validate_only` stop here.
    pub async fn begin_create(&self, new: NewStorage) -> Result<StorageCreation, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Second step: saves it.
    pub async fn finish_create(
        &self,
        draft: StorageDraft,
        prepared: PreparedRepository,
    ) -> Result<Storage, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// One storage.
    pub async fn get(&self, storage: &Reference<StorageId>) -> Result<Storage, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Storages in order of their names.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Storage>, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Forgets a storage that no job names, no backup lies in and no unfinished execution uses.
    pub async fn delete(&self, storage: &Reference<StorageId>) -> Result<(), Error> {
        Err(Error::Internal("not built yet".into()))
    }
}

/// How an agent reaches the repository in a storage.
pub fn location(storage: &Storage) -> RepositoryLocation {
    use crate::domain::assignment::Place;
    use crate::domain::storage::StorageLocation;
    let place = match &storage.location {
        StorageLocation::Local { path, .. } => Place::LocalPath(path.clone()),
    };
    RepositoryLocation {
        storage: storage.id,
        storage_name: storage.name.clone(),
        repository: storage.repository,
        place,
    }
}
