//! Errors as they are told to people.

use std::error::Error;

use dataguardian_core::causes;
use dataguardian_core::failure::{Failure, FailureKind};

/// A failure that tells the error and its causes.
pub(crate) fn with_causes(kind: FailureKind, error: &(dyn Error + 'static)) -> Failure {
    Failure::new(kind, causes::in_a_line(error))
}
