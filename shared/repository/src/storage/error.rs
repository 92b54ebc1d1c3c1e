//! What may be the matter with a storage, told apart by the causes that the system names and never by a text.

use std::error::Error;
use std::io;

use dataguardian_core::causes;
use dataguardian_core::failure::{Failure, FailureKind};

use super::{Storage, s3};
use crate::failure::with_causes;

/// What kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageErrorKind {
    /// It does not answer.
    Unreachable,
    /// Nothing moved for too long while it was spoken to.
    Stalled,
    /// It refuses.
    Denied,
    /// It has no room (ENOSPC, EDQUOT).
    Full,
    /// No such object.
    NotFound,
    /// The folder itself is not there, or can't be made there.
    NoPlace,
    /// Something else is stored under that name.
    Conflict,
    /// It takes nothing new.
    ReadOnly,
    /// The object is shorter or longer than it can be.
    WrongSize,
    /// It answers nonsense or breaks off.
    Other,
}

/// A storage could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("storage {storage}: can't {action} {object}")]
pub struct StorageError {
    /// What kind of trouble.
    pub kind: StorageErrorKind,
    /// What was asked: `write`, `read`.
    pub action: &'static str,
    /// The path of the object concerned, within the repository.
    pub object: String,
    /// Which storage.
    pub storage: String,
    /// What the storage said.
    pub source: Box<dyn Error + Send + Sync>,
}

impl StorageError {
    pub(super) fn from_store(
        action: &'static str,
        object: String,
        storage: &Storage,
        source: object_store::Error,
    ) -> Self {
        Self {
            kind: kind_of_store(&source),
            action,
            object,
            storage: storage.to_string(),
            source: plainly(source),
        }
    }

    pub(super) fn from_io(action: &'static str, object: String, storage: String, source: io::Error) -> Self {
        Self {
            kind: kind_of_io(&source),
            action,
            object,
            storage,
            source: source.into(),
        }
    }

    /// The same of a folder as a whole: what is not there is no object that was lost, and a file in its place is none that was
    /// damaged.
    pub(super) fn about_the_place(mut self) -> Self {
        if matches!(self.kind, StorageErrorKind::NotFound | StorageErrorKind::Conflict) {
            self.kind = StorageErrorKind::NoPlace;
        }
        self
    }

    /// How an execution that ends with this error failed.
    pub fn failure_kind(&self) -> FailureKind {
        match self.kind {
            StorageErrorKind::Unreachable | StorageErrorKind::Stalled | StorageErrorKind::NoPlace => {
                FailureKind::StorageUnreachable
            }
            StorageErrorKind::Denied | StorageErrorKind::ReadOnly => FailureKind::StorageDenied,
            StorageErrorKind::Full => FailureKind::StorageFull,
            StorageErrorKind::NotFound | StorageErrorKind::Conflict | StorageErrorKind::WrongSize => {
                FailureKind::RepositoryDamaged
            }
            StorageErrorKind::Other => FailureKind::StorageError,
        }
    }

    /// The same for people, with its causes.
    pub fn failure(&self) -> Failure {
        with_causes(self.failure_kind(), self)
    }

    /// Whether the server says that it does not know what was asked.
    pub(super) fn is_unknown_to_it(&self) -> bool {
        self.source
            .downcast_ref::<s3::Refusal>()
            .is_some_and(s3::Refusal::is_unknown_to_it)
    }

    /// Whether the file system may have refused a hard link because it has none: vfat says EPERM, others EOPNOTSUPP.
    pub(super) fn may_lack_hard_links(&self) -> bool {
        io_cause(self.source.as_ref())
            .and_then(io::Error::raw_os_error)
            .map(nix::errno::Errno::from_raw)
            .is_some_and(|errno| {
                use nix::errno::Errno;
                matches!(
                    errno,
                    Errno::EPERM | Errno::EOPNOTSUPP | Errno::ENOSYS | Errno::EMLINK
                )
            })
    }
}

/// The system's own error where there is one: the store's wrapping tells paths that we tell better.
fn plainly(error: object_store::Error) -> Box<dyn Error + Send + Sync> {
    if s3::kind_of(&error).is_some() {
        return s3::speaks_for_itself(error);
    }
    match io_cause(&error).and_then(io::Error::raw_os_error) {
        Some(errno) => io::Error::from_raw_os_error(errno).into(),
        None => error.into(),
    }
}

fn kind_of_store(error: &object_store::Error) -> StorageErrorKind {
    if let Some(kind) = s3::kind_of(error) {
        return kind;
    }
    match error {
        object_store::Error::NotFound { .. } => StorageErrorKind::NotFound,
        object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. } => {
            StorageErrorKind::Conflict
        }
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            StorageErrorKind::Denied
        }
        other => io_cause(other).map_or(StorageErrorKind::Other, kind_of_io),
    }
}

/// The innermost error of the operating system in the chain of causes.
fn io_cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    causes::chain(error)
        .filter_map(|cause| cause.downcast_ref())
        .last()
}

fn kind_of_io(error: &io::Error) -> StorageErrorKind {
    use io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => StorageErrorKind::NotFound,
        ErrorKind::PermissionDenied => StorageErrorKind::Denied,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StorageErrorKind::Full,
        ErrorKind::ReadOnlyFilesystem => StorageErrorKind::ReadOnly,
        ErrorKind::AlreadyExists => StorageErrorKind::Conflict,
        ErrorKind::TimedOut
        | ErrorKind::ConnectionRefused
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::NotConnected
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::StaleNetworkFileHandle => StorageErrorKind::Unreachable,
        _ => StorageErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;

    #[test]
    fn causes_are_told_apart_by_what_the_system_says() {
        let kind = |errno: Errno| {
            // As the local store wraps them.
            let source = Box::new(io::Error::other(io::Error::from_raw_os_error(errno as i32)));
            kind_of_store(&object_store::Error::Generic {
                store: "test",
                source,
            })
        };
        assert_eq!(kind(Errno::ENOSPC), StorageErrorKind::Full);
        assert_eq!(kind(Errno::EDQUOT), StorageErrorKind::Full);
        assert_eq!(kind(Errno::EACCES), StorageErrorKind::Denied);
        assert_eq!(kind(Errno::EROFS), StorageErrorKind::ReadOnly);
        assert_eq!(kind(Errno::ESTALE), StorageErrorKind::Unreachable);
        assert_eq!(kind(Errno::ENOTCONN), StorageErrorKind::Unreachable);
        assert_eq!(kind(Errno::EIO), StorageErrorKind::Other);
    }
}
