//! What failed backups left in a storage that only this agent reaches: finding it, and deleting exactly what was asked.
//!
//! The control plane decides; this end makes sure that nothing but packs and lists of that datasource, in that repository,
//! named by no manifest there, can go, whatever is asked.

use std::collections::BTreeSet;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::DatasourceId;
use dataguardian_failpoints::failpoint;
use dataguardian_proto::agent::v1::{self, ObjectKind};
use dataguardian_proto::convert::InvalidField;
use dataguardian_repository::id::{ListId, PackId};
use dataguardian_repository::storage::Storage;
use dataguardian_repository::unnamed::{DataObject, find_unnamed, remove_unnamed};

use super::{malformed, place};
use crate::repositories;
use crate::runner::Host;

/// Objects in one answer: 1 MiB.
const MAX_FOUND: usize = 20_000;
/// Objects in one question.
const MAX_ASKED: usize = 1000;

pub(super) async fn find(
    host: &Host,
    asked: v1::FindUnnamedQuestion,
) -> Result<v1::FindUnnamedAnswer, Failure> {
    let (storage, datasource) = open(host, asked.repository, &asked.datasource_id).await?;
    let about = objects("about", &asked.about)?;
    let found = find_unnamed(&storage, datasource).await;
    let found = found.map_err(|error| error.failure())?;
    let mut absent = Vec::new();
    for object in &about {
        let there = storage.head(&object.key(datasource)).await;
        if there.map_err(|error| error.failure())?.is_none() {
            absent.push(to_wire(object, 0));
        }
    }
    Ok(v1::FindUnnamedAnswer {
        backup_ids: found.backups.iter().map(ToString::to_string).collect(),
        truncated: found.objects.len() > MAX_FOUND,
        unnamed: found
            .objects
            .iter()
            .take(MAX_FOUND)
            .map(|(object, size)| to_wire(object, *size))
            .collect(),
        absent,
    })
}

pub(super) async fn delete(
    host: &Host,
    asked: v1::DeleteObjectsQuestion,
) -> Result<v1::DeleteObjectsAnswer, Failure> {
    let (storage, datasource) = open(host, asked.repository, &asked.datasource_id).await?;
    let objects = objects("objects", &asked.objects)?;
    let removed = remove_unnamed(&storage, datasource, &objects).await;
    let removed = removed.map_err(|error| error.failure())?;
    failpoint!(CondemnedDeleted);
    tracing::info!(
        datasource.id = %datasource, storage = %storage, deleted = removed.gone.len(), named = removed.named.len(),
        "objects that no backup needs were deleted"
    );
    Ok(v1::DeleteObjectsAnswer {
        deleted: removed.gone.iter().map(|object| to_wire(object, 0)).collect(),
        named: removed.named.iter().map(|object| to_wire(object, 0)).collect(),
    })
}

/// The repository that is meant, checked to be that one and its control plane's own.
pub(super) async fn open(
    host: &Host,
    repository: Option<v1::RepositoryLocation>,
    datasource: &str,
) -> Result<(Storage, DatasourceId), Failure> {
    let datasource = datasource.parse().map_err(|error| malformed(&error))?;
    Ok((open_own(host, repository).await?, datasource))
}

/// The same, whatever datasource is meant.
pub(super) async fn open_own(
    host: &Host,
    repository: Option<v1::RepositoryLocation>,
) -> Result<Storage, Failure> {
    let place = place(repository)?;
    let storage = repositories::open(host, &place)?;
    repositories::check_repository(&storage, &place).await?;
    check_owner(host, &storage).await?;
    Ok(storage)
}

/// Nobody but the control plane that owns a repository deletes from it.
async fn check_owner(host: &Host, storage: &Storage) -> Result<(), Failure> {
    let described = storage.describe_repository().await;
    let owner = described
        .map_err(|error| error.failure())?
        .map(|there| there.owner);
    if owner == Some(host.owner) {
        return Ok(());
    }
    let message = format!("storage {storage} belongs to another control plane: nothing is deleted there");
    Err(Failure::new(FailureKind::AgentPolicy, message))
}

fn objects(field: &'static str, wire: &[v1::StoredObject]) -> Result<BTreeSet<DataObject>, Failure> {
    if wire.len() > MAX_ASKED {
        let problem = format!("has more than {MAX_ASKED} objects");
        return Err(malformed(&InvalidField::new(field, problem)));
    }
    let read = wire.iter().map(|object| from_wire(field, object));
    read.collect::<Result<_, _>>().map_err(|error| malformed(&error))
}

/// A pack or list by its id.
pub(super) fn from_wire(field: &'static str, object: &v1::StoredObject) -> Result<DataObject, InvalidField> {
    let id = object.id.as_slice().try_into();
    let id = id.map_err(|_| InvalidField::new(field, "has an id that is not 32 bytes long"))?;
    match object.kind() {
        ObjectKind::Pack => Ok(DataObject::Pack(PackId::from_bytes(id))),
        ObjectKind::List => Ok(DataObject::List(ListId::from_bytes(id))),
        ObjectKind::Unspecified => Err(InvalidField::new(
            field,
            "has an object that is neither pack nor list",
        )),
    }
}

fn to_wire(object: &DataObject, size: u64) -> v1::StoredObject {
    let (kind, id) = match object {
        DataObject::Pack(id) => (ObjectKind::Pack, id.as_bytes()),
        DataObject::List(id) => (ObjectKind::List, id.as_bytes()),
    };
    v1::StoredObject {
        kind: kind.into(),
        id: id.to_vec(),
        size,
    }
}
