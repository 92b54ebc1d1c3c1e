//! Packs and lists that no manifest names: what backups that never were leave behind. Needs no key.
//!
//! What must never happen: an object is called unnamed, or removed, while a manifest in the storage names it, or may name it
//! because it can't be read. So one manifest that can't be read stops everything, objects are listed before the manifests
//! are read, and removing reads the manifests anew.

use std::collections::{BTreeMap, BTreeSet};

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, DatasourceId};
use futures::TryStreamExt;

use crate::failure::with_causes;
use crate::id::{ListId, PackId};
use crate::layout::ObjectKey;
use crate::manifest::{InvalidManifest, Manifest, Outline, PayloadError};
use crate::storage::{Listing, Storage, StorageError};

/// An object that can be given up: a pack or a list, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataObject {
    /// A pack.
    Pack(PackId),
    /// A list.
    List(ListId),
}

impl DataObject {
    /// Its name in a repository.
    pub const fn key(self, datasource: DatasourceId) -> ObjectKey {
        match self {
            Self::Pack(id) => ObjectKey::Pack(datasource, id),
            Self::List(id) => ObjectKey::List(datasource, id),
        }
    }

    const fn of(key: &ObjectKey) -> Option<Self> {
        match key {
            ObjectKey::Pack(_, id) => Some(Self::Pack(*id)),
            ObjectKey::List(_, id) => Some(Self::List(*id)),
            ObjectKey::Repository
            | ObjectKey::Instructions
            | ObjectKey::Script
            | ObjectKey::WrappedKey(_)
            | ObjectKey::Manifest(..)
            | ObjectKey::Probe(_) => None,
        }
    }
}

/// What of a datasource is in a storage and named by nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnamed {
    /// The manifests that are there.
    pub backups: BTreeSet<BackupId>,
    /// Packs and lists that none of them names, with their sizes in bytes.
    pub objects: BTreeMap<DataObject, u64>,
}

/// What became of objects that were to be removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    /// They are not there any more.
    pub gone: BTreeSet<DataObject>,
    /// A manifest names them: they were left alone.
    pub named: BTreeSet<DataObject>,
}

/// Nothing can be said of what is needed.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The storage does not let us look.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A manifest that can't be read may name anything.
    #[error("storage {storage}: {} can't be read, so nothing here may be called unneeded", .key.describe())]
    Unreadable {
        /// Which storage.
        storage: String,
        /// The manifest.
        key: ObjectKey,
        /// What is the matter with it.
        source: UnreadableManifest,
    },
}

/// Why a manifest can't be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableManifest {
    /// It is none.
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
    /// Its payload is none.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// It is another's.
    #[error("it is of another backup or datasource than its name says")]
    Misplaced,
}

impl SurveyError {
    /// The same for people, with its causes.
    pub fn failure(&self) -> Failure {
        match self {
            Self::Storage(error) => error.failure(),
            Self::Unreadable { .. } => with_causes(FailureKind::RepositoryDamaged, self),
        }
    }
}

/// The packs and lists of a datasource that no manifest in this storage names.
pub async fn find_unnamed(storage: &Storage, datasource: DatasourceId) -> Result<Unnamed, SurveyError> {
    let mut objects = BTreeMap::new();
    for listing in [Listing::Packs(datasource), Listing::Lists(datasource)] {
        let mut listed = storage.list(listing);
        while let Some(found) = listed.try_next().await? {
            objects.extend(DataObject::of(&found.key).map(|object| (object, found.size)));
        }
    }
    let (backups, named) = named(storage, datasource).await?;
    objects.retain(|object, _| !named.contains(object));
    Ok(Unnamed { backups, objects })
}

/// Removes those of these packs and lists that no manifest in this storage names. Doing it again changes nothing.
pub async fn remove_unnamed(
    storage: &Storage,
    datasource: DatasourceId,
    objects: &BTreeSet<DataObject>,
) -> Result<Removed, SurveyError> {
    let (_, needed) = named(storage, datasource).await?;
    let mut removed = Removed::default();
    for object in objects {
        if needed.contains(object) {
            removed.named.insert(*object);
        } else {
            storage.remove(&object.key(datasource)).await?;
            removed.gone.insert(*object);
        }
    }
    Ok(removed)
}

