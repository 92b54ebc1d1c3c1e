//! One object: is it there, has it its size, and the SHA-256 that is its name?

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use ring::digest::{Context, SHA256};

use super::{PIECE, Progress};
use crate::layout::ObjectKey;
use crate::read::{Executor, ReadError};
use crate::storage::{Storage, StorageError, StorageErrorKind};

/// How often a storage that is away for a moment is asked again, and after which pauses.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(6),
    Duration::from_secs(10),
];

/// What may be the matter with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectProblem {
    /// It is not there.
    Missing,
    /// It is shorter or longer.
    Size {
        /// As the manifest has it, in bytes.
        expected: u64,
        /// As it is, in bytes.
        found: u64,
    },
    /// Its bytes do not have the SHA-256 that is its name.
    Digest,
    /// The disk does not give its bytes.
    Unreadable(String),
    /// It does not hold what it should: a manifest that nobody vouches for, a frame that does not open, streams that are not
    /// those of the manifest.
    Contents(String),
}

impl fmt::Display for ObjectProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is missing"),
            Self::Size { expected, found } => {
                write!(f, "it has {found} bytes where it should have {expected}")
            }
            Self::Digest => f.write_str("its contents do not have the SHA-256 that is its name"),
            Self::Unreadable(why) => write!(f, "it can't be read: {why}"),
            Self::Contents(why) => f.write_str(why),
        }
    }
}

/// Reads a pack or list, a piece at a time, and compares it with its name and with the size that it should have. None if it
/// is as it should be.
///
/// # Errors
/// If the storage does not let us look. Then nothing is known of the object.
pub async fn check_object(
    storage: &Storage,
    executor: &Executor,
    key: &ObjectKey,
    size: u64,
    progress: &dyn Progress,
) -> Result<Option<ObjectProblem>, ReadError> {
    let Some(name) = digest_in(key) else {
        return Ok(None);
    };
    match patiently(storage, || storage.head(key)).await? {
        None => return Ok(Some(ObjectProblem::Missing)),
        Some(found) if found != size => {
            return Ok(Some(ObjectProblem::Size {
                expected: size,
                found,
            }));
        }
        Some(_) => {}
    }
    let (mut at, mut digest) = (0, Context::new(&SHA256));
    while at < size {
        let range = at..size.min(at + PIECE);
        let read = patiently(storage, || storage.get_range(key, range.clone())).await;
        let piece = match read {
            Ok(piece) => piece,
            Err(error) => return Ok(Some(problem(storage, error)?)),
        };
        at = range.end;
        progress.read(piece.len() as u64);
        digest = hash(executor, digest, piece).await?;
    }
    Ok((digest.finish().as_ref() != name).then_some(ObjectProblem::Digest))
}

async fn hash(executor: &Executor, mut digest: Context, piece: Bytes) -> Result<Context, ReadError> {
    let update = move || {
        digest.update(&piece);
        digest
    };
    executor.run(update).await
}

/// The SHA-256 that an object's name is.
fn digest_in(key: &ObjectKey) -> Option<[u8; 32]> {
    match key {
        ObjectKey::Pack(_, id) => Some(*id.as_bytes()),
        ObjectKey::List(_, id) => Some(*id.as_bytes()),
        ObjectKey::Repository
        | ObjectKey::Instructions
        | ObjectKey::Script
        | ObjectKey::WrappedKey(_)
        | ObjectKey::Manifest(..)
        | ObjectKey::Probe(_) => None,
    }
}

/// What an error while an object was read says of the object; the error itself if it speaks of the storage.
pub(super) fn problem(storage: &Storage, error: StorageError) -> Result<ObjectProblem, StorageError> {
    match error.kind {
        StorageErrorKind::NotFound => Ok(ObjectProblem::Missing),
        // It is shorter than it was a moment ago, or than what leads to it says.
        StorageErrorKind::WrongSize => Ok(ObjectProblem::Unreadable(error.source.to_string())),
        // A disk that gives an input/output error for one file has lost it; a server that stumbles has not.
        StorageErrorKind::Other if !storage.is_remote() => {
            Ok(ObjectProblem::Unreadable(error.source.to_string()))
        }
        StorageErrorKind::Other
        | StorageErrorKind::Unreachable
        | StorageErrorKind::Stalled
        | StorageErrorKind::Denied
        | StorageErrorKind::Full
        | StorageErrorKind::NoPlace
        | StorageErrorKind::Conflict
        | StorageErrorKind::ReadOnly => Err(error),
    }
}

/// Asks a storage that is reached over a network again, as long as it is merely away for a moment.
pub(super) async fn patiently<T, F>(storage: &Storage, ask: impl Fn() -> F) -> Result<T, StorageError>
where
    F: Future<Output = Result<T, StorageError>>,
{
    let passing = |error: &StorageError| {
        storage.is_remote()
            && matches!(
                error.kind,
                StorageErrorKind::Unreachable | StorageErrorKind::Stalled | StorageErrorKind::Other
            )
    };
    for pause in PAUSES {
        match ask().await {
            Err(error) if passing(&error) => tokio::time::sleep(pause).await,
            answered => return answered,
        }
    }
    ask().await
}
