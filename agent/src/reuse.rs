//! What is stored already need not be stored again: chunks of an earlier backup of the same datasource, the base, and of
//! packs that attempts which failed have left.
//!
//! What must never happen: a backup refers to a chunk that is not there, or is another one. So only what was checked is
//! believed: the base's manifest by its signatures, a list by its name, the index of a pack by its seal; and only packs
//! count that the storage lists with their size. Whatever can't be read is as if it had never been: the chunks are stored
//! anew, and the backup is a good one.
//!
//! The memory is bounded by a setting ([`index`]); the base's manifest, about 10 MB for each TB, comes on top, and one pack
//! where packs are not encrypted.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use dataguardian_core::ids::{BackupId, DatasourceId};
use dataguardian_repository::id::{ListId, PackId};
use dataguardian_repository::keys::Protection;
use dataguardian_repository::list::ChunkRef;
use dataguardian_repository::manifest::{ListRef, StoredObject, VerifyingKey};
use dataguardian_repository::read::{BackupReader, ReadError, read_trailer};
use dataguardian_repository::storage::Storage;
use tokio::sync::Semaphore;

mod base;
mod cache;
pub(crate) mod index;
mod left;
mod open;
pub(crate) mod recent;

use index::{Index, Segment};
pub use open::Opened;

/// Bytes that one recently seen chunk holds where chunks are looked up and where they are sealed, all in all.
const PER_RECENT_CHUNK: usize = 384;

/// What is asked for.
#[derive(Debug)]
pub struct Wanted {
    /// Of what.
    pub datasource: DatasourceId,
    /// How it is protected.
    pub protection: Protection,
    /// The earlier backup to look in.
    pub base: Option<Base>,
    /// Packs that attempts which failed have left, in the order in which they were stored.
    pub left: Vec<StoredObject<PackId>>,
    /// Packs that must not be referred to.
    pub unusable: HashSet<PackId>,
    /// How much memory all of it may take, in bytes.
    pub memory: usize,
}

/// The earlier backup to look in.
#[derive(Debug, Clone)]
pub struct Base {
    /// Which.
    pub backup: BackupId,
    /// Who may have signed it.
    pub trusted: Vec<VerifyingKey>,
}

/// What can be referred to instead of being stored.
#[derive(Debug)]
pub struct Reuse {
    pub(crate) index: Index,
    pub(crate) source: Source,
    pub(crate) held: Arc<Held>,
    /// How many of the last chunks are remembered.
    pub(crate) recent: usize,
    /// The base, if it could be opened.
    pub(crate) base: Option<BackupId>,
}

/// What is in the storage and was looked at.
#[derive(Debug, Default)]
pub struct Held {
    /// The packs that can be referred to, with their sizes.
    packs: HashMap<PackId, u64>,
    /// Lists that were read and are whole: who makes the same list again need not store it.
    lists: Mutex<HashSet<ListId>>,
}

impl Held {
    /// The size of a pack that can be referred to, in bytes.
    pub(crate) fn pack(&self, id: &PackId) -> Option<u64> {
        self.packs.get(id).copied()
    }

    /// Whether a list was read and is whole.
    pub(crate) fn has_list(&self, id: &ListId) -> bool {
        self.lists().contains(id)
    }

    fn lists(&self) -> std::sync::MutexGuard<'_, HashSet<ListId>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where segments are read from.
#[derive(Debug, Clone)]
pub(crate) struct Source(Option<Arc<Places>>);

#[derive(Debug)]
struct Places {
    storage: Storage,
    datasource: DatasourceId,
    protection: Protection,
    base: Option<BackupReader>,
    held: Arc<Held>,
    segments: Vec<Place>,
    /// Held while a plain pack is read: all of it is, and the index keeps room for its references only.
    whole_pack: Semaphore,
}

/// Where a segment is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// A list of the base.
    List(ListRef),
    /// The tail of that stream of the base, in its manifest.
    Tail(usize),
    /// A pack's own index.
    Pack(StoredObject<PackId>),
}

impl Default for Reuse {
    /// As [`Self::none`].
    fn default() -> Self {
        Self::none()
    }
}

impl Reuse {
    /// Nothing is looked for, anywhere.
    pub fn none() -> Self {
        Self {
            index: Index::new(0),
            source: Source(None),
            held: Arc::default(),
            recent: 0,
            base: None,
        }
    }

    /// Nothing earlier is there; what repeats within the backup is found.
    pub(crate) fn within(memory: usize) -> Self {
        Self {
            recent: memory / 4 / PER_RECENT_CHUNK,
            ..Self::none()
        }
    }
}

impl Source {
    /// Reads a segment and checks it.
    pub(crate) async fn load(&self, segment: Segment) -> Result<Vec<ChunkRef>, ReadError> {
        let Some(places) = &self.0 else {
            return Ok(Vec::new());
        };
        let place = usize::try_from(segment).ok();
        match place.and_then(|place| places.segments.get(place)).copied() {
            None => Ok(Vec::new()),
            Some(Place::Pack(pack)) => {
                let _alone = match &places.protection {
                    Protection::Plain => places.whole_pack.acquire().await.ok(),
                    Protection::Encrypted(_) => None,
                };
                read_trailer(&places.storage, places.datasource, pack, &places.protection).await
            }
            Some(Place::Tail(stream)) => {
                let streams = places.base.as_ref().map(BackupReader::streams);
                let stream = streams.and_then(|streams| streams.get(stream));
                Ok(stream.map(|stream| stream.tail.clone()).unwrap_or_default())
            }
            Some(Place::List(list)) => {
                let Some(base) = &places.base else {
                    return Ok(Vec::new());
                };
                let chunks = base.list(&list).await?;
                places.held.lists().insert(list.id);
                Ok(chunks)
            }
        }
    }
}
