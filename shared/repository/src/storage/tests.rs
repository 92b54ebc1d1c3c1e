use std::fs;

use chrono::{TimeDelta, Utc};
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::{ControlPlaneId, RepositoryId};
use object_store::memory::InMemory;
use uuid::Uuid;

use super::*;
use crate::id::PackId;

fn datasource() -> DatasourceId {
    DatasourceId::from_uuid(Uuid::from_u128(1))
}

fn pack_key(n: u8) -> ObjectKey {
    ObjectKey::Pack(datasource(), PackId::from_bytes([n; 32]))
}

/// The same tests hold for a directory and for a store with a prefix.
fn storages() -> (tempfile::TempDir, [Storage; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let local = Storage::local(directory.path()).unwrap();
    let prefixed = Storage::over(Arc::new(InMemory::new()), Path::from("some/where"));
    (directory, [local, prefixed])
}

fn files_below(directory: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(files_below(&path));
        } else {
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    names
}

#[tokio::test]
async fn what_was_put_is_there() {
    let (_directory, storages) = storages();
    for storage in storages {
        let (key, bytes) = (pack_key(1), Bytes::from_static(b"0123456789"));
        assert_eq!(storage.head(&key).await.unwrap(), None);
        assert_eq!(
            storage.put_if_absent(&key, bytes.clone()).await.unwrap(),
            PutOutcome::Created
        );
        assert_eq!(storage.head(&key).await.unwrap(), Some(10));
        assert_eq!(storage.get(&key).await.unwrap(), bytes);
        assert_eq!(storage.get_range(&key, 2..5).await.unwrap(), "234");
    }
}

#[tokio::test]
async fn a_retry_after_a_lost_reply_succeeds_and_other_contents_do_not() {
    let (_directory, storages) = storages();
    for storage in storages {
        let (key, bytes) = (pack_key(1), Bytes::from_static(b"0123456789"));
        storage.put_if_absent(&key, bytes.clone()).await.unwrap();
        assert_eq!(
            storage.put_if_absent(&key, bytes.clone()).await.unwrap(),
            PutOutcome::AlreadyThere
        );
        for other in [Bytes::from_static(b"0123456780"), Bytes::from_static(b"0")] {
            let error = storage.put_if_absent(&key, other).await.unwrap_err();
            assert_eq!(error.kind, StorageErrorKind::Conflict);
            assert!(error.to_string().contains(&key.to_string()), "{error}");
        }
        assert_eq!(storage.get(&key).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn what_is_missing_or_cut_off_is_named() {
    let (_directory, storages) = storages();
    for storage in storages {
        let key = pack_key(1);
        for error in [
            storage.get(&key).await.unwrap_err(),
            storage.get_range(&key, 0..1).await.unwrap_err(),
        ] {
            assert_eq!(error.kind, StorageErrorKind::NotFound);
            assert_eq!(error.failure_kind(), FailureKind::RepositoryDamaged);
            assert!(error.to_string().contains(&key.to_string()), "{error}");
        }
        storage
            .put_if_absent(&key, Bytes::from_static(b"0123456789"))
            .await
            .unwrap();
        for range in [5..11, 10..12, 20..21] {
            let error = storage.get_range(&key, range).await.unwrap_err();
            assert_eq!(error.kind, StorageErrorKind::WrongSize, "{error}");
        }
    }
}

#[tokio::test]
async fn listings_show_one_kind_and_pass_over_what_is_not_ours() {
    let (_directory, storages) = storages();
    for storage in storages {
        for n in 0..3 {
            storage
                .put_if_absent(&pack_key(n), Bytes::from_static(b"x"))
                .await
                .unwrap();
        }
        let list = ObjectKey::List(datasource(), crate::id::ListId::from_bytes([9; 32]));
        storage
            .put_if_absent(&list, Bytes::from_static(b"xy"))
            .await
            .unwrap();
        let foreign = storage.below("notes.txt");
        storage
            .store
            .put(&foreign, PutPayload::from_static(b"by hand"))
            .await
            .unwrap();
        let listed = async |listing| {
            let mut found: Vec<Listed> = storage.list(listing).try_collect().await.unwrap();
            found.sort_by_key(|listed| listed.key);
            found
        };
        assert_eq!(
            listed(Listing::Packs(datasource())).await,
            [0, 1, 2].map(|n| Listed {
                key: pack_key(n),
                size: 1
            })
        );
        assert_eq!(
            listed(Listing::Lists(datasource())).await,
            [Listed { key: list, size: 2 }]
        );
        assert_eq!(listed(Listing::Manifests(datasource())).await, []);
        assert_eq!(listed(Listing::Everything).await.len(), 4);
        assert_eq!(storage.datasources().await.unwrap(), [datasource()]);
    }
}

#[tokio::test]
async fn a_probe_tells_what_a_storage_can_do_and_leaves_nothing() {
    let (directory, [local, prefixed]) = storages();
    let report = local.probe().await.unwrap();
    assert!(report.conditional_put && report.removable && report.free_bytes.unwrap() > 0);
    assert_eq!(files_below(directory.path()), [] as [&str; 0]);
    let report = prefixed.probe().await.unwrap();
    assert!(report.conditional_put && report.removable && report.free_bytes.is_none());
    assert_eq!(prefixed.list(Listing::Everything).count().await, 0);
}

#[tokio::test]
async fn a_missing_directory_is_not_made_by_opening_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("not/mounted");
    let error = Storage::local(&path).unwrap_err();
    assert_eq!(error.kind, StorageErrorKind::NoPlace);
    let message = error.failure().message;
    assert!(
        message.contains("not/mounted") && message.contains("No such file"),
        "{message}"
    );
    let storage = Storage::create_local(&path).unwrap();
    storage.probe().await.unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    assert!(Storage::local(&file).is_err());
}

#[tokio::test]
async fn what_can_not_be_made_is_not_called_damaged() {
    let error = Storage::create_local("/proc/dataguardian").unwrap_err();
    assert_eq!(error.failure_kind(), FailureKind::StorageUnreachable);
    let message = error.failure().message;
    assert!(
        message.contains("can't create its directory") && message.contains("/proc/dataguardian"),
        "{message}"
    );
    let (directory, _) = storages();
    let file = directory.path().join("file");
    fs::write(&file, "somebody's").unwrap();
    let error = Storage::create_local(&file).unwrap_err();
    assert_eq!(error.failure_kind(), FailureKind::StorageUnreachable, "{error:?}");
}

#[tokio::test]
async fn a_writer_that_was_killed_leaves_nothing_that_stays() {
    let (directory, [local, _]) = storages();
    let key = pack_key(1);
    local
        .put_if_absent(&key, Bytes::from_static(b"whole"))
        .await
        .unwrap();
    let staging = directory.path().join(format!("{}#1", pack_key(2)));
    fs::create_dir_all(staging.parent().unwrap()).unwrap();
    fs::write(&staging, "ha").unwrap();
    let listed: Vec<Listed> = local.list(Listing::Everything).try_collect().await.unwrap();
    assert_eq!(listed, [Listed { key, size: 5 }]);

    let (hour, now) = (
        TimeDelta::hours(1),
        chrono::DateTime::<Utc>::from(fs::metadata(&staging).unwrap().modified().unwrap()),
    );
    assert_eq!(
        local.sweep_staging(datasource(), now - hour).await.unwrap(),
        0,
        "it may be in use"
    );
    assert_eq!(local.sweep_staging(datasource(), now + hour).await.unwrap(), 1);
    assert_eq!(files_below(directory.path()).len(), 1);
    assert_eq!(
        local
            .sweep_staging(DatasourceId::new(), now + hour)
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_stale_staging_file_does_not_stop_the_same_object() {
    let (directory, [local, _]) = storages();
    let key = pack_key(1);
    let staging = directory.path().join(format!("{key}#1"));
    fs::create_dir_all(staging.parent().unwrap()).unwrap();
    fs::write(&staging, "ha").unwrap();
    local
        .put_if_absent(&key, Bytes::from_static(b"whole"))
        .await
        .unwrap();
    assert_eq!(local.get(&key).await.unwrap(), "whole");
}

/// A limit on the size of files stands in for a full disk: it, too, breaks a write off in the middle. It holds for a whole
/// process, so the test runs itself again under one.
#[tokio::test]
async fn a_write_that_breaks_off_leaves_no_file() {
    const DIRECTORY: &str = "DATAGUARDIAN_TEST_LIMITED_DIRECTORY";
    const NAME: &str = "storage::tests::a_write_that_breaks_off_leaves_no_file";
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let storage = Storage::local(&directory).unwrap();
        let error = storage
            .put_if_absent(&pack_key(1), vec![7; 1 << 20].into())
            .await
            .unwrap_err();
        assert_eq!(error.kind, StorageErrorKind::Other, "{error}");
        assert_eq!(storage.head(&pack_key(1)).await.unwrap(), None);
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let limited = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env(DIRECTORY, directory.path())
        .output()
        .unwrap();
    assert!(limited.status.success(), "{limited:?}");
    assert!(
        directory.path().join(datasource().to_string()).is_dir(),
        "it was not tried"
    );
    assert_eq!(files_below(directory.path()), [] as [&str; 0]);
}

fn descriptor(owner: u128) -> RepositoryDescriptor {
    RepositoryDescriptor {
        format: 1,
        id: RepositoryId::new(),
        owner: ControlPlaneId::from_uuid(Uuid::from_u128(owner)),
        chunker: "content-defined".to_owned(),
        keys: vec![],
    }
}

#[tokio::test]
async fn a_repository_is_made_once_and_belongs_to_its_maker() {
    let (_directory, storages) = storages();
    for storage in storages {
        let (ours, again, theirs) = (descriptor(1), descriptor(1), descriptor(2));
        let opened = storage.open_or_create_repository(&ours).await.unwrap();
        assert_eq!((opened.descriptor, opened.created), (ours.clone(), true));
        let opened = storage.open_or_create_repository(&again).await.unwrap();
        assert_eq!((opened.descriptor, opened.created), (ours.clone(), false));
        let error = storage.open_or_create_repository(&theirs).await.unwrap_err();
        assert!(
            matches!(error, OpenRepositoryError::ForeignOwner { owner, .. } if owner == ours.owner),
            "{error}"
        );
        assert_eq!(error.failure_kind(), FailureKind::RepositoryForeign);
    }
}

#[tokio::test]
async fn instructions_that_were_removed_are_put_back() {
    let (directory, [local, _]) = storages();
    let open = async || local.open_or_create_repository(&descriptor(1)).await.unwrap();
    open().await;
    for name in ["RESTORE.md", "restore.py"] {
        let file = directory.path().join(name);
        let written = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        open().await;
        assert_eq!(fs::read(&file).unwrap(), written);
    }
}

#[tokio::test]
async fn a_newer_repository_is_called_newer() {
    let (_directory, storages) = storages();
    for storage in storages {
        let newer = Bytes::from_static(br#"{"format": 2, "all else": "may be otherwise"}"#);
        storage
            .put_if_absent(&ObjectKey::Repository, newer)
            .await
            .unwrap();
        let error = storage
            .open_or_create_repository(&descriptor(1))
            .await
            .unwrap_err();
        assert!(
            matches!(error, OpenRepositoryError::NewerFormat { version: 2, .. }),
            "{error}"
        );
    }
}
