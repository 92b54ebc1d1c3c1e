//! The base: its lists and tails become segments, each stream's in a row.

use std::collections::{HashMap, HashSet};

use dataguardian_repository::id::PackId;
use dataguardian_repository::manifest::Stream;
use dataguardian_repository::read::BackupReader;
use dataguardian_repository::storage::Storage;

use super::index::{Index, Origin, Segment};
use super::{Base, Place, Wanted};

/// A pack of which the base needs less than this is not referred to any more, in per cent: it goes with the backups that need
/// the rest of it.
const SPARSE: u64 = 30;

/// Packs of the base that nothing new is to refer to.
pub(super) struct Lost {
    /// Not in the storage as they should be, or not to be used by the catalogue's word.
    pub(super) missing: Vec<PackId>,
    /// Mostly unneeded.
    pub(super) sparse: Vec<PackId>,
}

/// Reads the base's manifest.
pub(super) async fn read(storage: &Storage, base: &Base, wanted: &Wanted) -> Result<BackupReader, String> {
    let unusable = |why: String| format!("backup {} can't be built upon: {why}", base.backup);
    let protection = wanted.protection.clone();
    let reader = BackupReader::open(
        storage.clone(),
        wanted.datasource,
        base.backup,
        protection,
        &base.trusted,
    )
    .await
    .map_err(|error| unusable(error.failure().to_string()))?;
    let encryption = reader.payload().outline.encryption.as_ref();
    let key = encryption.and_then(|encryption| encryption.keys.first().copied());
    if !wanted.protection.names_alike(key) {
        return Err(unusable(
            "other keys than those in use name what it holds".to_owned(),
        ));
    }
    Ok(reader)
}

/// Which of its packs nothing new is to refer to.
pub(super) fn unusable(
    reader: &BackupReader,
    there: &HashMap<PackId, u64>,
    unusable: &HashSet<PackId>,
) -> Lost {
    let payload = reader.payload();
    let referenced = &payload.contents.referenced;
    let mut lost = Lost {
        missing: Vec::new(),
        sparse: Vec::new(),
    };
    for (number, pack) in payload.outline.packs.iter().enumerate() {
        if !there.contains_key(&pack.id) || unusable.contains(&pack.id) {
            lost.missing.push(pack.id);
        } else if referenced
            .get(number)
            .is_some_and(|bytes| is_sparse(*bytes, pack.size))
        {
            lost.sparse.push(pack.id);
        }
    }
    lost
}

fn is_sparse(referenced: u64, size: u64) -> bool {
    u128::from(referenced) * 100 < u128::from(size) * u128::from(SPARSE)
}

/// For the log.
pub(super) fn describe(reader: &BackupReader, lost: &Lost) -> String {
    let outline = &reader.payload().outline;
    let mut text = format!(
        "looking for what did not change since backup {} of {}",
        outline.backup,
        outline.started_at.format("%Y-%m-%d %H:%M UTC")
    );
    for (count, what) in [
        (
            lost.missing.len(),
            "are not in the storage as they should be and are not used",
        ),
        (
            lost.sparse.len(),
            "are mostly unneeded by now and are not used any more",
        ),
    ] {
        if count > 0 {
            text = format!("{text}; {count} of its {} packs {what}", outline.packs.len());
        }
    }
    text
}

/// Adds a segment for each list and each tail.
pub(super) fn add(reader: &BackupReader, index: &mut Index, segments: &mut Vec<Place>) {
    for (number, stream) in reader.streams().iter().enumerate() {
        let first = add_stream(stream, number, index, segments);
        if let Some(first) = first {
            index.begins(stream.header.clone(), first);
        }
    }
}

fn add_stream(
    stream: &Stream,
    number: usize,
    index: &mut Index,
    segments: &mut Vec<Place>,
) -> Option<Segment> {
    let mut first = None;
    let mut previous = None;
    for list in &stream.lists {
        let segment = index.add(Origin::Base, list.chunks, previous);
        segments.push(Place::List(*list));
        index.hook(&list.first_chunk, segment);
        first = first.or(Some(segment));
        previous = Some(segment);
    }
    if let Some(chunk) = stream.tail.first() {
        let chunks = u32::try_from(stream.tail.len()).unwrap_or(u32::MAX);
        let segment = index.add(Origin::Base, chunks, previous);
        segments.push(Place::Tail(number));
        index.hook(&chunk.id, segment);
        first = first.or(Some(segment));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_sparse_below_three_tenths() {
        assert!(is_sparse(299, 1000) && !is_sparse(300, 1000));
        assert!(is_sparse(0, 1) && !is_sparse(u64::MAX, u64::MAX));
    }
}
