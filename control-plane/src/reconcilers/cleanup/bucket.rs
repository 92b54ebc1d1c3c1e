//! Cleaning up in a bucket, with the control plane's own key: no agent has one that deletes.

use std::collections::BTreeSet;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{ControlPlaneId, DatasourceId};
use dataguardian_repository::id::{ListId, PackId};
use dataguardian_repository::storage::Storage as Bucket;
use dataguardian_repository::storage::s3::S3Settings;
use dataguardian_repository::unnamed::{self, find_unnamed, remove_unnamed};

use crate::domain::cleanup::Sighting;
use crate::domain::pack::{DataObject, ObjectKind};
use crate::domain::storage::Storage;

/// What of a datasource is there and named by no manifest.
pub(in crate::reconcilers) async fn look(
    settings: &S3Settings,
    storage: &Storage,
    owner: ControlPlaneId,
    datasource: DatasourceId,
    about: &BTreeSet<DataObject>,
) -> Result<Sighting, Failure> {
    let bucket = open(settings, storage, owner).await?;
    let found = find_unnamed(&bucket, datasource).await;
    let found = found.map_err(|error| error.failure())?;
    let mut absent = BTreeSet::new();
    for object in about {
        let there = bucket.head(&stored(object).key(datasource)).await;
        if there.map_err(|error| error.failure())?.is_none() {
            absent.insert(*object);
        }
    }
    Ok(Sighting {
        manifests: found.backups,
        unnamed: found
            .objects
            .iter()
            .map(|(object, size)| (known(object), *size))
            .collect(),
        absent,
    })
}

/// Deletes exactly these, unless a manifest there names them; gives those that are gone, and those that are named.
pub(in crate::reconcilers) async fn delete(
    settings: &S3Settings,
    storage: &Storage,
    owner: ControlPlaneId,
    datasource: DatasourceId,
    objects: &BTreeSet<DataObject>,
) -> Result<(BTreeSet<DataObject>, BTreeSet<DataObject>), Failure> {
    let bucket = open(settings, storage, owner).await?;
    let objects = objects.iter().map(stored).collect();
    let removed = remove_unnamed(&bucket, datasource, &objects).await;
    let removed = removed.map_err(|error| error.failure())?;
    let known = |objects: &BTreeSet<unnamed::DataObject>| objects.iter().map(known).collect();
    Ok((known(&removed.gone), known(&removed.named)))
}

/// The repository that is meant, checked to be that one and ours.
pub(in crate::reconcilers) async fn open(
    settings: &S3Settings,
    storage: &Storage,
    owner: ControlPlaneId,
) -> Result<Bucket, Failure> {
    let bucket = Bucket::s3(settings).map_err(|error| error.failure())?;
    let there = bucket.describe_repository().await;
    let there = there.map_err(|error| error.failure())?;
    if there.is_some_and(|there| there.id == storage.repository && there.owner == owner) {
        return Ok(bucket);
    }
    let message = format!(
        "storage {} does not hold its repository: nothing is deleted there",
        storage.name
    );
    Err(Failure::new(FailureKind::StorageUnreachable, message))
}

fn stored(object: &DataObject) -> unnamed::DataObject {
    match object.kind {
        ObjectKind::Pack => unnamed::DataObject::Pack(PackId::from_bytes(object.id)),
        ObjectKind::List => unnamed::DataObject::List(ListId::from_bytes(object.id)),
    }
}

fn known(object: &unnamed::DataObject) -> DataObject {
    let (kind, id) = match object {
        unnamed::DataObject::Pack(id) => (ObjectKind::Pack, *id.as_bytes()),
        unnamed::DataObject::List(id) => (ObjectKind::List, *id.as_bytes()),
    };
    DataObject { kind, id }
}
