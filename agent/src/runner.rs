//! Runs assignments: one attempt each, in slots of its own, from the journal's first entry to the last report.
//!
//! The runner outlives sessions. An attempt goes on while the control plane is away and is told of when it is back; only the
//! control plane's word, the job's limit on time or the agent's own end stop it.
//!
//! What must never happen: work begins that the journal does not know; an attempt ends without a report that is kept until
//! it is taken; an attempt that is somebody else's now deletes anything.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use dataguardian_core::clock::SharedClock;
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{AgentId, ControlPlaneId};
use dataguardian_failpoints::blocking_failpoint;
use dataguardian_proto::agent::v1;
use dataguardian_repository::manifest::SigningKey;
use dataguardian_telemetry::cpu_pool::CpuPool;
use dataguardian_telemetry::system_monitor::SystemMonitor;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::AgentConfig;
use crate::control_plane::ControlPlane;
use crate::engines::engine::DatabaseEngine;
use crate::journal::{AttemptStage, Journal, JournalEntry};
use crate::sending::Sending;
use crate::state::StateDir;

mod attempt;
mod backup;
mod guard;
mod leftovers;
mod logs;
pub(crate) mod manifest;
mod packs;
mod prepared;
mod report;
pub(crate) mod restore;
mod reusable;
pub(crate) mod status;
pub(crate) mod verify;
mod watchdog;
pub(crate) mod work;

use attempt::Attempt;
use logs::AttemptLog;
use status::{AttemptStatus, StopReason, StopSignal};
use work::Assignment;

/// Verifications at the same time, besides what the slots are for.
const VERIFICATIONS: u32 = 1;

/// What every attempt needs of its agent.
#[derive(Debug)]
pub struct Host {
    /// What the host's owner allows.
    pub config: AgentConfig,
    /// The state directory.
    pub state: StateDir,
    /// Who this agent is.
    pub agent: AgentId,
    /// Whom it belongs to.
    pub owner: ControlPlaneId,
    /// Signs manifests.
    pub signing: SigningKey,
    /// Dumps and restores.
    pub engine: Arc<dyn DatabaseEngine>,
    /// The way to the control plane.
    pub control_plane: ControlPlane,
    /// Sends scripts to whoever downloads them.
    pub sending: Sending,
    /// For compression, hashing, sealing.
    pub cpu: CpuPool,
    /// Looks at the machine.
    pub monitor: Arc<SystemMonitor>,
    /// The time of day.
    pub clock: SharedClock,
}

/// The runner. Clones share the same attempts.
#[derive(Debug, Clone)]
pub struct Runner(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    host: Host,
    journal: Journal,
    attempts: Mutex<HashMap<Fence, Live>>,
    tasks: TaskTracker,
    /// Rung when an attempt has left its slot.
    slot_freed: Notify,
    /// Tells everybody who waits for it that an attempt has ended.
    ended: Notify,
    /// Fires when reports need not be delivered any more by this process: the journal has them.
    give_up: CancellationToken,
}

/// An attempt that this process is concerned with.
#[derive(Debug, Clone)]
struct Live {
    /// Whether it works; otherwise its report is under way.
    running: bool,
    /// Whether it takes a slot while it works.
    takes_a_slot: bool,
    stop: StopSignal,
    status: Arc<AttemptStatus>,
}

impl Runner {
    /// A runner that first sees to what an earlier process left: its processes are killed, its results are sent.
    pub fn start(host: Host) -> Result<Self, crate::state::StateError> {
        let journal = Journal::open(&host.state);
        let (entries, damaged) = journal.load()?;
        for path in damaged {
            tracing::error!(path = %path.display(), "a journal entry is damaged and is left for a person to look at");
        }
        let shared = Shared {
            host,
            journal,
            attempts: Mutex::default(),
            tasks: TaskTracker::new(),
            slot_freed: Notify::new(),
            ended: Notify::new(),
            give_up: CancellationToken::new(),
        };
        let runner = Self(Arc::new(shared));
        let executions: Vec<_> = entries.iter().map(|entry| entry.fence.execution).collect();
        leftovers::kill_all_of(&executions);
        for entry in entries {
            leftovers::kill(&entry.process_groups);
            runner.resume(entry);
        }
        runner.0.host.state.clear_work()?;
        Ok(runner)
    }

