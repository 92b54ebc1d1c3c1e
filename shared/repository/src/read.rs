//! Reading backups back: from the manifest alone, through its lists to its packs.
//!
//! What must never happen: bytes are handed out that were not checked, or a stream ends without error that was not whole.
//! Each object is checked against its name, each frame against its tag, its length and its chunk's id, each stream against its
//! digest and length. Every error names the object that is damaged. Memory is bounded whatever the backup's size: two lists and
//! [`REQUESTS_IN_FLIGHT`] requests for at most [`REQUEST_LEN`] stored bytes each, and what becomes of them.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dataguardian_core::ids::{BackupId, DatasourceId};
use futures::stream::BoxStream;

use crate::keys::Protection;
use crate::layout::ObjectKey;
use crate::list::ChunkRef;
use crate::manifest::{
    ListRef, Manifest, Outline, Payload, PayloadError, Stream, VerifiedSignature, VerifyingKey,
};
use crate::seal::KeyError;
use crate::storage::Storage;

mod error;
mod execute;
mod fetch;
mod plan;
mod stream;
mod trailer;

pub use error::{Damage, ReadError};
pub use execute::Executor;
pub use trailer::read_trailer;

/// The most stored bytes that one request asks for, unless a single frame has more.
pub const REQUEST_LEN: u64 = 1 << 20;
/// How many requests of a stream are under way or waiting to be handed out.
pub const REQUESTS_IN_FLIGHT: usize = 2;

/// A backup that is open for reading. Cheap to clone.
#[derive(Clone)]
pub struct BackupReader {
    shared: Arc<fetch::Shared>,
    payload: Arc<Payload>,
    signatures: Vec<VerifiedSignature>,
}

impl BackupReader {
    /// Reads and checks a backup's manifest. CPU work goes to tokio's blocking threads; see [`Self::with_executor`].
    ///
    /// # Errors
    /// [`ReadError::Damaged`] if the manifest is missing, changed, or signed by none of `trusted`; [`ReadError::Key`] if
    /// `protection` does not open it.
    pub async fn open(
        storage: Storage,
        datasource: DatasourceId,
        backup: BackupId,
        protection: Protection,
        trusted: &[VerifyingKey],
    ) -> Result<Self, ReadError> {
        let object = ObjectKey::Manifest(datasource, backup);
        let damaged = |damage: Damage| ReadError::Damaged { object, damage };
        let manifest = read_manifest(&storage, object).await?;
        let signatures = manifest.verify(trusted).map_err(|error| damaged(error.into()))?;
        Self::of(storage, &manifest, signatures, (datasource, backup), protection)
    }

    /// As [`Self::open`], for whoever has no key to check signatures with: damage is found as always, but that somebody made
    /// the whole backup up is not.
    pub async fn open_unsigned(
        storage: Storage,
        datasource: DatasourceId,
        backup: BackupId,
        protection: Protection,
    ) -> Result<Self, ReadError> {
        let manifest = read_manifest(&storage, ObjectKey::Manifest(datasource, backup)).await?;
        Self::of(storage, &manifest, Vec::new(), (datasource, backup), protection)
    }

    fn of(
        storage: Storage,
        manifest: &Manifest,
        signatures: Vec<VerifiedSignature>,
        (datasource, backup): (DatasourceId, BackupId),
        protection: Protection,
    ) -> Result<Self, ReadError> {
        let object = ObjectKey::Manifest(datasource, backup);
        let damaged = |damage: Damage| ReadError::Damaged { object, damage };
        let payload = Payload::decode(manifest.payload(), &protection).map_err(|error| match error {
            PayloadError::Key(error) => ReadError::Key { object, error },
            error => damaged(error.into()),
        })?;
        if (payload.outline.datasource, payload.outline.backup) != (datasource, backup) {
            return Err(damaged(Damage::OtherBackup));
        }
        Ok(Self {
            shared: Arc::new(fetch::Shared::new(storage, protection, &payload.outline)),
            payload: Arc::new(payload),
            signatures,
        })
    }

