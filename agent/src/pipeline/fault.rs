//! The first failure of a pipeline, for all its stages to see.

use std::sync::{Arc, OnceLock};

use dataguardian_core::failure::{Failure, FailureKind};
use tokio_util::sync::CancellationToken;

/// Set once; stages that find their neighbour gone look here for the reason.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    first: Arc<OnceLock<Failure>>,
    broken: CancellationToken,
}

impl Fault {
    pub(super) fn new(broken: CancellationToken) -> Self {
        Self {
            first: Arc::default(),
            broken,
        }
    }

    /// Remembers the failure, unless there was one before, and wakes who waits.
    pub(super) fn set(&self, failure: Failure) {
        if self.first.set(failure).is_ok() {
            self.broken.cancel();
        }
    }

    pub(super) fn get(&self) -> Option<Failure> {
        self.first.get().cloned()
    }

    /// The first failure; `otherwise` if there was none.
    pub(super) fn or(&self, otherwise: Failure) -> Failure {
        self.get().unwrap_or(otherwise)
    }

    /// The reason why a neighbour is gone.
    pub(super) fn reason(&self) -> Failure {
        self.or(Failure::new(
            FailureKind::Internal,
            "a stage of the pipeline ended early",
        ))
    }
}
