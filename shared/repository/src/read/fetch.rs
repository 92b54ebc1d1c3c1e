//! Fetching lists and frames, and checking them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dataguardian_core::ids::DatasourceId;

use super::plan::Request;
use super::{Damage, Executor, ReadError};
use crate::id::{ListId, PackId};
use crate::keys::Protection;
use crate::layout::ObjectKey;
use crate::list::{self, ChunkRef, ListError};
use crate::manifest::{ListRef, Outline};
use crate::pack::{FrameOpener, PackError, PackHeader};
use crate::storage::Storage;

/// How many packs' headers are kept, 64 bytes each.
const MAX_HEADERS: usize = 4096;

/// What all streams of a backup share.
pub(super) struct Shared {
    pub(super) storage: Storage,
    datasource: DatasourceId,
    protection: Protection,
    executor: Executor,
    /// The sizes of the backup's packs.
    packs: Arc<HashMap<PackId, u64>>,
    headers: Mutex<HashMap<PackId, PackHeader>>,
}

impl Shared {
    pub(super) fn new(storage: Storage, protection: Protection, outline: &Outline) -> Self {
        Self {
            storage,
            datasource: outline.datasource,
            protection,
            executor: Executor::default(),
            packs: Arc::new(outline.packs.iter().map(|pack| (pack.id, pack.size)).collect()),
            headers: Mutex::default(),
        }
    }

    pub(super) fn with_executor(&self, executor: Executor) -> Self {
        Self {
            executor,
            ..self.anew(self.storage.clone())
        }
    }

    pub(super) fn patient(&self, patience: Duration) -> Self {
        self.anew(self.storage.clone().patient(patience))
    }

    fn anew(&self, storage: Storage) -> Self {
        Self {
            storage,
            datasource: self.datasource,
            protection: self.protection.clone(),
            executor: self.executor.clone(),
            packs: Arc::clone(&self.packs),
            headers: Mutex::default(),
        }
    }

    /// A list's references, each of them to a place within a pack of the backup.
    pub(super) async fn list(&self, wanted: &ListRef) -> Result<Vec<ChunkRef>, ReadError> {
        let object = ObjectKey::List(self.datasource, wanted.id);
        let damaged = |damage: Damage| ReadError::Damaged { object, damage };
        let stored = self.storage.get(&object).await?;
        if ListId::of(&stored) != wanted.id {
            return Err(damaged(Damage::Name));
        }
        let chunks = list::decode(&self.protection, &stored).map_err(|error| match error {
            ListError::Key(error) => ReadError::key(object, error),
            error => damaged(error.into()),
        })?;
        let bytes: u64 = chunks.iter().map(|chunk| u64::from(chunk.raw_len)).sum();
        let first = chunks.first().map(|chunk| chunk.id);
        if (chunks.len() as u64, bytes, first)
            != (u64::from(wanted.chunks), wanted.bytes, Some(wanted.first_chunk))
        {
            return Err(damaged(Damage::OtherList));
        }
        self.check_places(object, &chunks)?;
        Ok(chunks)
    }

    /// Checks that references found in `object` are to places within packs of the backup.
    pub(super) fn check_places(&self, object: ObjectKey, chunks: &[ChunkRef]) -> Result<(), ReadError> {
        let check = |chunk: &ChunkRef| {
            let pack = chunk.pack;
            let size = *self.packs.get(&pack).ok_or(Damage::ForeignPack(pack))?;
            let end = u64::from(chunk.offset) + u64::from(chunk.stored_len);
            if end > size {
                return Err(Damage::PastEnd { pack, end, size });
            }
            Ok(())
        };
        chunks
            .iter()
            .try_for_each(check)
            .map_err(|damage| ReadError::Damaged { object, damage })
    }

    /// The chunks of a request, opened and checked.
    pub(super) async fn chunks(&self, request: Request) -> Result<Vec<Bytes>, ReadError> {
        let object = ObjectKey::Pack(self.datasource, request.pack);
        let range = request.range();
        let start = range.start;
        let (header, stored) = futures::try_join!(self.header(request.pack), async {
            Ok(self.storage.get_range(&object, range).await?)
        })?;
        let protection = self.protection.clone();
        let open = move || {
            let opener = FrameOpener::new(&protection, &header)?;
            let frame = |chunk: &ChunkRef| {
                let at = (u64::from(chunk.offset) - start) as usize;
                let stored = &stored[at..at + chunk.stored_len as usize];
                Ok(opener.open(chunk.frame, &chunk.frame(), stored)?.0)
            };
            request
                .chunks
                .iter()
                .map(frame)
                .collect::<Result<Vec<_>, PackError>>()
        };
        self.executor
            .run(open)
            .await?
            .map_err(|error| in_pack(object, error))
    }

    /// A pack's header, which is fetched once.
    async fn header(&self, pack: PackId) -> Result<PackHeader, ReadError> {
        if let Some(header) = self.headers().get(&pack) {
            return Ok(*header);
        }
        let object = ObjectKey::Pack(self.datasource, pack);
        let stored = self.storage.get_range(&object, 0..PackHeader::LEN as u64).await?;
        let header = PackHeader::decode(&stored).map_err(|error| in_pack(object, error.into()))?;
        let mut headers = self.headers();
        if headers.len() >= MAX_HEADERS {
            headers.clear();
        }
        headers.insert(pack, header);
        Ok(header)
    }

    fn headers(&self) -> std::sync::MutexGuard<'_, HashMap<PackId, PackHeader>> {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn in_pack(object: ObjectKey, error: PackError) -> ReadError {
    match error {
        PackError::Key(error) => ReadError::key(object, error),
        error => ReadError::Damaged {
            object,
            damage: error.into(),
        },
    }
}
