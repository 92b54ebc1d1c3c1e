//! Failures that every engine has.

use std::io;

use dataguardian_core::failure::{Failure, FailureKind};

/// An error of the agent's own files.
pub(super) fn local(what: &str, error: &io::Error) -> Failure {
    Failure::new(FailureKind::Internal, format!("{what}: {error}"))
}

/// The failure of a run that was called off.
pub(super) fn cancelled() -> Failure {
    Failure::new(FailureKind::Superseded, "cancelled")
}
