//! Putting a good object in the place of a damaged one: the one way in which something that is there is overwritten.
//!
//! What must never happen: a good object is overwritten, or by anything else than what its name says. So what is there is
//! read first and left alone if it is right, and what is to be put is checked before it is put and read back after.

use bytes::Bytes;
use object_store::PutMode;

use super::{PutOutcome, Storage, StorageError, StorageErrorKind};
use crate::id::{ListId, PackId};
use crate::layout::ObjectKey;

impl Storage {
    /// Has an object be `bytes`, also where something else is in its place. Of a pack or list `bytes` must be what its name
    /// says; for a manifest whoever calls vouches for them. [`PutOutcome::AlreadyThere`] if nothing was the matter.
    ///
    /// # Errors
    /// [`StorageErrorKind::Conflict`] if `bytes` are not that object; [`StorageErrorKind::Denied`] where nothing may be
    /// overwritten; all else that a storage may refuse with.
    pub async fn mend(&self, key: &ObjectKey, bytes: Bytes) -> Result<PutOutcome, StorageError> {
        if !fits(key, &bytes) {
            let what = "these bytes are not what its name says";
            return Err(self.own_error(StorageErrorKind::Conflict, "mend", key, what));
        }
        match self.get(key).await {
            Ok(there) if there == bytes => return Ok(PutOutcome::AlreadyThere),
            Ok(_) => {}
            Err(error) if error.kind == StorageErrorKind::NotFound => {
                return self.put_if_absent(key, bytes).await;
            }
            Err(error) if error.kind == StorageErrorKind::WrongSize => {}
            // A disk that does not give a file's bytes any more.
            Err(error) if error.kind == StorageErrorKind::Other && !self.is_remote() => {}
            Err(error) => return Err(error),
        }
        self.put(key, bytes.clone(), PutMode::Overwrite).await?;
        if self.get(key).await? == bytes {
            return Ok(PutOutcome::Created);
        }
        let what = "it was replaced, and reads back as something else";
        Err(self.own_error(StorageErrorKind::Other, "mend", key, what))
    }
}

fn fits(key: &ObjectKey, bytes: &[u8]) -> bool {
    match key {
        ObjectKey::Pack(_, id) => PackId::of(bytes) == *id,
        ObjectKey::List(_, id) => ListId::of(bytes) == *id,
        ObjectKey::Manifest(..) => true,
        ObjectKey::Repository
        | ObjectKey::Instructions
        | ObjectKey::Script
        | ObjectKey::WrappedKey(_)
        | ObjectKey::Probe(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::DATASOURCE;

    #[tokio::test]
    async fn only_what_is_damaged_is_replaced_and_only_by_what_its_name_says() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::local(folder.path()).unwrap();
        let good = Bytes::from_static(b"a pack");
        let key = ObjectKey::Pack(DATASOURCE, PackId::of(&good));
        assert_eq!(
            storage.mend(&key, good.clone()).await.unwrap(),
            PutOutcome::Created
        );
        assert_eq!(
            storage.mend(&key, good.clone()).await.unwrap(),
            PutOutcome::AlreadyThere
        );
        for damaged in [&b"a pa?k"[..], b"a pack and more", b""] {
            std::fs::write(folder.path().join(key.to_string()), damaged).unwrap();
            let refused = storage
                .mend(&key, Bytes::from_static(b"others"))
                .await
                .unwrap_err();
            assert_eq!(refused.kind, StorageErrorKind::Conflict);
            assert_eq!(storage.get(&key).await.unwrap(), damaged);
            assert_eq!(
                storage.mend(&key, good.clone()).await.unwrap(),
                PutOutcome::Created
            );
            assert_eq!(storage.get(&key).await.unwrap(), good);
        }
        assert!(
            storage
                .mend(&ObjectKey::Repository, Bytes::from_static(b"{}"))
                .await
                .is_err()
        );
    }
}
