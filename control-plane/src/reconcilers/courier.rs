//! Carries signals to whom they concern: wakes loops, and tells agents what can't wait for the next pass.
//!
//! A signal may get lost; each thing that is done here is also done by a loop or at an agent's return.

use dataguardian_core::execution::Fence;
use dataguardian_core::ids::AgentId;
use tokio_util::sync::CancellationToken;

use super::{DispatchWake, Wake};
use crate::domain::addressee::Addressee;
use crate::queue::{Heard, Queue, Signal};
use crate::sessions::{EndReason, Sessions};

/// Carries signals.
#[derive(Debug, Clone)]
pub struct Courier {
    /// Where they come from.
    pub queue: Queue,
    /// The agents that are here.
    pub sessions: Sessions,
    /// Hands out work.
    pub dispatch: DispatchWake,
    /// Repeats cancels.
    pub cancels: Wake,
    /// Deletes manifests.
    pub deletions: Wake,
    /// Fires jobs that are due.
    pub schedules: Wake,
    /// Applies retention.
    pub retention: Wake,
    /// Shows and trusts what the authorities are now.
    pub certificates: Wake,
    /// Puts other replicas' questions.
    pub questions: Wake,
    /// Writes down when the queue goes offline and comes back.
    pub edges: Wake,
}

impl Courier {
    /// Carries signals until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut listener = self.queue.listen();
        while let Some(heard) = stop.run_until_cancelled(listener.next()).await {
            match heard {
                Heard::Signal(signal) => self.carry(signal),
                Heard::Missed => {
                    self.dispatch.wake();
                    self.cancels.wake();
                    self.deletions.wake();
                    self.schedules.wake();
                    self.retention.wake();
                    self.certificates.wake();
                    self.questions.wake();
                    self.edges.wake();
                }
                Heard::Closed => return,
            }
        }
    }

    fn carry(&self, signal: Signal) {
        match signal {
            Signal::WorkQueued(agent, worker) => {
                if self.sessions.is_connected(agent) {
                    self.dispatch.of(worker).wake();
                }
            }
            Signal::CancelRequested(agent, fence) => self.cancel(agent, fence),
            Signal::AgentRevoked(agent) => self.sessions.end(agent, EndReason::Revoked),
            Signal::AgentRebuilt(agent) => self.sessions.end(agent, EndReason::Superseded),
            Signal::BackupDeleted => self.deletions.wake(),
            Signal::SchedulesChanged => self.schedules.wake(),
            Signal::RetentionDue => self.retention.wake(),
            Signal::AuthoritiesChanged => self.certificates.wake(),
            Signal::Asked(Addressee::Agent(agent)) => {
                if self.sessions.is_connected(agent) {
                    self.questions.wake();
                }
            }
            Signal::Asked(Addressee::Replica(_)) => self.questions.wake(),
            // Whoever watches, or waits for an answer, listens by himself.
            Signal::ExecutionChanged(_) | Signal::LogsAppended(_) | Signal::Answered(_) => {}
        }
    }

    fn cancel(&self, agent: AgentId, fence: Fence) {
        let told = self
            .sessions
            .get(agent)
            .is_some_and(|session| session.cancel(fence, "cancelled").is_ok());
        if !told {
            tracing::info!(agent.id = %agent, execution.id = %fence.execution, "a cancel waits for the agent");
        }
    }
}