    /// Takes on an offer: when this returns, the journal has it and work has begun. Otherwise says why not.
    pub fn consider(&self, offer: v1::Assignment) -> Result<Fence, String> {
        blocking_failpoint!(OfferReceived);
        let assignment = Assignment::try_from(offer).map_err(|error| error.to_string())?;
        let fence = assignment.fence;
        let live = Live {
            running: true,
            takes_a_slot: assignment.work.takes_a_slot(),
            stop: StopSignal::default(),
            status: Arc::new(self.status(fence)),
        };
        {
            let mut attempts = self.attempts();
            if attempts.contains_key(&fence) {
                return Ok(fence);
            }
            let alike = attempts
                .values()
                .filter(|other| other.running && other.takes_a_slot == live.takes_a_slot);
            let room = if live.takes_a_slot {
                self.0.host.config.slots
            } else {
                VERIFICATIONS
            };
            if self.0.tasks.is_closed() {
                return Err("the agent stops".to_owned());
            }
            if alike.count() >= room as usize {
                return Err("no free slot".to_owned());
            }
            let entry = JournalEntry {
                fence,
                stage: AttemptStage::Running,
                process_groups: Vec::new(),
            };
            self.0.journal.write(&entry).map_err(|error| error.to_string())?;
            attempts.insert(fence, live.clone());
        }
        blocking_failpoint!(JournalWritten);
        tracing::info!(execution.id = %fence.execution, attempt = fence.attempt, "attempt accepted");
        let attempt = Attempt::new(self.clone(), fence, live);
        self.0.tasks.spawn(attempt.run(assignment));
        Ok(fence)
    }

    /// Ends an attempt because a person wants it.
    pub fn cancel(&self, fence: &Fence) {
        self.stop(fence, StopReason::Cancelled);
    }

    /// Ends an attempt that is somebody else's now.
    pub fn abandon(&self, fence: &Fence) {
        self.stop(fence, StopReason::Abandoned);
    }

    /// Forgets an attempt whose result has been taken.
    pub fn forget(&self, fence: &Fence) {
        self.stop(fence, StopReason::Abandoned);
    }

    fn stop(&self, fence: &Fence, reason: StopReason) {
        let live = self.attempts().get(fence).cloned();
        match live {
            Some(live) => live.stop.stop(reason),
            None => tracing::debug!(execution.id = %fence.execution, "no such attempt here"),
        }
    }

    /// Every attempt that runs or whose result has not been taken.
    pub fn in_flight(&self) -> Vec<v1::InFlight> {
        let wire = |(fence, live): (&Fence, &Live)| v1::InFlight {
            fence: Some((*fence).into()),
            running: live.running,
        };
        self.attempts().iter().map(wire).collect()
    }

    /// How far each running attempt is.
    pub fn progress(&self) -> Vec<v1::AttemptProgress> {
        let attempts = self.attempts();
        let running = attempts.iter().filter(|(_, live)| live.running);
        running
            .map(|(fence, live)| v1::AttemptProgress {
                fence: Some((*fence).into()),
                progress: Some(live.status.snapshot()),
            })
            .collect()
    }

    /// How many more attempts it can take on now.
    pub fn free_slots(&self) -> u32 {
        if self.0.tasks.is_closed() {
            return 0;
        }
        let attempts = self.attempts();
        let running = attempts.values().filter(|live| live.running && live.takes_a_slot);
        let running = running.count();
        self.0
            .host
            .config
            .slots
            .saturating_sub(u32::try_from(running).unwrap_or(u32::MAX))
    }

    /// How many attempts work, whether or not they take a slot.
    pub fn running(&self) -> usize {
        self.attempts().values().filter(|live| live.running).count()
    }

    /// Comes back when no attempt works any more. Reports may still be under way.
    pub async fn idle(&self) {
        loop {
            let ended = self.0.ended.notified();
            if self.running() == 0 {
                return;
            }
            ended.await;
        }
    }

    /// From now on every offer is declined, and the control plane is told at once that there is no free slot.
    pub fn take_no_more(&self) {
        self.0.tasks.close();
        self.0.slot_freed.notify_one();
    }

    /// Comes back when the number of free slots has changed since the last time, so that the control plane can be told at once.
    pub async fn slot_freed(&self) {
        self.0.slot_freed.notified().await;
    }

    /// What every attempt needs of its agent.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// Stops all attempts, waits until nothing of them is left, and a little longer for their reports to be taken. What is
    /// not taken stays in the journal.
    pub async fn shut_down(&self, patience: std::time::Duration) {
        self.take_no_more();
        for live in self.attempts().values() {
            live.stop.stop_because(
                StopReason::AgentStops,
                "the agent was stopped while the attempt ran".to_owned(),
            );
        }
        if tokio::time::timeout(patience, self.0.tasks.wait()).await.is_err() {
            self.0.give_up.cancel();
            self.0.tasks.wait().await;
        }
    }

    /// An attempt works no more.
    fn attempt_ended(&self) {
        self.0.slot_freed.notify_one();
        self.0.ended.notify_waiters();
    }

    fn status(&self, fence: Fence) -> AttemptStatus {
        AttemptStatus::new(
            AttemptLog::new(self.0.host.clock.clone()),
            fence,
            self.0.journal.clone(),
        )
    }

    /// Deals with an attempt of an earlier process.
    fn resume(&self, entry: JournalEntry) {
        let status = self.status(entry.fence);
        let live = Live {
            running: false,
            takes_a_slot: false,
            stop: StopSignal::default(),
            status: Arc::new(status),
        };
        self.attempts().insert(entry.fence, live.clone());
        let attempt = Attempt::new(self.clone(), entry.fence, live);
        self.0.tasks.spawn(attempt.resume(entry.stage));
    }

    fn attempts(&self) -> std::sync::MutexGuard<'_, HashMap<Fence, Live>> {
        self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
