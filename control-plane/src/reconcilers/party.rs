//! Who looks and deletes in a storage: nobody but the control plane that owns it, with its own key where it has one, else the
//! agent that alone reaches it.

use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{AgentId, BackupId, DatasourceId};
use dataguardian_repository::removal::remove_manifest;
use dataguardian_repository::storage::s3::S3Settings;

use super::cleanup::bucket;
use crate::asking::Asking;
use crate::domain::assignment::RepositoryLocation;
use crate::domain::storage::{Storage, StorageLocation};
use crate::services::Error;
use crate::services::cleanup::Cleanup as Catalogue;
use crate::sessions::{Answer, AskError, ManifestQuestion, Question};

/// A manifest is small.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why nothing is deleted in a bucket without a key.
pub(super) const NOBODY: &str = "nobody has a key that deletes there: give the control plane one with `dgctl storage update \
                                 --delete-access-key-id`";

/// Who looks and deletes in a storage.
pub(super) enum Party {
    /// The agent that alone reaches it.
    Agent(AgentId, RepositoryLocation),
    /// The control plane, with its own key.
    Itself(Box<S3Settings>),
    /// Nobody has a key for it.
    Nobody,
}

/// Who looks and deletes in that storage.
pub(super) fn party(catalogue: &Catalogue, storage: &Storage) -> Result<Party, Error> {
    match &storage.location {
        StorageLocation::Local { agent, .. } => Ok(Party::Agent(*agent, catalogue.location(storage)?)),
        StorageLocation::S3(_) => {
            let own = catalogue.own_access(storage)?;
            Ok(own.map_or(Party::Nobody, |settings| Party::Itself(Box::new(settings))))
        }
    }
}

/// Deletes exactly this manifest, or says why it can't be now. That it is not there is no failure.
pub(super) async fn delete_manifest(
    (catalogue, asking): (&Catalogue, &Asking),
    storage: &Storage,
    (datasource, backup): (DatasourceId, BackupId),
    payload_sha256: [u8; 32],
) -> Result<Result<(), Failure>, Error> {
    match party(catalogue, storage)? {
        Party::Nobody => Ok(Err(Failure::new(FailureKind::StorageUnreachable, NOBODY))),
        Party::Itself(settings) => {
            let open = bucket::open(&settings, storage, catalogue.owner()).await;
            let bucket = match open {
                Ok(bucket) => bucket,
                Err(failure) => return Ok(Err(failure)),
            };
            let removed = remove_manifest(&bucket, datasource, backup, &payload_sha256).await;
            Ok(removed.map_err(|error| error.failure()))
        }
        Party::Agent(agent, repository) => {
            let question = ManifestQuestion::Delete {
                repository,
                datasource,
                backup,
                payload_sha256,
            };
            Ok(
                match asking.ask(agent, Question::Manifest(question), PATIENCE).await? {
                    Ok(Answer::ManifestDeleted) => Ok(()),
                    Ok(_) => Err(Failure::new(
                        FailureKind::Internal,
                        AskError::Nonsense.to_string(),
                    )),
                    Err(AskError::Failed(failure)) => Err(failure),
                    Err(error) => Err(Failure::new(FailureKind::AgentLost, error.to_string())),
                },
            )
        }
    }
}
