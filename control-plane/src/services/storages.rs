//! Storages. Making one takes two steps, since an agent has to look at the place and make the repository in between.

use dataguardian_core::ids::{RepositoryId, StorageId};
use dataguardian_core::secret::Secret;
use dataguardian_repository::storage::s3::S3Settings;

use super::lookup::{self, Remembered, Request};
use super::{Context, Error, Noun};
use crate::domain::access::Within;
use crate::domain::assignment::{Place, RepositoryLocation};
use crate::domain::execution::ExecutionSpec;
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::reference::Reference;
use crate::domain::request::RequestKind;
use crate::domain::storage::{
    CollectionHold, Neighbour, NewLocation, NewStorage, PreparedRepository, SealedSecrets, Storage,
    StorageCreation, StorageDraft, StorageLocation,
};
use crate::secrets::vault;
use crate::store::deletion::leaving_forget_in_tx;
use crate::store::executions::execution_unfinished;
use crate::store::holds::{hold_list, hold_storages};
use crate::store::storages::{
    storage_delete_in_tx, storage_get, storage_get_many, storage_insert_in_tx, storage_list, storage_name_of,
    storage_neighbours,
};
use crate::store::{Connected, StoreError};

mod own_key;
mod update;

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

    /// First step: checks everything. Then the agent prepares the repository, unless the same request was answered before. For
    /// `validate_only` stop here.
    pub async fn begin_create(&self, new: NewStorage) -> Result<StorageCreation, Error> {
        new.check()?;
        let store = &self.context.store;
        let id = StorageId::new();
        let mut sealed = SealedSecrets::default();
        let location = match &new.location {
            NewLocation::S3(bucket, secrets) => {
                sealed.secret = Some(self.seal(id, SECRET, &secrets.secret)?);
                let seal_own = |secret| self.seal(id, DELETE_SECRET, secret);
                sealed.delete = secrets.delete.as_ref().map(seal_own).transpose()?;
                StorageLocation::S3(bucket.clone())
            }
            NewLocation::Local { agent, path } => {
                let agent = lookup::active_agent(store, agent).await?;
                StorageLocation::Local {
                    agent: agent.id,
                    agent_name: agent.name,
                    path: path.clone(),
                }
            }
        };
        let mut draft = StorageDraft {
            id,
            name: new.name,
            location,
            sealed,
            repository: RepositoryId::new(),
            max_concurrent: new.max_concurrent,
            neighbours: Vec::new(),
            request_id: new.request_id,
        };
        if let Some(id) = request(&draft).made(store).await? {
            let made = self.get(&Reference::Id(StorageId::from_uuid(id))).await?;
            return Ok(StorageCreation::Done(Box::new(made)));
        }
        if storage_get(store, &Reference::Name(draft.name.clone()))
            .await?
            .is_some()
        {
            return Err(taken(&draft));
        }
        let neighbours = storage_neighbours(store, &draft.location).await?;
        check_place_is_free(&draft.location, &neighbours)?;
        // In a bucket there are no links that an agent would have to see through.
        if let StorageLocation::Local { .. } = draft.location {
            draft.neighbours = neighbours;
        }
        Ok(StorageCreation::Prepare(Box::new(draft)))
    }

    /// Second step: saves it.
    pub async fn finish_create(
        &self,
        draft: StorageDraft,
        prepared: PreparedRepository,
    ) -> Result<Storage, Error> {
        let request = request(&draft);
        let now = self.context.now();
        let storage = Storage {
            id: draft.id,
            name: draft.name.clone(),
            location: draft.location.clone(),
            sealed: draft.sealed.clone(),
            repository: prepared.repository,
            conditional_put: prepared.conditional_put,
            max_concurrent: draft.max_concurrent,
            created_at: now,
            revision: 1,
        };
        let tx = self.context.store.begin().await?;
        if request.remember_in_tx(&tx, draft.id.as_uuid(), now).await? == Remembered::Overtaken {
            drop(tx);
            let id = request
                .made(&self.context.store)
                .await?
                .ok_or_else(lookup::overtaken)?;
            return self.get(&Reference::Id(StorageId::from_uuid(id))).await;
        }
        check_place_is_free(&draft.location, &storage_neighbours(&tx, &draft.location).await?)?;
        if let Some(name) = storage_name_of(&tx, prepared.repository).await? {
            let what =
                format!("storage {name} has its repository at that place already, reached by another path");
            return Err(place_taken(&draft.location, &what));
        }
        match storage_insert_in_tx(&tx, &storage).await {
            Ok(()) => tx.commit().await?,
            Err(StoreError::AlreadyExists(_)) => return Err(taken(&draft)),
            Err(error) => return Err(error.into()),
        }
        Ok(storage)
    }

    /// Names of the installation keys that datasources' keys come from, for the description of a new repository.
    pub async fn key_ids(&self) -> Result<Vec<String>, Error> {
        let keys = self.context.keyring(&self.context.store).await?;
        Ok(keys.key_ids().iter().map(ToString::to_string).collect())
    }

    /// One storage.
    pub async fn get(&self, storage: &Reference<StorageId>) -> Result<Storage, Error> {
        lookup::storage(&self.context.store, storage).await
    }

    /// What holds collection up in a storage, as the last look found.
    pub async fn holds(&self, storage: StorageId) -> Result<Vec<CollectionHold>, Error> {
        Ok(hold_list(&self.context.store, storage).await?)
    }

    /// The names of the storages in which something is held.
    pub async fn held(&self) -> Result<Vec<String>, Error> {
        let store = &self.context.store;
        let storages = storage_get_many(store, &hold_storages(store).await?).await?;
        Ok(storages.iter().map(|storage| storage.name.to_string()).collect())
    }

    /// Storages in order of their names.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Storage>, Error> {
        self.list_within(&Within::default(), page).await
    }

    /// The same, of those alone that somebody may see.
    pub async fn list_within(&self, within: &Within, page: &PageRequest) -> Result<Page<Storage>, Error> {
        let limit = u64::from(page.size) + 1;
        let storages = storage_list(&self.context.store, within, page.after_name()?, limit).await?;
        Ok(Page::from_overfull(storages, page.size, |storage| {
            Cursor::Name(storage.name.to_string())
        }))
    }

    fn seal(&self, id: StorageId, field: &'static str, secret: &Secret) -> Result<Vec<u8>, Error> {
        let place = place_of(&id, field);
        Ok(self.context.installation.vault.seal_text(place, secret)?)
    }

    /// How an agent reaches the repository in a storage, the secret included.
    pub fn location(&self, storage: &Storage) -> Result<RepositoryLocation, Error> {
        location(&self.context, storage)
    }

    /// Forgets a storage that no job names, no backup lies in and no unfinished execution uses.
    pub async fn delete(&self, storage: &Reference<StorageId>) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        let found = lookup::storage(&tx, storage).await?;
        check_unused(&tx, &found).await?;
        // Whoever forgets a storage leaves what is in it, also what was to go.
        leaving_forget_in_tx(&tx, found.id, self.context.now()).await?;
        match storage_delete_in_tx(&tx, found.id).await {
            Ok(()) => Ok(tx.commit().await?),
            Err(StoreError::Referenced(_)) => Err(in_use(
                &found,
                "jobs or backups: take it out of its jobs first, then delete the backups in it with `dgctl backup delete`",
            )),
            Err(error) => Err(error.into()),
        }
    }
}

