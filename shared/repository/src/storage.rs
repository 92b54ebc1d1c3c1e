//! Where repositories are kept. The only place of the workspace that speaks to object stores.
//!
//! What must never happen: an object that was there is overwritten, or one is called stored that a power cut could still take
//! away. All writing therefore goes through [`Storage::put_if_absent`], but for what is damaged ([`Storage::mend`]); a local storage syncs files and directories before it
//! says that they are there.
//!
//! Nothing here tries again, but for reading from a storage that is told to be patient ([`Storage::patient`]): whoever calls
//! knows how long it may wait, and every call is idempotent.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dataguardian_core::ids::DatasourceId;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::layout::ObjectKey;

mod datasources;
mod error;
mod local;
mod mend;
mod patience;
mod probe;
mod repository;
pub mod s3;

pub use error::{StorageError, StorageErrorKind};
pub use probe::ProbeReport;
pub use repository::{OpenRepositoryError, OpenedRepository, RepositoryDescriptor};

/// A place that holds one repository.
#[derive(Clone)]
pub struct Storage {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// The directory of a local storage.
    directory: Option<Arc<PathBuf>>,
    /// What it is called in messages, where that is not its directory.
    label: Option<Arc<str>>,
    /// Whether it is asked for an object before it is written, since its "only if absent" can't be relied upon.
    looks_first: bool,
    /// How long reads are tried again while it is away.
    patience: Duration,
}

/// What [`Storage::put_if_absent`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// Nothing; the object is new.
    Created,
    /// The same object: an earlier try had succeeded, or somebody else stored the same.
    AlreadyThere,
}

/// Which objects to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// All.
    Everything,
    /// A datasource's packs.
    Packs(DatasourceId),
    /// A datasource's lists.
    Lists(DatasourceId),
    /// A datasource's manifests.
    Manifests(DatasourceId),
}

/// An object that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub key: ObjectKey,
    /// Its size in bytes.
    pub size: u64,
}

impl Storage {
    /// A storage over some object store, below `prefix`.
    pub(crate) fn over(store: Arc<dyn ObjectStore>, prefix: Path) -> Self {
        Self {
            store,
            prefix,
            directory: None,
            label: None,
            looks_first: false,
            patience: Duration::ZERO,
        }
    }

