//! What every use case works with.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::clock::SharedClock;
use dataguardian_core::ids::AgentId;

use super::installation::Installation;
use super::notifications::NotificationTally;
use super::progress::Board;
use super::tally::Tally;
use crate::domain::eligibility::Limits;
use crate::domain::execution::Execution;
use crate::domain::health::Policy;
use crate::domain::notification;
use crate::domain::patience::Times;
use crate::domain::protection::Objectives;
use crate::domain::session::SessionPolicy;
use crate::domain::worker::Worker;
use crate::queue::{Queue, Signal};
use crate::store::Store;

/// The parts that the use cases share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    /// The metadata database.
    pub store: Store,
    /// The installation's identity and keys.
    pub installation: Arc<Installation>,
    /// The time.
    pub clock: SharedClock,
    /// Wake-ups.
    pub queue: Queue,
    /// How much is done at the same time.
    pub limits: Limits,
    /// An agent that was not heard of for this long counts as away, where that is shown.
    pub agent_away_after: TimeDelta,
    /// How often datasources and storages are looked at, and what counts as nearly full.
    pub health: Policy,
    /// How long browsers stay signed in.
    pub sessions: SessionPolicy,
    /// How old the newest backups may be.
    pub objectives: Objectives,
    /// What is told of, and how. Shared: every use case has a context of its own.
    pub notifications: Arc<notification::Policy>,
    /// Counts what deliveries came to.
    pub notification_tally: NotificationTally,
    /// Counts what executions came to.
    pub tally: Tally,
    /// Since when this process runs.
    pub started_at: DateTime<Utc>,
    /// What the clock's uptime was then.
    started_uptime: TimeDelta,
    /// Progress that is newer than what the database has.
    pub(super) board: Board,
}

impl Context {
    /// A context for a process that starts now, with the usual limits.
    pub fn new(store: Store, installation: Installation, clock: SharedClock, queue: Queue) -> Self {
        let (started_at, started_uptime) = (clock.now(), clock.uptime());
        Self {
            store,
            installation: Arc::new(installation),
            clock,
            queue,
            limits: Limits::default(),
            agent_away_after: TimeDelta::seconds(60),
            health: Policy::default(),
            sessions: SessionPolicy::default(),
            objectives: Objectives::default(),
            notifications: Arc::default(),
            notification_tally: NotificationTally::default(),
            tally: Tally::default(),
            started_at,
            started_uptime,
            board: Board::default(),
        }
    }

    /// The time now.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// What the clocks say.
    pub(super) fn times(&self) -> Times {
        let uptime = self.clock.uptime() - self.started_uptime;
        Times::new(self.clock.now(), self.started_at, uptime)
    }

    /// Tells the worker concerned that an execution waits; only after the transaction is committed.
    pub(super) fn work_queued(&self, execution: &Execution) {
        self.signal(Signal::WorkQueued(execution.agent, Worker::of(execution.kind())));
    }

    /// Tells both workers that an agent may take on something; only after the transaction is committed.
    pub(super) fn slots_freed(&self, agent: AgentId) {
        for worker in Worker::ALL {
            self.signal(Signal::WorkQueued(agent, worker));
        }
    }

    /// Tells all who listen; only after the transaction is committed.
    pub(super) fn signal(&self, signal: Signal) {
        self.queue.signal(signal);
    }
}
