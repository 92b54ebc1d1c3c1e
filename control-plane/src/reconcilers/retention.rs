//! Right after each completed backup its job's retention is applied. What nothing tells of, such as a copy that was healed, the pass
//! of `cleanup` finds, which looks at all jobs.

use serde::Serialize;

use super::{Pass, Reconcile};
use crate::domain::leadership::Duty;
use crate::services::Error;
use crate::services::leadership::Leadership;
use crate::services::retention::{Applied, Retention as Rules};

/// Applies the retention of jobs that are due.
#[derive(Debug, Clone)]
pub struct Retention {
    /// Knows which are, and what goes.
    pub rules: Rules,
    /// Knows whether this replica is the one that does it.
    pub leadership: Leadership,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Retained {
    /// Jobs that were looked at.
    pub jobs: usize,
    /// Backups that are on their way out now.
    pub deleted: usize,
    /// Backups that were to go, and that something forbids to delete.
    pub held: usize,
}

impl From<Applied> for Retained {
    fn from(applied: Applied) -> Self {
        Self {
            jobs: applied.jobs,
            deleted: applied.deleted,
            held: applied.held,
        }
    }
}

impl Reconcile for Retention {
    const NAME: &'static str = "retention";
    type Report = Retained;

    async fn pass(&self) -> Result<Pass<Retained>, Error> {
        let Some(tenure) = self.leadership.tenure(Duty::Upkeep) else {
            return Ok(Pass::Standby);
        };
        Ok(Pass::Done(self.rules.apply_due(tenure).await?.into()))
    }
}
