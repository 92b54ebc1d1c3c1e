//! Storages in a directory of this machine.
//!
//! An object is written to a staging file beside its place (`<name>#<number>`), synced, linked into place if nothing is
//! there, and its directory is synced. When writing fails the staging file is removed; when the process is killed it stays,
//! never takes part in listings, and is swept away by [`Storage::sweep_staging`].

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::DatasourceId;
use object_store::local::LocalFileSystem;

use super::{Storage, StorageError};
use crate::layout::ObjectKey;

impl Storage {
    /// The storage in that directory, which must be there: a missing one may be a disk that is not mounted.
    pub fn local(directory: impl AsRef<Path>) -> Result<Self, StorageError> {
        let directory = directory.as_ref();
        let error = |source| failed("open", directory, source);
        let canonical = directory.canonicalize().map_err(error)?;
        if !canonical.is_dir() {
            return Err(error(io::ErrorKind::NotADirectory.into()));
        }
        let store = LocalFileSystem::new_with_prefix(&canonical)
            .map_err(|source| error(source.into()))?
            .with_fsync(true);
        let mut storage = Self::over(Arc::new(store), object_store::path::Path::default());
        storage.directory = Some(Arc::new(canonical));
        Ok(storage)
    }

    /// The storage in that directory, which is made if it is not there, for its owner alone.
    pub fn create_local(directory: impl AsRef<Path>) -> Result<Self, StorageError> {
        let directory = directory.as_ref();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| failed("create", directory, source))?;
        Self::local(directory)
    }

    /// Removes what killed writers of this datasource left behind: staging files last written to before `before`. Call it
    /// when a backup starts, with a time well before it. Gives the number of files removed.
    pub async fn sweep_staging(
        &self,
        datasource: DatasourceId,
        before: DateTime<Utc>,
    ) -> Result<u64, StorageError> {
        let Some(directory) = &self.directory else {
            return Ok(0);
        };
        let directory = directory.join(datasource.to_string());
        self.blocking("sweep", datasource.to_string(), move || sweep(&directory, before))
            .await
    }

    /// Syncs an object that somebody else wrote.
    pub(super) async fn make_durable(&self, key: &ObjectKey) -> Result<(), StorageError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let path = directory.join(key.to_string());
        self.blocking("sync", key.to_string(), move || {
            File::open(&path)?.sync_all()?;
            path.parent()
                .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
        })
        .await
    }

    /// The room that is left for us, in bytes; none where that can't be asked.
    pub async fn free_bytes(&self) -> Result<Option<u64>, StorageError> {
        let Some(directory) = self.directory.clone() else {
            return Ok(None);
        };
        self.blocking("measure", ".".to_owned(), move || {
            let stat = nix::sys::statvfs::statvfs(directory.as_path())?;
            Ok(Some(stat.blocks_available().saturating_mul(stat.fragment_size())))
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        object: String,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(io::Error::other)
            .flatten()
            .map_err(|source| StorageError::from_io(action, object, self.to_string(), source))
    }
}

fn failed(action: &'static str, directory: &Path, source: io::Error) -> StorageError {
    StorageError::from_io(
        action,
        "its directory".to_owned(),
        directory.display().to_string(),
        source,
    )
    .about_the_place()
}

/// `<name>#<number>`, as the local store calls them.
fn is_staging(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.rsplit_once('#'))
        .is_some_and(|(name, number)| {
            !name.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
}

fn sweep(directory: &Path, before: DateTime<Utc>) -> io::Result<u64> {
    let mut removed = 0;
    let mut directories = vec![PathBuf::from(directory)];
    while let Some(directory) = directories.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() && is_staging(&entry.path()) && is_older(&entry, before) {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// A file that is gone by now is none.
fn is_older(entry: &fs::DirEntry, before: DateTime<Utc>) -> bool {
    let modified = entry.metadata().and_then(|meta| meta.modified());
    modified.is_ok_and(|modified| DateTime::<Utc>::from(modified) < before)
}
