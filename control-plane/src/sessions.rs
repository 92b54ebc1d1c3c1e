//! The agents that have a session with this replica right now.
//!
//! There is one session for each agent: a newer one replaces an older one, told apart by the epoch that the metadata
//! database hands out. Being connected is no state of anything: nothing is written down here, and whoever needs an agent
//! that is not here has to do without or wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dataguardian_core::ids::AgentId;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::convert;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::assignment::FreeSlots;

mod from_wire;
mod handle;
mod look;
mod performance;
mod question;
mod to_wire;
mod transfers;

pub(crate) use from_wire::findings;
pub use handle::{EndReason, NotDelivered, Outbox, SessionHandle, outbox};
pub use question::{Answer, AskError, ManifestQuestion, Question, TestDepth};
pub use transfers::{Broken, Busy, Incoming, NotTaken, Outgoing, Transfers};

/// The live sessions of this replica. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Sessions(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    live: Mutex<HashMap<AgentId, SessionHandle>>,
    transfers: Transfers,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

/// A session that came too late: a newer one of the same agent is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a newer session of this agent is open")]
pub struct Outdated;

impl Sessions {
    /// No sessions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a session; an older one of the same agent ends.
    pub fn open(
        &self,
        agent: AgentId,
        epoch: u64,
        free: FreeSlots,
        outbox: Outbox,
    ) -> Result<SessionHandle, Outdated> {
        let mut live = self.live();
        if let Some(present) = live.get(&agent) {
            if present.epoch() >= epoch {
                return Err(Outdated);
            }
            present.end(EndReason::Replaced);
        }
        let handle = SessionHandle::new(agent, epoch, free, outbox);
        if self.0.stopping.is_cancelled() {
            handle.end(EndReason::Stopping);
        }
        live.insert(agent, handle.clone());
        Ok(handle)
    }

    /// Forgets a session that has ended, unless a newer one has taken its place.
    pub fn forget(&self, handle: &SessionHandle) {
        let mut live = self.live();
        if live
            .get(&handle.agent())
            .is_some_and(|present| present.epoch() == handle.epoch())
        {
            live.remove(&handle.agent());
        }
    }

    /// The agent's session.
    pub fn get(&self, agent: AgentId) -> Option<SessionHandle> {
        self.live()
            .get(&agent)
            .filter(|session| !session.has_ended())
            .cloned()
    }

    /// Whether the agent has a session here.
    pub fn is_connected(&self, agent: AgentId) -> bool {
        self.get(agent).is_some()
    }

    /// How many agents have one.
    pub fn count(&self) -> usize {
        self.live().len()
    }

    /// Every session, in no particular order.
    pub fn all(&self) -> Vec<SessionHandle> {
        self.live()
            .values()
            .filter(|session| !session.has_ended())
            .cloned()
            .collect()
    }

    /// Ends an agent's session, and whatever it sends to calls here.
    pub fn end(&self, agent: AgentId, reason: EndReason) {
        self.0.transfers.end_of(agent);
        if let Some(session) = self.live().get(&agent) {
            session.end(reason);
        }
    }

    /// Puts a question to an agent and waits for its answer.
    pub async fn ask(
        &self,
        agent: AgentId,
        question: Question,
        timeout: Duration,
    ) -> Result<Answer, AskError> {
        let session = self.get(agent).ok_or(AskError::NotConnected)?;
        session.ask(question, timeout).await
    }

    /// Puts a question that comes from another replica, as [`Question::to_bytes`] wrote it; gives the answer for
    /// [`Answer::from_bytes`].
    pub async fn put_on(
        &self,
        agent: AgentId,
        question: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, AskError> {
        let session = self.get(agent).ok_or(AskError::NotConnected)?;
        session.put_on(question, timeout).await
    }

    /// What agents send to calls that wait for it here. It does not depend on a session.
    pub fn transfers(&self) -> &Transfers {
        &self.0.transfers
    }

    /// The tasks that keep the sessions; they are waited for at the end.
    pub fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Tells every agent to connect again elsewhere or later, ends the sessions and waits for their tasks.
    pub async fn drain(&self, reconnect_after: Duration) {
        self.0.stopping.cancel();
        for session in self.all() {
            let drain = wire::Drain {
                reconnect_after: Some(convert::duration(reconnect_after)),
            };
            if session
                .send(wire::session_response::Message::Drain(drain))
                .is_err()
            {
                tracing::debug!(agent.id = %session.agent(), "the agent could not be told to connect elsewhere");
            }
            session.end(EndReason::Stopping);
        }
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    fn live(&self) -> MutexGuard<'_, HashMap<AgentId, SessionHandle>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