    /// Has the CPU work done elsewhere. Streams that are being read go on as they are.
    #[must_use]
    pub fn with_executor(mut self, executor: Executor) -> Self {
        self.shared = Arc::new(self.shared.with_executor(executor));
        self
    }

    /// Has it read again and again for so long while the storage is away ([`Storage::patient`]). Streams that are being read go on
    /// as they are.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.shared = Arc::new(self.shared.patient(patience));
        self
    }

    /// What the manifest says.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Who vouches for it.
    pub fn signatures(&self) -> &[VerifiedSignature] {
        &self.signatures
    }

    /// The backup's streams, in the order in which a restore needs them.
    pub fn streams(&self) -> &[Stream] {
        &self.payload.contents.streams
    }

    /// The references in one of its lists, checked against its name, against what the manifest says of it, and for being to
    /// places within packs of the backup.
    pub async fn list(&self, list: &ListRef) -> Result<Vec<ChunkRef>, ReadError> {
        self.shared.list(list).await
    }

    /// The contents of stream number `index`, in pieces of one chunk each. The first error ends the stream; one that ends
    /// without error was whole.
    pub fn read_stream(
        &self,
        index: usize,
    ) -> Result<BoxStream<'static, Result<Bytes, ReadError>>, ReadError> {
        if index >= self.streams().len() {
            return Err(ReadError::NoSuchStream {
                index,
                streams: self.streams().len(),
            });
        }
        Ok(stream::read(
            Arc::clone(&self.shared),
            Arc::clone(&self.payload),
            index,
        ))
    }
}

impl BackupReader {
    /// Which of these objects stream number `index` needs. A list that can't be read is not looked into: what it refers to is
    /// not known.
    ///
    /// # Errors
    /// If the storage does not let us look.
    pub(crate) async fn needed_of(
        &self,
        index: usize,
        objects: &BTreeSet<ObjectKey>,
    ) -> Result<BTreeSet<ObjectKey>, ReadError> {
        let mut needed = BTreeSet::new();
        let Some(stream) = self.streams().get(index) else {
            return Ok(needed);
        };
        let datasource = self.payload.outline.datasource;
        let mut packs: BTreeSet<_> = stream.tail.iter().map(|chunk| chunk.pack).collect();
        for list in &stream.lists {
            let key = ObjectKey::List(datasource, list.id);
            if objects.contains(&key) {
                needed.insert(key);
                continue;
            }
            match self.shared.list(list).await {
                Ok(chunks) => packs.extend(chunks.iter().map(|chunk| chunk.pack)),
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        let packs = packs.into_iter().map(|pack| ObjectKey::Pack(datasource, pack));
        needed.extend(packs.filter(|key| objects.contains(key)));
        Ok(needed)
    }
}

/// What a backup's manifest says in the clear. It is not known yet whether anybody vouches for it.
pub async fn read_outline(
    storage: &Storage,
    datasource: DatasourceId,
    backup: BackupId,
) -> Result<Outline, ReadError> {
    let object = ObjectKey::Manifest(datasource, backup);
    let manifest = read_manifest(storage, object).await?;
    let damaged = |error: PayloadError| ReadError::Damaged {
        object,
        damage: error.into(),
    };
    Outline::decode(manifest.payload()).map_err(damaged)
}

async fn read_manifest(storage: &Storage, object: ObjectKey) -> Result<Manifest, ReadError> {
    let stored = storage.get(&object).await?;
    Manifest::decode(&stored).map_err(|error| ReadError::Damaged {
        object,
        damage: error.into(),
    })
}

impl fmt::Debug for BackupReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupReader")
            .field("storage", &self.shared.storage)
            .field("backup", &self.payload.outline.backup)
            .finish_non_exhaustive()
    }
}

impl ReadError {
    /// The same trouble with a key, told of the object that it was met in.
    fn key(object: ObjectKey, error: KeyError) -> Self {
        Self::Key { object, error }
    }
}

#[cfg(test)]
mod tests;
