//! Packs that attempts which failed have left. What is in them is learned from their own indexes, of which only some chunks
//! are kept as hooks.

use dataguardian_repository::id::ChunkId;
use dataguardian_repository::keys::Protection;
use dataguardian_repository::list::ChunkRef;
use dataguardian_repository::read::read_trailer;
use dataguardian_repository::storage::Storage;
use futures::StreamExt as _;

use super::index::{Index, Origin};
use super::{Place, Wanted};

/// Packs whose indexes are read at a time. Of a plain pack all is read, 16 MiB.
const fn at_once(protection: &Protection) -> usize {
    match protection {
        Protection::Plain => 1,
        Protection::Encrypted(_) => 16,
    }
}

/// What a hook costs in memory, about, in bytes.
const PER_HOOK: usize = 40;
/// So many troubles are told.
const TOLD: usize = 5;

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Packs that can be used.
    pub(super) packs: usize,
    /// What could not be read.
    pub(super) troubles: Vec<String>,
}

/// Adds a segment for each pack, in their order, as long as their hooks have room.
pub(super) async fn add(
    storage: &Storage,
    wanted: &Wanted,
    room: usize,
    index: &mut Index,
    segments: &mut Vec<Place>,
) -> Learned {
    let mut learned = Learned::default();
    let before = index.hooks();
    let mut previous = None;
    let mut read = futures::stream::iter(wanted.left.iter().copied())
        .map(|pack| async move {
            let trailer = read_trailer(storage, wanted.datasource, pack, &wanted.protection).await;
            (pack, trailer)
        })
        .buffered(at_once(&wanted.protection));
    while let Some((pack, trailer)) = read.next().await {
        let chunks = match trailer {
            Ok(chunks) => chunks,
            Err(error) => {
                if learned.troubles.len() < TOLD {
                    learned
                        .troubles
                        .push(format!("a pack is not used: {}", error.failure()));
                }
                continue;
            }
        };
        let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
        let segment = index.add(Origin::Left, count, previous);
        segments.push(Place::Pack(pack));
        previous = Some(segment);
        learned.packs += 1;
        for hook in hooks(&chunks) {
            index.hook(hook, segment);
        }
        index.offer(segment, chunks);
        if (index.hooks() - before) * PER_HOOK > room {
            break;
        }
    }
    learned
}

/// The chunks that lead to a pack: its first, and those whose ids begin with five zero bits.
fn hooks(chunks: &[ChunkRef]) -> impl Iterator<Item = &ChunkId> {
    let sampled = |id: &&ChunkId| id.as_bytes()[0] < 8;
    let ids = chunks.iter().map(|chunk| &chunk.id);
    ids.clone().take(1).chain(ids.skip(1).filter(sampled))
}
