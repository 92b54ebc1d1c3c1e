//! A directory on a file system that refuses hard links, as vfat and many network mounts do. It has to be made up: only a
//! mount could be a real one.

use std::io;
use std::sync::Mutex;

use bytes::Bytes;
use futures::stream::BoxStream;
use nix::errno::Errno;
use object_store::local::LocalFileSystem;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, PutMultipartOptions,
    PutOptions, PutResult, Result,
};

use super::*;

/// Passes everything on but "only if absent", for which the local store links.
#[derive(Debug)]
struct NoHardLinks {
    store: LocalFileSystem,
    refusal: Errno,
    modes: Mutex<Vec<PutMode>>,
}

impl fmt::Display for NoHardLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait::async_trait]
impl ObjectStore for NoHardLinks {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.modes.lock().unwrap().push(options.mode.clone());
        if options.mode == PutMode::Create {
            // As the local store does, which writes its staging file first and then links.
            let staging = Path::from(format!("{location}#1"));
            self.store
                .put_opts(&staging, payload, PutMode::Overwrite.into())
                .await
                .ok();
            self.store.delete(&staging).await.ok();
            return Err(object_store::Error::Generic {
                store: "test",
                source: io::Error::from_raw_os_error(self.refusal as i32).into(),
            });
        }
        self.store.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.store.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}

fn storage(directory: &std::path::Path, refusal: Errno) -> (Storage, Arc<NoHardLinks>) {
    let store = Arc::new(NoHardLinks {
        store: LocalFileSystem::new_with_prefix(directory)
            .unwrap()
            .with_fsync(true),
        refusal,
        modes: Mutex::default(),
    });
    let mut storage = Storage::over(store.clone(), Path::default());
    storage.directory = Some(Arc::new(directory.to_owned()));
    (storage, store)
}

#[tokio::test]
async fn without_hard_links_nothing_is_overwritten_all_the_same() {
    for refusal in [Errno::EPERM, Errno::EOPNOTSUPP, Errno::ENOSYS, Errno::EMLINK] {
        let directory = tempfile::tempdir().unwrap();
        let (storage, store) = storage(directory.path(), refusal);
        let key = ObjectKey::Pack(DatasourceId::new(), crate::id::PackId::from_bytes([1; 32]));
        let bytes = Bytes::from_static(b"0123456789");
        assert_eq!(
            storage.put_if_absent(&key, bytes.clone()).await.unwrap(),
            PutOutcome::Created
        );
        assert_eq!(
            *store.modes.lock().unwrap(),
            [PutMode::Create, PutMode::Overwrite]
        );
        assert_eq!(
            storage.put_if_absent(&key, bytes.clone()).await.unwrap(),
            PutOutcome::AlreadyThere
        );
        for other in [Bytes::from_static(b"0123456780"), Bytes::from_static(b"0")] {
            let error = storage.put_if_absent(&key, other).await.unwrap_err();
            assert_eq!(error.kind, StorageErrorKind::Conflict);
        }
        assert_eq!(storage.get(&key).await.unwrap(), bytes);
        let written = store
            .modes
            .lock()
            .unwrap()
            .iter()
            .filter(|mode| **mode == PutMode::Overwrite)
            .count();
        assert_eq!(written, 1, "only what was not there was written");
        assert!(!storage.probe().await.unwrap().conditional_put);
    }
}

#[tokio::test]
async fn other_refusals_are_no_reason_to_do_without() {
    let directory = tempfile::tempdir().unwrap();
    let (storage, store) = storage(directory.path(), Errno::ENOSPC);
    let key = ObjectKey::Probe(uuid::Uuid::nil());
    let error = storage
        .put_if_absent(&key, Bytes::from_static(b"x"))
        .await
        .unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::Full);
    assert_eq!(*store.modes.lock().unwrap(), [PutMode::Create]);
    assert_eq!(storage.head(&key).await.unwrap(), None);
}
