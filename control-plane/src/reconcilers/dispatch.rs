//! Waiting work reaches the agents that have a session with this replica and room for it, by two loops: the backup worker
//! and the restore worker.
//!
//! Claiming leases the execution in the database; only then is it offered. An offer that can't be delivered is taken back
//! at once, one that is not accepted in time by `expire_leases`. Neither uses an attempt up. While the queue is offline
//! nothing is claimed; what is at work already goes on.

use dataguardian_core::ids::ControlPlaneId;
use dataguardian_failpoints::failpoint;
use dataguardian_telemetry::trace_context;
use serde::Serialize;

use super::{Pass, Reconcile, Wake};
use crate::domain::worker::Worker;
use crate::queue::Queue;
use crate::services::Error;
use crate::services::assignments::Assignments;
use crate::sessions::{SessionHandle, Sessions};

/// Hands out waiting work.
#[derive(Debug, Clone)]
pub struct Dispatch {
    /// Leases work.
    pub assignments: Assignments,
    /// The agents that are here.
    pub sessions: Sessions,
    /// Work is handed out only while it is online.
    pub queue: Queue,
    /// Who asks.
    pub control_plane: ControlPlaneId,
}

/// Hands out backups.
#[derive(Debug, Clone)]
pub struct BackupWorker(pub Dispatch);

/// Hands out restores and verifications.
#[derive(Debug, Clone)]
pub struct RestoreWorker(pub Dispatch);

/// Wakes the two workers.
#[derive(Debug, Clone, Default)]
pub struct DispatchWake {
    backup: Wake,
    restore: Wake,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dispatched {
    /// Offers on their way to agents.
    pub offered: usize,
    /// Offers that an agent did not take in.
    pub undelivered: usize,
}

/// One agent gets at most so many offers in one pass.
const OFFERS_PER_AGENT: usize = 16;

impl DispatchWake {
    /// Has both pass as soon as they can.
    pub fn wake(&self) {
        self.backup.wake();
        self.restore.wake();
    }

    /// What wakes one of them.
    pub const fn of(&self, worker: Worker) -> &Wake {
        match worker {
            Worker::Backup => &self.backup,
            Worker::Restore => &self.restore,
        }
    }
}

impl Reconcile for BackupWorker {
    const NAME: &'static str = Worker::Backup.as_str();
    type Report = Dispatched;

    async fn pass(&self) -> Result<Pass<Dispatched>, Error> {
        self.0.pass(Worker::Backup).await
    }
}

impl Reconcile for RestoreWorker {
    const NAME: &'static str = Worker::Restore.as_str();
    type Report = Dispatched;

    async fn pass(&self) -> Result<Pass<Dispatched>, Error> {
        self.0.pass(Worker::Restore).await
    }
}

impl Dispatch {
    async fn pass(&self, worker: Worker) -> Result<Pass<Dispatched>, Error> {
        if let Some(reason) = self.queue.pause() {
            return Ok(Pass::Paused { reason });
        }
        let mut report = Dispatched::default();
        for session in self.sessions.all() {
            self.serve(worker, &session, &mut report).await?;
        }
        Ok(Pass::Done(report))
    }

    async fn serve(
        &self,
        worker: Worker,
        session: &SessionHandle,
        report: &mut Dispatched,
    ) -> Result<(), Error> {
        for _ in 0..OFFERS_PER_AGENT {
            let free = session.free_slots();
            if session.has_ended() {
                return Ok(());
            }
            let Some(assignment) = self.assignments.claim(worker, session.agent(), free).await? else {
                return Ok(());
            };
            let fence = assignment.fence;
            failpoint!(Claimed);
            let span = tracing::info_span!(
                "offer", execution.id = %fence.execution, attempt = fence.attempt, agent.id = %session.agent()
            );
            trace_context::join(&span, fence.execution, "");
            let offered = span.in_scope(|| session.offer(assignment, self.control_plane));
            if offered.is_ok() {
                tracing::info!(execution.id = %fence.execution, agent.id = %session.agent(), "work is offered");
                report.offered += 1;
                failpoint!(Offered);
            } else {
                report.undelivered += 1;
                return self
                    .assignments
                    .decline(session.agent(), fence, "the agent takes no messages")
                    .await;
            }
        }
        Ok(())
    }
}
