//! Wake-ups and live news. The metadata database is the truth; what comes through here only makes waiting shorter, so losing
//! a signal costs at most the next pass of whoever waits.
//!
//! With one replica the signals stay in the process ([`embedded`]); with several they also go through Redis.

pub mod embedded;

use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{AgentId, ExecutionId};

/// Something happened that somebody may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Work for this agent may be claimed.
    WorkQueued(AgentId),
    /// An execution changed.
    ExecutionChanged(ExecutionId),
    /// Lines were added to an execution's log.
    LogsAppended(ExecutionId),
    /// This agent is to end that attempt.
    CancelRequested(AgentId, Fence),
    /// This agent's identity was ended: close its streams.
    AgentRevoked(AgentId),
    /// This agent's host was rebuilt: close the streams of the old one.
    AgentRebuilt(AgentId),
    /// Manifests of a backup are to be deleted.
    BackupDeleted,
    /// A job has another backup, or other rules for which of them stay.
    RetentionDue,
    /// Another certificate authority signs from now on.
    AuthoritiesChanged,
}

/// What a listener hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A signal.
    Signal(Signal),
    /// Signals were lost: look at everything that is waited for.
    Missed,
    /// Nothing will come any more.
    Closed,
}

/// Sends signals to all who listen.
#[derive(Debug, Clone)]
pub struct Queue(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Embedded(embedded::EmbeddedQueue),
}

impl Queue {
    /// A queue within this process.
    pub fn embedded() -> Self {
        Self(Backend::Embedded(embedded::EmbeddedQueue::new()))
    }

    /// Tells all who listen. Never waits.
    pub fn signal(&self, signal: Signal) {
        match &self.0 {
            Backend::Embedded(queue) => queue.signal(signal),
        }
    }

    /// Listens from now on. Look at the database after this, not before, and nothing is missed.
    pub fn listen(&self) -> Listener {
        match &self.0 {
            Backend::Embedded(queue) => Listener(queue.listen()),
        }
    }

    /// Whether work may be queued and handed out. The embedded queue always is.
    pub const fn is_online(&self) -> bool {
        match &self.0 {
            Backend::Embedded(_) => true,
        }
    }
}

/// Hears signals.
#[derive(Debug)]
pub struct Listener(embedded::EmbeddedListener);

impl Listener {
    /// The next signal. Cancel-safe.
    pub async fn next(&mut self) -> Heard {
        self.0.next().await
    }
}
