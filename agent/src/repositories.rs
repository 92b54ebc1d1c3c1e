//! Opening repositories and private folders on this host, within what the host's owner allows.

use chrono::TimeDelta;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, ControlPlaneId, DatasourceId};
use dataguardian_repository::chunker::Profile;
use dataguardian_repository::format::FORMAT_VERSION;
use dataguardian_repository::id::KeyId;
use dataguardian_repository::keys::Protection;
use dataguardian_repository::manifest::{Signer, VerifyingKey};
use dataguardian_repository::presence::{MissingOrWrongSize, check_presence};
use dataguardian_repository::read::BackupReader;
use dataguardian_repository::storage::s3::S3Settings;
use dataguardian_repository::storage::{RepositoryDescriptor, Storage, StorageErrorKind};
use tempfile::TempDir;

use crate::engines::clients::ClientSearch;
use crate::runner::Host;
use crate::runner::work::{Place, RepositoryPlace};

/// Staging files older than this belong to no writer that lives.
const STALE_STAGING: TimeDelta = TimeDelta::hours(48);

/// The repository at that place, checked to be the one that is meant and ours.
pub(crate) async fn open_for_writing(
    host: &Host,
    place: &RepositoryPlace,
    owner: ControlPlaneId,
    datasource: DatasourceId,
) -> Result<Storage, Failure> {
    let storage = open(host, place)?;
    check_repository(&storage, place).await?;
    // It is there, so nothing is made here: only its owner is checked.
    storage
        .open_or_create_repository(&descriptor(place, owner, Vec::new()))
        .await
        .map_err(|error| error.failure())?;
    let before = host.clock.now() - STALE_STAGING;
    if let Err(error) = storage.sweep_staging(datasource, before).await {
        tracing::warn!(%error, "left-over staging files could not be swept away");
    }
    Ok(storage)
}

/// Looks whether the repository is where it should be. One is made once, when its storage is created; one that is missing
/// later means an empty mount point, and must not be made again there.
pub(crate) async fn check_repository(storage: &Storage, place: &RepositoryPlace) -> Result<(), Failure> {
    let there = storage
        .describe_repository()
        .await
        .map_err(|error| error.failure())?;
    if there.as_ref().map(|descriptor| descriptor.id) == Some(place.repository) {
        return Ok(());
    }
    let holds = there.map_or("no repository".to_owned(), |other| {
        format!("repository {}", other.id)
    });
    let message = format!(
        "storage {} holds {holds} where repository {} should be: {}",
        place.name,
        place.repository,
        match place.place {
            Place::Local(_) => "is its disk mounted?",
            Place::S3(_) | Place::Locked => "is it another bucket or prefix than before?",
        }
    );
    Err(Failure::new(FailureKind::StorageUnreachable, message))
}

/// The storage at that place.
pub(crate) fn open(host: &Host, place: &RepositoryPlace) -> Result<Storage, Failure> {
    let path = match &place.place {
        Place::Local(path) => host.config.permit_local_path(path)?,
        Place::S3(settings) => {
            let settings = S3Settings {
                stall: host.config.storage_stall(),
                ..S3Settings::clone(settings)
            };
            return Storage::s3(&settings).map_err(|error| error.failure());
        }
        Place::Locked => {
            let message = format!(
                "storage {} is in a bucket whose key this agent did not keep: the control plane sends it anew",
                place.name
            );
            return Err(Failure::new(FailureKind::StorageUnreachable, message));
        }
    };
    Storage::local(path).map_err(|error| match error.kind {
        StorageErrorKind::NoPlace => {
            let message = format!("{}: is its disk mounted?", error.failure().message);
            Failure::new(FailureKind::StorageUnreachable, message)
        }
        _ => error.failure(),
    })
}

/// A backup, and what opens it wherever it is.
#[derive(Debug)]
pub(crate) struct StoredBackup {
    pub(crate) datasource: DatasourceId,
    pub(crate) backup: BackupId,
    pub(crate) protection: Protection,
    /// Who may have signed its manifest.
    pub(crate) trusted: Vec<VerifyingKey>,
}

impl StoredBackup {
    /// The copy at that place, and what of it is missing there.
    pub(crate) async fn open_copy(
        &self,
        host: &Host,
        place: &RepositoryPlace,
    ) -> Result<(BackupReader, Vec<MissingOrWrongSize>), Failure> {
        let storage = open(host, place)?;
        let protection = self.protection.clone();
        let opening = BackupReader::open(
            storage.clone(),
            self.datasource,
            self.backup,
            protection,
            &self.trusted,
        );
        let reader = opening.await.map_err(|error| error.failure())?;
        if !reader
            .signatures()
            .iter()
            .any(|signature| signature.signer == Signer::ControlPlane)
        {
            let message = "the manifest lacks the control plane's signature";
            return Err(Failure::new(FailureKind::RepositoryDamaged, message));
        }
        let missing = check_presence(&storage, &reader.payload().outline).await;
        // Another copy is tried at once; but once something was read from this one, it is stayed with.
        let reader = reader.patient(host.config.only_storage_patience());
        Ok((reader, missing.map_err(|error| error.failure())?))
    }
}

/// How a repository that is made at that place describes itself.
pub(crate) fn descriptor(
    place: &RepositoryPlace,
    owner: ControlPlaneId,
    keys: Vec<KeyId>,
) -> RepositoryDescriptor {
    RepositoryDescriptor {
        format: FORMAT_VERSION,
        id: place.repository,
        owner,
        chunker: Profile::ContentDefined.as_str().to_owned(),
        keys,
    }
}

/// A private folder for an attempt's short-lived files, removed when it is dropped.
pub(crate) fn work_dir(host: &Host) -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new()
        .prefix("attempt-")
        .tempdir_in(host.state.work());
    made.map_err(|error| {
        Failure::new(
            FailureKind::Internal,
            format!("a private folder can't be made: {error}"),
        )
    })
}

/// Where client programs are looked for on this host.
pub(crate) fn client_search(host: &Host) -> ClientSearch {
    ClientSearch {
        directories: host.config.client_directories.clone(),
        only_these: false,
    }
}
