//! What may go wrong when reading.

use dataguardian_core::failure::{Failure, FailureKind};

use crate::failure::with_causes;
use crate::layout::ObjectKey;
use crate::list::ListError;
use crate::manifest::{InvalidManifest, PayloadError, Untrusted};
use crate::pack::PackError;
use crate::seal::KeyError;
use crate::storage::{StorageError, StorageErrorKind};

/// A backup can't be read. The text names the object concerned.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The storage does not give an object. It may be missing or cut off.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// An object is not what was written.
    #[error("{} is damaged", .object.describe())]
    Damaged {
        /// Which object.
        object: ObjectKey,
        /// What the matter is with it.
        #[source]
        damage: Damage,
    },
    /// An object can't be opened with the keys at hand.
    #[error("{} can't be opened", .object.describe())]
    Key {
        /// Which object.
        object: ObjectKey,
        /// What is lacking.
        #[source]
        error: KeyError,
    },
    /// The backup has fewer streams.
    #[error("there is no stream {index}: the backup has {streams}")]
    NoSuchStream {
        /// What was asked for.
        index: usize,
        /// How many there are.
        streams: usize,
    },
    /// Whoever should do the CPU work gave it up.
    #[error("the work of opening a part of the backup was given up")]
    GivenUp,
}

impl ReadError {
    /// How an execution that ends with this error failed.
    pub fn failure_kind(&self) -> FailureKind {
        match self {
            Self::Storage(error) => error.failure_kind(),
            Self::Damaged { .. } => FailureKind::RepositoryDamaged,
            Self::Key { .. } => FailureKind::RepositoryKey,
            Self::NoSuchStream { .. } | Self::GivenUp => FailureKind::Internal,
        }
    }

    /// The same for people, with its causes.
    pub fn failure(&self) -> Failure {
        with_causes(self.failure_kind(), self)
    }

    /// Whether the object concerned is lost or damaged here, so that another copy may help.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } => true,
            Self::Storage(error) => {
                matches!(
                    error.kind,
                    StorageErrorKind::NotFound | StorageErrorKind::WrongSize
                )
            }
            Self::Key { .. } | Self::NoSuchStream { .. } | Self::GivenUp => false,
        }
    }
}

/// What is the matter with an object.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// A manifest that is none.
    #[error(transparent)]
    Manifest(#[from] InvalidManifest),
    /// A manifest that nobody trusted vouches for.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    /// A manifest whose payload can't be read.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A manifest that was put in another one's place.
    #[error("it is the manifest of another backup")]
    OtherBackup,
    /// Bytes that do not have the name under which they are stored.
    #[error("its contents do not have the SHA-256 that is its name")]
    Name,
    /// A list that can't be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// A list that is not the one the manifest means.
    #[error("it has other chunks than the manifest says")]
    OtherList,
    /// A reference to a pack that is not the backup's.
    #[error("it refers to pack {0}, which the manifest does not name")]
    ForeignPack(crate::id::PackId),
    /// A reference past the end of a pack.
    #[error("it refers to byte {end} of pack {pack}, which has {size}")]
    PastEnd {
        /// The pack.
        pack: crate::id::PackId,
        /// Where the frame would end.
        end: u64,
        /// The pack's size in bytes.
        size: u64,
    },
    /// A pack that can't be read.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// All chunks are good but they are not the stream.
    #[error("stream {index} has {bytes} bytes or chunks other than the manifest says")]
    Stream {
        /// Which stream.
        index: usize,
        /// The bytes that its chunks have together.
        bytes: u64,
    },
}