fn in_use(storage: &Storage, by: &str) -> Error {
    let message = format!("storage {} is still used by {by}", storage.name);
    Error::precondition("STORAGE_IN_USE", message)
}

/// Refused while an unfinished execution writes into a storage or looks into it.
async fn check_unused(on: &impl Connected, storage: &Storage) -> Result<(), Error> {
    let unfinished = execution_unfinished(on).await?;
    let used = unfinished.iter().any(|execution| match &execution.spec {
        ExecutionSpec::Backup(backup) => backup.storages.contains(&storage.id),
        ExecutionSpec::Restore(_) => false,
        ExecutionSpec::Verify(verify) => verify.storages.contains(&storage.id),
    });
    if used {
        return Err(in_use(
            storage,
            "executions that have not ended: wait for them or cancel them",
        ));
    }
    Ok(())
}

/// The columns of the sealed secrets.
const SECRET: &str = "secret";
const DELETE_SECRET: &str = "delete_secret";

fn place_of<'a>(id: &'a StorageId, field: &'static str) -> vault::Place<'a> {
    vault::Place {
        table: "storages",
        row: id,
        field,
    }
}

/// How an agent reaches the repository in a storage, the secret included.
pub(super) fn location(context: &Context, storage: &Storage) -> Result<RepositoryLocation, Error> {
    let place = match &storage.location {
        StorageLocation::Local { path, .. } => Place::LocalPath(path.clone()),
        StorageLocation::S3(bucket) => {
            let secret = open(context, storage, SECRET, storage.sealed.secret.as_deref())?;
            Place::S3(bucket.clone(), secret)
        }
    };
    Ok(RepositoryLocation {
        storage: storage.id,
        storage_name: storage.name.clone(),
        repository: storage.repository,
        place,
    })
}

/// How agents reach a bucket; none if the storage is a folder.
pub(super) fn agents_access(context: &Context, storage: &Storage) -> Result<Option<S3Settings>, Error> {
    match location(context, storage)?.place {
        Place::S3(bucket, secret) => Ok(Some(bucket.settings(secret))),
        Place::LocalPath(_) => Ok(None),
    }
}

/// How the control plane itself reaches a bucket to clean up there; none if it has no key for it.
pub(super) fn own_access(context: &Context, storage: &Storage) -> Result<Option<S3Settings>, Error> {
    match (&storage.location, storage.sealed.delete.as_deref()) {
        (StorageLocation::S3(bucket), Some(sealed)) => {
            let secret = open(context, storage, DELETE_SECRET, Some(sealed))?;
            Ok(Some(bucket.settings_for_deleting(secret)))
        }
        _ => Ok(None),
    }
}

fn open(
    context: &Context,
    storage: &Storage,
    field: &'static str,
    sealed: Option<&[u8]>,
) -> Result<Secret, Error> {
    let sealed = sealed.ok_or_else(|| Error::Internal(format!("storage {} has no {field}", storage.name)))?;
    let place = place_of(&storage.id, field);
    Ok(context.installation.vault.open_text(place, sealed)?)
}

fn check_place_is_free(location: &StorageLocation, neighbours: &[Neighbour]) -> Result<(), Error> {
    location
        .keep_apart(neighbours)
        .map_err(|what| place_taken(location, &what))
}

fn place_taken(location: &StorageLocation, what: &str) -> Error {
    let choose = match location {
        StorageLocation::Local { .. } => "choose another folder, best on another disk",
        StorageLocation::S3(_) => "choose another prefix beside it, best in another bucket",
    };
    let message = format!("{what}; two copies there would be lost together: {choose}");
    Error::precondition("PLACE_TAKEN", message)
}

fn request(draft: &StorageDraft) -> Request {
    let what = (&draft.name, &draft.location);
    Request::new(RequestKind::CreateStorage, draft.request_id, &what)
}

fn taken(draft: &StorageDraft) -> Error {
    Error::NameTaken {
        noun: Noun::Storage,
        name: draft.name.to_string(),
    }
}
