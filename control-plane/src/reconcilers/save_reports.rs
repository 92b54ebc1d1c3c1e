//! What agents said lately is in the database: heartbeats and progress, many in one write.

use serde::Serialize;

use super::{Pass, Reconcile};
use crate::services::Error;
use crate::services::progress::Progress;
use crate::services::sessions::Sessions;

/// Writes down what was said.
#[derive(Debug, Clone)]
pub struct SaveReports {
    /// How far attempts are.
    pub progress: Progress,
    /// Who was heard of.
    pub sessions: Sessions,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Executions with news.
    pub progress: usize,
    /// Agents that were heard of.
    pub heard: usize,
}

impl Reconcile for SaveReports {
    const NAME: &'static str = "save_reports";
    type Report = Saved;

    async fn pass(&self) -> Result<Pass<Saved>, Error> {
        Ok(Pass::Done(Saved {
            progress: self.progress.save().await?,
            heard: self.sessions.save_heard().await?,
        }))
    }
}
