//! The logs of executions.

use super::{Context, Error};
use crate::domain::logs::{LogChunk, LogLine};
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{AgentId, ExecutionId};

/// The logs of executions.
#[derive(Debug, Clone)]
pub struct Logs {
    context: Context,
}

impl Logs {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Adds lines from number `offset` (within the attempt) on. Gives the number of the line that is wanted next.
    pub async fn append(
        &self,
        agent: AgentId,
        fence: Fence,
        offset: u64,
        lines: Vec<LogLine>,
    ) -> Result<u64, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Follows a log from line number `offset` (over all attempts) on.
    pub async fn tail(&self, execution: ExecutionId, offset: u64, follow: Follow) -> Result<Tail, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}

/// Whether a tail waits for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// It ends where the log ends now.
    No,
    /// It ends where the log of the ended execution ends.
    UntilEnded,
}

/// Follows one log.
#[derive(Debug)]
pub struct Tail {
    context: Context,
}

impl Tail {
    /// The next lines; none at the end. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<LogChunk>, Error> {
        let _ = &self.context;
        Err(Error::Internal("not built yet".into()))
    }
}
