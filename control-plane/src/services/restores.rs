//! Restores.

use super::{Context, Error};
use crate::domain::execution::Execution;
use crate::domain::restore::NewRestore;

/// Restores.
#[derive(Debug, Clone)]
pub struct Restores {
    context: Context,
}

impl Restores {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Queues a restore.
    pub async fn start(&self, new: NewRestore) -> Result<Execution, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
