//! The control plane's own key of a bucket is tried where somebody waits for the answer: a mistyped one would else be found when
//! something is to be deleted, hours later and by nobody who looks.

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_repository::storage::Storage as Bucket;

use super::{Storages, own_access};
use crate::domain::storage::Storage;
use crate::services::Error;

impl Storages {
    /// What is wrong with the control plane's own key of a bucket; none if it reads the repository there, or if there is no such
    /// key. Whether it deletes shows when something is to go.
    pub async fn own_key_trouble(&self, storage: &Storage) -> Result<Option<Failure>, Error> {
        let Some(settings) = own_access(&self.context, storage)? else {
            return Ok(None);
        };
        let looked = match Bucket::s3(&settings) {
            Ok(bucket) => bucket.describe_repository().await,
            Err(error) => Err(error.into()),
        };
        Ok(match looked {
            Ok(Some(found)) if found.id == storage.repository => None,
            Ok(_) => Some(Failure::new(
                FailureKind::StorageUnreachable,
                named("it finds another repository there, or none"),
            )),
            Err(error) => {
                let failure = error.failure();
                Some(Failure::new(failure.kind, named(&failure.message)))
            }
        })
    }
}

fn named(what: &str) -> String {
    format!("the control plane's own key, which deletes: {what}")
}
