//! How far attempts are: in memory, and in the database now and then.

use super::{Context, Error};
use crate::domain::execution::Progress as Report;
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::AgentId;

/// How far attempts are: in memory, and in the database now and then.
#[derive(Debug, Clone)]
pub struct Progress {
    context: Context,
}

impl Progress {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// A report. Kept in memory until [`Self::save`].
    pub async fn report(&self, agent: AgentId, fence: Fence, progress: Report) -> Result<(), Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Writes down what was reported since the last call. Gives the number of executions.
    pub async fn save(&self) -> Result<usize, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
