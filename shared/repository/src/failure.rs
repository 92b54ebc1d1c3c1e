//! Errors as they are told to people.

use std::error::Error;

use dataguardian_core::failure::{Failure, FailureKind};

/// A failure that tells the error and its causes. Some libraries repeat their cause in their own text; it is told once.
pub(crate) fn with_causes(kind: FailureKind, error: &dyn Error) -> Failure {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.ends_with(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    Failure::new(kind, message)
}
