//! Wake-ups and live news. The metadata database is the truth; what comes through here only makes waiting shorter, so losing
//! a signal costs at most the next pass of whoever waits.
//!
//! With one replica the signals stay in the process ([`embedded`]); with several they also go through Redis ([`redis`]). A
//! replica's own signals reach itself without Redis, and nobody ever waits for Redis: whether work may be queued and handed
//! out is read from the [`gate`], which a probe of our own keeps.

pub mod embedded;
pub mod gate;
pub mod redis;
mod wire;

use dataguardian_core::clock::SharedClock;
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{AgentId, ControlPlaneId, ExecutionId, RequestId};

use crate::domain::addressee::Addressee;
use crate::domain::worker::Worker;
use embedded::EmbeddedQueue;
use gate::{Edge, Gate, GateStatus};
use redis::{RedisLink, RedisQueue, RedisSettings};

/// Something happened that somebody may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Work of that worker may be claimed for this agent.
    WorkQueued(AgentId, Worker),
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
    /// Jobs may be due at other times than before.
    SchedulesChanged,
    /// A job has another backup, or other rules for which of them stay.
    RetentionDue,
    /// Another certificate authority signs from now on.
    AuthoritiesChanged,
    /// Another replica asks something of this agent, or of this replica.
    Asked(Addressee),
    /// Such a question has its answer.
    Answered(RequestId),
}

/// What a listener hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A signal.
    Signal(Signal),
    /// Signals were lost, or the queue went offline or came back: look at everything that is waited for.
    Missed,
    /// Nothing will come any more.
    Closed,
}

/// Sends signals to all who listen. Clones are the same queue.
#[derive(Debug, Clone)]
pub struct Queue {
    local: EmbeddedQueue,
    redis: Option<RedisQueue>,
}

/// How the queue is, as health pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueStatus {
    /// `embedded` or `redis`.
    pub backend: &'static str,
    /// What the gate says; none for the embedded queue, which is always online.
    pub gate: Option<GateStatus>,
}

impl QueueStatus {
    /// Whether work is queued and handed out.
    pub fn is_online(&self) -> bool {
        self.gate.as_ref().is_none_or(GateStatus::is_online)
    }

    /// Why not, in words.
    pub fn reason(&self) -> Option<&'static str> {
        let outage = self.gate.as_ref()?.outage?;
        Some(outage.as_str())
    }
}

impl Queue {
    /// A queue within this process.
    pub fn embedded() -> Self {
        Self {
            local: EmbeddedQueue::new(),
            redis: None,
        }
    }

    /// A queue that all replicas of one control plane share, and what keeps it connected: it has to run. Offline until then.
    pub fn redis(
        settings: RedisSettings,
        control_plane: ControlPlaneId,
        clock: SharedClock,
    ) -> (Self, RedisLink) {
        let local = EmbeddedQueue::new();
        let (redis, link) = redis::queue(settings, control_plane, local.clone(), Gate::new(clock));
        let queue = Self {
            local,
            redis: Some(redis),
        };
        (queue, link)
    }

    /// Tells all who listen. Never waits.
    pub fn signal(&self, signal: Signal) {
        self.local.signal(signal);
        if let Some(redis) = &self.redis {
            redis.signal(signal);
        }
    }

    /// Listens from now on. Look at the database after this, not before, and nothing is missed.
    pub fn listen(&self) -> Listener {
        Listener(self.local.listen())
    }

    /// Whether work may be queued and handed out. The embedded queue always is.
    pub fn is_online(&self) -> bool {
        self.redis.as_ref().is_none_or(|redis| redis.gate().is_online())
    }

    /// Why loops that hand out or queue work pause now; none if they do not.
    pub fn pause(&self) -> Option<&'static str> {
        let status = self.redis.as_ref()?.gate().status();
        if status.is_online() {
            return None;
        }
        Some(status.outage.map_or(gate::UNTRIED, gate::Outage::as_pause))
    }

    /// How it is.
    pub fn status(&self) -> QueueStatus {
        QueueStatus {
            backend: if self.redis.is_some() { "redis" } else { "embedded" },
            gate: self.redis.as_ref().map(|redis| redis.gate().status()),
        }
    }

    /// The times it went offline or came back that nobody has written down yet, the oldest first.
    pub fn unrecorded(&self) -> Vec<Edge> {
        self.redis
            .as_ref()
            .map(|redis| redis.gate().unrecorded())
            .unwrap_or_default()
    }

    /// All up to this one are written down.
    pub fn recorded(&self, last: Edge) {
        if let Some(redis) = &self.redis {
            redis.gate().recorded(last);
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
