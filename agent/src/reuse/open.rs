//! Opening what was stored before.

use std::collections::HashMap;
use std::sync::Arc;

use dataguardian_repository::id::PackId;
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::storage::{Listing, Storage, StorageError};
use futures::TryStreamExt as _;
use tokio::sync::Semaphore;

use super::index::Index;
use super::{Held, PER_RECENT_CHUNK, Place, Places, Reuse, Source, Wanted, base, left};

/// What was found, and what a person should know of it.
#[derive(Debug, Default)]
pub struct Opened {
    /// What can be referred to.
    pub reuse: Reuse,
    /// What there is to look in.
    pub found: Vec<String>,
    /// What can't be used, and why.
    pub troubles: Vec<String>,
}

/// The memory's parts: for segments, for the hooks of packs that were left, for the chunks seen last.
struct Shares {
    segments: usize,
    hooks: usize,
    recent: usize,
}

impl Shares {
    const fn of(memory: usize) -> Self {
        let quarter = memory / 4;
        Self {
            segments: memory - 2 * quarter,
            hooks: quarter,
            recent: quarter,
        }
    }
}

impl Reuse {
    /// Opens the base and what was left, as far as they are in this storage. What can't be used is left out.
    pub async fn open(storage: &Storage, mut wanted: Wanted) -> Opened {
        let shares = Shares::of(wanted.memory);
        let (mut found, mut troubles) = (Vec::new(), Vec::new());
        let reader = match &wanted.base {
            None => None,
            Some(base) => match base::read(storage, base, &wanted).await {
                Ok(reader) => Some(reader),
                Err(trouble) => {
                    troubles.push(trouble);
                    None
                }
            },
        };
        let mut sizes: HashMap<PackId, u64> = HashMap::new();
        if let Some(reader) = &reader {
            let packs = &reader.payload().outline.packs;
            sizes.extend(packs.iter().map(|pack| (pack.id, pack.size)));
        }
        sizes.extend(wanted.left.iter().map(|pack| (pack.id, pack.size)));
        let there = match present(storage, &wanted, &sizes).await {
            Ok(there) => there,
            Err(error) => {
                troubles.push(format!("nothing earlier is used: {}", error.failure()));
                return Opened {
                    reuse: Self::within(wanted.memory),
                    found,
                    troubles,
                };
            }
        };
        let mut index = Index::new(shares.segments);
        let mut segments = Vec::new();
        if let Some(reader) = &reader {
            let lost = base::unusable(reader, &there, &wanted.unusable);
            found.push(base::describe(reader, &lost));
            index.avoid(lost.missing.iter().chain(&lost.sparse).copied());
            base::add(reader, &mut index, &mut segments);
        }
        index.avoid(wanted.unusable.iter().copied());
        wanted
            .left
            .retain(|pack| there.contains_key(&pack.id) && !wanted.unusable.contains(&pack.id));
        let learned = left::add(storage, &wanted, shares.hooks, &mut index, &mut segments).await;
        if learned.packs > 0 {
            found.push(format!(
                "{} pack(s) that earlier attempts stored can be used",
                learned.packs
            ));
        }
        troubles.extend(learned.troubles);
        Opened {
            reuse: assemble(storage, wanted, there, (index, segments), (reader, shares.recent)),
            found,
            troubles,
        }
    }
}

fn assemble(
    storage: &Storage,
    wanted: Wanted,
    there: HashMap<PackId, u64>,
    (index, segments): (Index, Vec<Place>),
    (reader, recent): (Option<dataguardian_repository::read::BackupReader>, usize),
) -> Reuse {
    let held = Arc::new(Held {
        packs: there,
        ..Held::default()
    });
    let base = reader.as_ref().map(|reader| reader.payload().outline.backup);
    let places = Places {
        storage: storage.clone(),
        datasource: wanted.datasource,
        protection: wanted.protection,
        base: reader,
        held: held.clone(),
        segments,
        whole_pack: Semaphore::new(1),
    };
    Reuse {
        index,
        source: Source(Some(Arc::new(places))),
        held,
        recent: recent / PER_RECENT_CHUNK,
        base,
    }
}

/// Those of the packs that the storage lists with their size.
async fn present(
    storage: &Storage,
    wanted: &Wanted,
    sizes: &HashMap<PackId, u64>,
) -> Result<HashMap<PackId, u64>, StorageError> {
    let mut there = HashMap::with_capacity(sizes.len());
    if sizes.is_empty() {
        return Ok(there);
    }
    let mut listed = storage.list(Listing::Packs(wanted.datasource));
    while let Some(object) = listed.try_next().await? {
        if let ObjectKey::Pack(_, id) = object.key
            && sizes.get(&id) == Some(&object.size)
        {
            there.insert(id, object.size);
        }
    }
    Ok(there)
}
