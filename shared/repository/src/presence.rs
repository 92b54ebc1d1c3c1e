//! Whether all that a backup needs is there, with the right size: the cheapest of the checks, and one that needs no key.

use futures::{StreamExt, TryStreamExt};

use crate::layout::ObjectKey;
use crate::manifest::Outline;
use crate::storage::{Storage, StorageError};

/// How many objects are asked for at a time.
const IN_FLIGHT: usize = 32;

/// An object that is not there as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingOrWrongSize {
    /// Its name.
    pub key: ObjectKey,
    /// The size that it should have, in bytes.
    pub expected: u64,
    /// The size that it has; none if it is missing.
    pub found: Option<u64>,
}

/// The packs and lists that a backup names, each with its size in bytes, in the manifest's order.
pub fn named(outline: &Outline) -> Vec<(ObjectKey, u64)> {
    let datasource = outline.datasource;
    let packs = outline
        .packs
        .iter()
        .map(|pack| (ObjectKey::Pack(datasource, pack.id), pack.size));
    let lists = outline
        .lists
        .iter()
        .map(|list| (ObjectKey::List(datasource, list.id), list.size));
    packs.chain(lists).collect()
}

/// The packs and lists of that backup that are missing or have another size than the manifest says, in its order.
///
/// # Errors
/// If the storage can't be asked. Then nothing is known of what is there.
pub async fn check_presence(
    storage: &Storage,
    outline: &Outline,
) -> Result<Vec<MissingOrWrongSize>, StorageError> {
    futures::stream::iter(named(outline))
        .map(async |(key, expected)| {
            let found = storage.head(&key).await?;
            let problem = MissingOrWrongSize { key, expected, found };
            Ok((found != Some(expected)).then_some(problem))
        })
        .buffered(IN_FLIGHT)
        .try_filter_map(async |problem| Ok(problem))
        .try_collect()
        .await
}
