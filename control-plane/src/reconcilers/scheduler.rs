//! Jobs run when their schedules say so.
//!
//! The beat of this loop decides nothing but how soon it looks: when a job is due is in the database, computed by
//! `domain/schedule`. A pass that is late fires what was due meanwhile by the job's own rules. While the queue is offline nothing
//! could be handed out, so nothing is fired either, and that counts as being away. Of several replicas one fires.

use super::{Pass, Reconcile, Wake};
use crate::domain::leadership::Duty;
use crate::queue::Queue;
use crate::services::Error;
use crate::services::leadership::Leadership;
use crate::services::schedules::{Fired, Schedules};

/// Fires what is due.
#[derive(Debug, Clone)]
pub struct Scheduler {
    /// Knows what is due.
    pub schedules: Schedules,
    /// Knows whether this replica is the one that fires.
    pub leadership: Leadership,
    /// Jobs are fired only while it is online.
    pub queue: Queue,
    /// Wakes this very loop: a pass is bounded, and goes on where it ended.
    pub again: Wake,
}

impl Reconcile for Scheduler {
    const NAME: &'static str = "scheduler";
    type Report = Fired;

    async fn pass(&self) -> Result<Pass<Fired>, Error> {
        if let Some(reason) = self.queue.pause() {
            return Ok(Pass::Paused { reason });
        }
        let Some(tenure) = self.leadership.tenure(Duty::Schedule) else {
            return Ok(Pass::Standby);
        };
        let fired = self.schedules.fire(tenure).await?;
        if fired.fired > 0 || fired.skipped > 0 {
            tracing::info!(
                fired = fired.fired,
                skipped = fired.skipped,
                "jobs were due by their schedules"
            );
        }
        if fired.more {
            self.again.wake();
        }
        Ok(Pass::Done(fired))
    }
}
