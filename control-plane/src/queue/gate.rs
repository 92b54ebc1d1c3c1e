//! Whether the queue is online, by a probe of our own: the client's word is not enough, since to it a frozen Redis stays
//! "connected".
//!
//! A PING every 2 s, with 1.5 s for its answer. One that is lost is asked again at once, with 0.75 s: so an answer that got
//! lost once turns nothing, and a Redis that freezes is offline after 4.25 s at most. While offline a new connection is tried every
//! second, so it is back a moment after Redis is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::clock::SharedClock;
use tokio::sync::watch;

/// Where the gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    /// Redis was not asked yet.
    Untried,
    /// It answers.
    Online,
    /// It answered a moment ago; the last probe was lost.
    Doubtful,
    /// It does not answer.
    Offline,
}

/// What a probe came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// An answer, in time.
    Answered,
    /// None.
    Lost(Outage),
}

/// What is wrong with Redis. Never more than this: its own words may name what nobody is to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// No connection can be made, or none that can be trusted.
    Unreachable,
    /// It does not answer in time.
    Silent,
    /// It does not let us in.
    Refused,
    /// It ended the connection.
    Disconnected,
    /// It answers with an error: while it loads its data, for one.
    Failing,
}

/// Which way the gate turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Work is queued and handed out again.
    Online,
    /// It is not any more.
    Offline(Outage),
}

/// How the next probe is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long to wait before it.
    pub pause: Duration,
    /// How long to wait for its answer.
    pub patience: Duration,
}

/// The pause of loops before Redis was asked for the first time.
pub(super) const UNTRIED: &str = "the queue is offline: Redis was not asked yet";

impl GateState {
    /// Whether work may be queued and handed out.
    pub const fn is_online(self) -> bool {
        match self {
            Self::Online | Self::Doubtful => true,
            Self::Untried | Self::Offline => false,
        }
    }

    /// Where the gate stands after a probe.
    pub const fn apply(self, probe: Probe) -> Self {
        match (self, probe) {
            (Self::Untried | Self::Online | Self::Doubtful | Self::Offline, Probe::Answered) => Self::Online,
            (Self::Online, Probe::Lost(_)) => Self::Doubtful,
            (Self::Untried | Self::Doubtful | Self::Offline, Probe::Lost(_)) => Self::Offline,
        }
    }

    /// How the next probe is made.
    pub const fn pace(self) -> Pace {
        let (pause, patience) = match self {
            Self::Untried => (0, 1_500),
            Self::Online => (2_000, 1_500),
            Self::Doubtful => (0, 750),
            Self::Offline => (1_000, 1_500),
        };
        Pace {
            pause: Duration::from_millis(pause),
            patience: Duration::from_millis(patience),
        }
    }
}

impl Outage {
    /// In words.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "Redis can't be reached",
            Self::Silent => "Redis does not answer",
            Self::Refused => "Redis refuses the user or the password",
            Self::Disconnected => "Redis ended the connection",
            Self::Failing => "Redis answers with an error",
        }
    }

    /// As a loop that pauses says it.
    pub const fn as_pause(self) -> &'static str {
        match self {
            Self::Unreachable => "the queue is offline: Redis can't be reached",
            Self::Silent => "the queue is offline: Redis does not answer",
            Self::Refused => "the queue is offline: Redis refuses the user or the password",
            Self::Disconnected => "the queue is offline: Redis ended the connection",
            Self::Failing => "the queue is offline: Redis answers with an error",
        }
    }

    /// A stable name in capitals for programs.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Unreachable => "UNREACHABLE",
            Self::Silent => "SILENT",
            Self::Refused => "REFUSED",
            Self::Disconnected => "DISCONNECTED",
            Self::Failing => "FAILING",
        }
    }
}

/// The gate at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateStatus {
    /// Where it stands.
    pub state: GateState,
    /// Since when it is online or offline.
    pub since: DateTime<Utc>,
    /// What is wrong; set while it is offline.
    pub outage: Option<Outage>,
    /// How often it came online again since this process runs.
    pub turned_online: u64,
    /// How often it went offline.
    pub turned_offline: u64,
}

impl GateStatus {
    /// Whether work may be queued and handed out.
    pub const fn is_online(&self) -> bool {
        self.state.is_online()
    }
}

/// One time that the gate turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edge {
    /// Its place among all of this process, counted from 1.
    pub number: u64,
    /// When.
    pub at: DateTime<Utc>,
    /// Which way.
    pub turn: Turn,
}

/// That many edges wait to be written down; older ones are dropped. The counts stay right.
const UNRECORDED: usize = 1_000;

/// The gate. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    status: watch::Sender<GateStatus>,
    unrecorded: Mutex<VecDeque<Edge>>,
    clock: SharedClock,
}

impl Gate {
    pub(super) fn new(clock: SharedClock) -> Self {
        let status = watch::Sender::new(GateStatus {
            state: GateState::Untried,
            since: clock.now(),
            outage: None,
            turned_online: 0,
            turned_offline: 0,
        });
        Self(Arc::new(Inner {
            status,
            unrecorded: Mutex::default(),
            clock,
        }))
    }

    /// How it stands now. Never waits.
    pub fn status(&self) -> GateStatus {
        *self.0.status.borrow()
    }

    /// Whether work may be queued and handed out. Never waits.
    pub fn is_online(&self) -> bool {
        self.0.status.borrow().is_online()
    }

    /// Notes what a probe came to; the edge if that turned it. That Redis answers at the start is none.
    pub(super) fn note(&self, probe: Probe) -> Option<Edge> {
        let now = self.0.clock.now();
        let mut edge = None;
        self.0.status.send_modify(|status| {
            let before = *status;
            status.state = before.state.apply(probe);
            let turn = match (before.state, probe) {
                (GateState::Untried, Probe::Answered) => None,
                (GateState::Untried, Probe::Lost(outage)) => Some(Turn::Offline(outage)),
                _ if before.is_online() == status.is_online() => None,
                (_, Probe::Answered) => Some(Turn::Online),
                (_, Probe::Lost(outage)) => Some(Turn::Offline(outage)),
            };
            status.outage = match probe {
                Probe::Lost(outage) if !status.is_online() => Some(outage),
                Probe::Lost(_) | Probe::Answered => None,
            };
            match turn {
                None if before.state == GateState::Untried => status.since = now,
                None => {}
                Some(turn) => {
                    status.since = now;
                    match turn {
                        Turn::Online => status.turned_online += 1,
                        Turn::Offline(_) => status.turned_offline += 1,
                    }
                    let number = status.turned_online + status.turned_offline;
                    edge = Some(Edge {
                        number,
                        at: now,
                        turn,
                    });
                }
            }
        });
        if let Some(edge) = edge {
            let mut waiting = self.waiting();
            if waiting.len() == UNRECORDED {
                waiting.pop_front();
            }
            waiting.push_back(edge);
        }
        edge
    }

    /// The edges that nobody has written down yet.
    pub fn unrecorded(&self) -> Vec<Edge> {
        self.waiting().iter().copied().collect()
    }

    /// All up to this one are written down.
    pub fn recorded(&self, last: Edge) {
        self.waiting().retain(|edge| edge.number > last.number);
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Edge>> {
        self.0.unrecorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