    /// Stores an object unless it is there. After `Ok` it is there, whole and durable.
    ///
    /// # Errors
    /// [`StorageErrorKind::Conflict`] if something else is stored under that name; all else that a storage may refuse with.
    pub async fn put_if_absent(&self, key: &ObjectKey, bytes: Bytes) -> Result<PutOutcome, StorageError> {
        if self.looks_first && self.head(key).await?.is_some() {
            return self.compare(key, &bytes).await;
        }
        match self.put(key, bytes.clone(), PutMode::Create).await {
            Ok(()) => Ok(PutOutcome::Created),
            // It does not know of "only if absent", and was looked into a moment ago.
            Err(error) if self.looks_first && error.is_unknown_to_it() => {
                self.put(key, bytes, PutMode::Overwrite).await?;
                Ok(PutOutcome::Created)
            }
            Err(error) if error.kind == StorageErrorKind::Conflict => self.compare(key, &bytes).await,
            // A file system without hard links can't publish only if absent: look first, then rename into place.
            Err(error) if self.directory.is_some() && error.may_lack_hard_links() => {
                if self.head(key).await?.is_some() {
                    return self.compare(key, &bytes).await;
                }
                self.put(key, bytes, PutMode::Overwrite).await?;
                Ok(PutOutcome::Created)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether it is reached over a network, so that it may be away for a moment.
    pub fn is_remote(&self) -> bool {
        self.directory.is_none()
    }

    async fn put(&self, key: &ObjectKey, bytes: Bytes, mode: PutMode) -> Result<(), StorageError> {
        let payload = PutPayload::from_bytes(bytes);
        let put = self.store.put_opts(&self.path(key), payload, mode.into()).await;
        put.map(drop).map_err(|source| self.error("write", key, source))
    }

    /// Whether what is stored is `bytes`. If so it is made durable, which whoever wrote it may not have come to.
    async fn compare(&self, key: &ObjectKey, bytes: &Bytes) -> Result<PutOutcome, StorageError> {
        let there = self.head(key).await?;
        // Another write of the same name is under way: who tries again finds how it ended.
        if there.is_none() && self.looks_first {
            let what = "another write of it is under way";
            return Err(self.own_error(StorageErrorKind::Unreachable, "write", key, what));
        }
        if there != Some(bytes.len() as u64) || self.get(key).await? != bytes {
            return Err(self.own_error(
                StorageErrorKind::Conflict,
                "write",
                key,
                "something else is stored there",
            ));
        }
        self.make_durable(key).await?;
        Ok(PutOutcome::AlreadyThere)
    }

    /// An object's bytes. Refuses an object larger than its kind can be before reading it.
    pub async fn get(&self, key: &ObjectKey) -> Result<Bytes, StorageError> {
        self.patiently(|| self.get_once(key)).await
    }

    async fn get_once(&self, key: &ObjectKey) -> Result<Bytes, StorageError> {
        let found = self.store.get_opts(&self.path(key), GetOptions::default()).await;
        let found = found.map_err(|source| self.error("read", key, source))?;
        if found.meta.size > key.max_len() {
            let what = format!(
                "it has {} bytes, more than any object of its kind",
                found.meta.size
            );
            return Err(self.own_error(StorageErrorKind::WrongSize, "read", key, what));
        }
        found
            .bytes()
            .await
            .map_err(|source| self.error("read", key, source))
    }

    /// A part of an object: all of `range`, or an error.
    pub async fn get_range(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, StorageError> {
        self.patiently(|| self.get_range_once(key, range.clone())).await
    }

    async fn get_range_once(&self, key: &ObjectKey, range: Range<u64>) -> Result<Bytes, StorageError> {
        let wanted = range.end.saturating_sub(range.start);
        let cut_off = || {
            let what = format!("it ends before byte {}", range.end);
            self.own_error(StorageErrorKind::WrongSize, "read", key, what)
        };
        match self.store.get_range(&self.path(key), range.clone()).await {
            Ok(bytes) if bytes.len() as u64 == wanted => Ok(bytes),
            Ok(_) => Err(cut_off()),
            // Stores answer a range past the end each in their own way: ask for the size to tell this from other errors.
            Err(source) => match self.head_once(key).await {
                Ok(Some(size)) if size < range.end => Err(cut_off()),
                _ => Err(self.error("read", key, source)),
            },
        }
    }

    /// An object's size in bytes; none if it is not there.
    pub async fn head(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        self.patiently(|| self.head_once(key)).await
    }

    async fn head_once(&self, key: &ObjectKey) -> Result<Option<u64>, StorageError> {
        match self.store.head(&self.path(key)).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(source) => match self.error("look for", key, source) {
                error if error.kind == StorageErrorKind::NotFound => Ok(None),
                error => Err(error),
            },
        }
    }

    /// The objects that are there, in no order. Whatever is not this format's is passed over.
    pub fn list(&self, listing: Listing) -> BoxStream<'static, Result<Listed, StorageError>> {
        let prefix = match listing {
            Listing::Everything => self.prefix.clone(),
            Listing::Packs(datasource) => self.below(&format!("{datasource}/packs")),
            Listing::Lists(datasource) => self.below(&format!("{datasource}/lists")),
            Listing::Manifests(datasource) => self.below(&format!("{datasource}/backups")),
        };
        let storage = self.clone();
        let listed = self.store.list(Some(&prefix));
        let what = match prefix.as_ref() {
            "" => "its objects".to_owned(),
            prefix => prefix.to_owned(),
        };
        listed
            .map_err({
                let storage = storage.clone();
                move |source| StorageError::from_store("list", what.clone(), &storage, source)
            })
            .try_filter_map(move |meta| {
                let key = storage.key(&meta.location);
                std::future::ready(Ok(key.map(|key| Listed { key, size: meta.size })))
            })
            .boxed()
    }

    /// Removes an object; that it is not there is no error.
    pub(crate) async fn remove(&self, key: &ObjectKey) -> Result<(), StorageError> {
        match self.store.delete(&self.path(key)).await {
            Ok(()) => Ok(()),
            Err(source) => match self.error("remove", key, source) {
                error if error.kind == StorageErrorKind::NotFound => Ok(()),
                error => Err(error),
            },
        }
    }

    fn path(&self, key: &ObjectKey) -> Path {
        self.below(&key.to_string())
    }

    fn below(&self, path: &str) -> Path {
        self.prefix.parts().chain(Path::from(path).parts()).collect()
    }

    fn key(&self, path: &Path) -> Option<ObjectKey> {
        let parts: Vec<_> = path.prefix_match(&self.prefix)?.collect();
        let parts: Vec<_> = parts.iter().map(AsRef::as_ref).collect();
        parts.join("/").parse().ok()
    }

    fn error(&self, action: &'static str, key: &ObjectKey, source: object_store::Error) -> StorageError {
        StorageError::from_store(action, key.to_string(), self, source)
    }

    fn own_error(
        &self,
        kind: StorageErrorKind,
        action: &'static str,
        key: &ObjectKey,
        what: impl Into<String>,
    ) -> StorageError {
        StorageError {
            kind,
            action,
            object: key.to_string(),
            storage: self.to_string(),
            source: what.into().into(),
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.directory, &self.label) {
            (Some(directory), _) => directory.display().fmt(f),
            (None, Some(label)) => f.write_str(label),
            (None, None) => write!(f, "{}/{}", self.store, self.prefix),
        }
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Storage({self})")
    }
}

#[cfg(test)]
mod no_hard_links;
#[cfg(test)]
mod tests;
