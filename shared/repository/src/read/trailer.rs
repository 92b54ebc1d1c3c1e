//! What a pack holds, from the pack alone: for whoever has no list of it, since the attempt that stored it failed.
//!
//! What must never happen: a chunk is believed to be where it is not. The index of an encrypted pack is sealed, and does not
//! open if a bit of it is another. That of a plain pack proves nothing, so the whole pack is read and known again by its name.

use dataguardian_core::ids::DatasourceId;

use super::fetch::in_pack;
use super::{Damage, ReadError};
use crate::id::PackId;
use crate::keys::Protection;
use crate::layout::ObjectKey;
use crate::list::ChunkRef;
use crate::manifest::StoredObject;
use crate::pack::{FrameNumber, IndexPlace, PackError, PackHeader, PackReader, PackedFrame, read_index};
use crate::storage::Storage;

/// So many bytes of a pack's end are read at first: the index of a usual pack is shorter.
const GUESS: u64 = 32 << 10;

/// Where each chunk in a pack is, in the pack's order.
///
/// # Errors
/// [`ReadError::Damaged`] if the pack is not what its name and `protection` say.
pub async fn read_trailer(
    storage: &Storage,
    datasource: DatasourceId,
    pack: StoredObject<PackId>,
    protection: &Protection,
) -> Result<Vec<ChunkRef>, ReadError> {
    let object = ObjectKey::Pack(datasource, pack.id);
    let damaged = |damage: Damage| ReadError::Damaged { object, damage };
    let frames = match protection {
        Protection::Plain => {
            let stored = storage.get(&object).await?;
            if PackId::of(&stored) != pack.id {
                return Err(damaged(Damage::Name));
            }
            let reader = PackReader::new(protection, stored);
            reader.map_err(|error| in_pack(object, error))?.frames().to_vec()
        }
        Protection::Encrypted(_) => sealed_index(storage, object, pack.size, protection).await?,
    };
    let reference = |(frame, packed): (u32, PackedFrame)| ChunkRef {
        id: packed.chunk,
        pack: pack.id,
        frame: FrameNumber(frame),
        offset: packed.offset,
        stored_len: packed.stored_len,
        raw_len: packed.raw_len,
    };
    Ok((0..).zip(frames).map(reference).collect())
}

async fn sealed_index(
    storage: &Storage,
    object: ObjectKey,
    size: u64,
    protection: &Protection,
) -> Result<Vec<PackedFrame>, ReadError> {
    let in_this = |error: PackError| in_pack(object, error);
    let (header, end) = futures::try_join!(
        storage.get_range(&object, 0..PackHeader::LEN as u64),
        storage.get_range(&object, size.saturating_sub(GUESS)..size)
    )?;
    let header = PackHeader::decode(&header).map_err(|error| in_this(error.into()))?;
    let footer = &end[end.len().saturating_sub(IndexPlace::FOOTER_LEN)..];
    let place = IndexPlace::from_footer(footer, size).map_err(|error| in_this(error.into()))?;
    let range = place.range();
    let len = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    let index = match end.len().checked_sub(len) {
        Some(start) => end.slice(start..),
        None => storage.get_range(&object, range).await?,
    };
    read_index(protection, &header, &place, &index).map_err(in_this)
}