/// All manifests of a datasource in this storage, and all that they name.
async fn named(
    storage: &Storage,
    datasource: DatasourceId,
) -> Result<(BTreeSet<BackupId>, BTreeSet<DataObject>), SurveyError> {
    let (mut backups, mut objects) = (BTreeSet::new(), BTreeSet::new());
    let mut listed = storage.list(Listing::Manifests(datasource));
    while let Some(found) = listed.try_next().await? {
        let ObjectKey::Manifest(_, backup) = found.key else {
            continue;
        };
        let bytes = storage.get(&found.key).await?;
        let outline = read(&bytes, datasource, backup).map_err(|source| SurveyError::Unreadable {
            storage: storage.to_string(),
            key: found.key,
            source,
        })?;
        backups.insert(backup);
        objects.extend(outline.packs.iter().map(|pack| DataObject::Pack(pack.id)));
        objects.extend(outline.lists.iter().map(|list| DataObject::List(list.id)));
    }
    Ok((backups, objects))
}

fn read(bytes: &[u8], datasource: DatasourceId, backup: BackupId) -> Result<Outline, UnreadableManifest> {
    let outline = Outline::decode(Manifest::decode(bytes)?.payload())?;
    if (outline.datasource, outline.backup) != (datasource, backup) {
        return Err(UnreadableManifest::Misplaced);
    }
    Ok(outline)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use object_store::memory::InMemory;

    use super::*;
    use crate::chunker::Profile;
    use crate::keys::Protection;
    use crate::testing::{BACKUP, DATASOURCE, Recipe};

    async fn with_a_backup() -> (Storage, BTreeSet<DataObject>) {
        let storage = Storage::over(Arc::new(InMemory::new()), object_store::path::Path::from("r"));
        let recipe = Recipe {
            protection: Protection::Plain,
            profile: Profile::ContentDefined,
            pack_target: 64 << 10,
            streams: vec![Bytes::from(vec![7; 3 << 20])],
        };
        let mut named = BTreeSet::new();
        for (key, bytes) in recipe.make().objects {
            storage.put_if_absent(&key, bytes).await.unwrap();
            named.extend(DataObject::of(&key));
        }
        (storage, named)
    }

    fn left() -> BTreeSet<DataObject> {
        let pack = DataObject::Pack(PackId::from_bytes([9; 32]));
        let list = DataObject::List(ListId::from_bytes([8; 32]));
        BTreeSet::from([pack, list])
    }

    async fn leave(storage: &Storage) {
        for object in left() {
            let bytes = Bytes::from_static(b"left over");
            storage
                .put_if_absent(&object.key(DATASOURCE), bytes)
                .await
                .unwrap();
        }
    }

    #[tokio::test]
    async fn only_what_no_manifest_names_is_found_and_removed() {
        let (storage, named) = with_a_backup().await;
        leave(&storage).await;
        let found = find_unnamed(&storage, DATASOURCE).await.unwrap();
        let sizes = left().into_iter().map(|object| (object, 9)).collect();
        assert_eq!((found.backups, found.objects), (BTreeSet::from([BACKUP]), sizes));
        let everything: BTreeSet<_> = left().union(&named).copied().collect();
        let removed = remove_unnamed(&storage, DATASOURCE, &everything).await.unwrap();
        assert_eq!((removed.gone, removed.named), (left(), named.clone()));
        for object in named {
            assert!(storage.head(&object.key(DATASOURCE)).await.unwrap().is_some());
        }
        for object in left() {
            assert_eq!(storage.head(&object.key(DATASOURCE)).await.unwrap(), None);
        }
        let again = remove_unnamed(&storage, DATASOURCE, &left()).await.unwrap();
        assert_eq!(again.gone, left());
    }

    #[tokio::test]
    async fn a_manifest_that_can_not_be_read_stops_everything() {
        let (storage, _) = with_a_backup().await;
        leave(&storage).await;
        let stranger = ObjectKey::Manifest(DATASOURCE, BackupId::new());
        let ours = storage
            .get(&ObjectKey::Manifest(DATASOURCE, BACKUP))
            .await
            .unwrap();
        for unreadable in [Bytes::from_static(b"{"), ours] {
            storage.put_if_absent(&stranger, unreadable).await.unwrap();
            let error = find_unnamed(&storage, DATASOURCE).await.unwrap_err();
            assert_eq!(error.failure().kind, FailureKind::RepositoryDamaged);
            assert!(remove_unnamed(&storage, DATASOURCE, &left()).await.is_err());
            for object in left() {
                assert!(storage.head(&object.key(DATASOURCE)).await.unwrap().is_some());
            }
            storage.remove(&stranger).await.unwrap();
        }
    }
}
