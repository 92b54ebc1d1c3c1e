//! Trying a storage out before it is trusted with backups.

use bytes::Bytes;
use object_store::PutMode;
use uuid::Uuid;

use super::{Storage, StorageError, StorageErrorKind};
use crate::layout::ObjectKey;

/// What a storage that can be written and read is able to do beyond that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeReport {
    /// Whether it honours "only if absent". Where it does not, nothing but the names' uniqueness guards objects.
    pub conditional_put: bool,
    /// Whether we could remove what we wrote. Good for whoever collects garbage, and for nobody else.
    pub removable: bool,
    /// The room that is left for us, in bytes, where that can be asked.
    pub free_bytes: Option<u64>,
}

impl Storage {
    /// Writes an object, reads it back, tries to overwrite it, removes it. The error says what can't be done.
    pub async fn probe(&self) -> Result<ProbeReport, StorageError> {
        self.probe_as(Uuid::now_v7()).await
    }

    /// The same with an object that is named after `id`. Whoever probes again and again gives the same one each time: where
    /// nothing may be removed one object stays, and not one for each probe. No two may use it at the same time.
    pub async fn probe_as(&self, id: Uuid) -> Result<ProbeReport, StorageError> {
        // A server tells why it refuses only where an answer has a body.
        match self.get(&ObjectKey::Repository).await {
            Err(error) if error.kind != StorageErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let key = ObjectKey::Probe(id);
        let probed = self.write_and_read(&key).await;
        let removed = self.remove(&key).await;
        let conditional_put = probed?;
        let removable = match removed {
            Ok(()) => true,
            Err(error) if error.kind == StorageErrorKind::Denied => false,
            Err(error) => return Err(error),
        };
        Ok(ProbeReport {
            conditional_put,
            removable,
            free_bytes: self.free_bytes().await?,
        })
    }

    async fn write_and_read(&self, key: &ObjectKey) -> Result<bool, StorageError> {
        let first = Bytes::from(format!(
            "{key}: DataGuardian tries this storage out and removes this object again\n"
        ));
        self.put_if_absent(key, first.clone()).await?;
        if self.get(key).await? != first {
            let what = "it reads back otherwise than it was written";
            return Err(self.own_error(StorageErrorKind::Other, "read", key, what));
        }
        match self.put(key, Bytes::from_static(b"other"), PutMode::Create).await {
            Ok(()) => Ok(false),
            Err(error) if error.kind == StorageErrorKind::Conflict => Ok(self.get(key).await? == first),
            Err(error) if self.directory.is_some() && error.may_lack_hard_links() => Ok(false),
            Err(error) if error.is_unknown_to_it() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
