//! The loops that make things so.
//!
//! A reconciler has no input: woken by a signal or a tick, it looks at what is, does what is missing, and says what it did.
//! Doing it twice changes nothing, so a lost wake-up costs a tick and a restart costs nothing. A pass that fails is passed
//! again; its loop never ends before the process does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::clock::SharedClock;
use futures::FutureExt as _;
use serde::Serialize;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::services::Error;

mod cleanup;
mod commit;
mod courier;
mod delete_backups;
mod deliver_cancels;
mod deliver_notifications;
mod dispatch;
mod expire_leases;
mod forget_expired;
mod heal_copies;
mod health;
mod keep_leases;
mod notify;
mod party;
mod pauses;
mod ping;
mod record_edges;
mod relay_questions;
mod renew_certificates;
mod retention;
mod save_reports;
mod scheduler;
mod seal_audit;
mod ticker;
mod verify_copies;

pub use cleanup::{CleanedUp, Cleanup, DatasourcePlan, Upkeep};
pub use commit::Commit;
pub use courier::Courier;
pub use delete_backups::DeleteBackups;
pub use deliver_cancels::DeliverCancels;
pub use deliver_notifications::DeliverNotifications;
pub use dispatch::{BackupWorker, Dispatch, DispatchWake, RestoreWorker};
pub use expire_leases::ExpireLeases;
pub use forget_expired::ForgetExpired;
pub use heal_copies::HealCopies;
pub use health::Health;
pub use keep_leases::KeepLeases;
pub use notify::TellTroubles;
pub use ping::Ping;
pub use record_edges::RecordEdges;
pub use relay_questions::RelayQuestions;
pub use renew_certificates::{ListenerCertificate, ListenerCertificateError, RenewCertificates};
pub use retention::Retention;
pub use save_reports::SaveReports;
pub use scheduler::Scheduler;
pub use seal_audit::SealAudit;
pub use ticker::{Ticker, TickerError};
pub use verify_copies::VerifyCopies;

/// One of the loops.
pub trait Reconcile: Send + Sync + 'static {
    /// What it makes true.
    const NAME: &'static str;
    /// What a pass did.
    type Report: Serialize + Send;

    /// One pass: bounded, and harmless when there is nothing to do.
    fn pass(&self) -> impl Future<Output = Result<Pass<Self::Report>, Error>> + Send;
}

/// How a pass ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass<R> {
    /// It did this.
    Done(R),
    /// It did nothing, since it may not right now.
    Paused {
        /// Why, in words.
        reason: &'static str,
    },
    /// It did nothing, since another replica does it.
    Standby,
}

/// Wakes one loop. Waking one that is awake already makes it pass once more.
#[derive(Debug, Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Has the loop pass as soon as it can.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// Whether a loop does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LoopState {
    /// It does.
    Running,
    /// It waits for a part that is away.
    Paused,
    /// Another replica does its work, and it is there to take over.
    Standby,
    /// Its last pass failed.
    Error,
}

impl LoopState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Running, Self::Paused, Self::Standby, Self::Error];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Standby => "standby",
            Self::Error => "error",
        }
    }
}

/// The loops that are told of by themselves, as workers.
pub const WORKERS: [&str; 5] = ["scheduler", "backup", "restore", "health", "cleanup"];

/// A loop as health pages show it.
#[derive(Debug, Clone, Serialize)]
pub struct LoopReport {
    /// What it makes true.
    pub name: &'static str,
    /// Whether it does its work.
    pub state: LoopState,
    /// Passes since the start.
    pub passes: u64,
    /// Why it is paused.
    pub reason: Option<&'static str>,
    /// What all passes since the start did, counted up.
    pub totals: BTreeMap<String, u64>,
    /// When it last passed.
    pub last_pass_at: Option<DateTime<Utc>>,
    /// What its last pass did.
    pub last: Option<serde_json::Value>,
    /// Why its last pass failed.
    pub error: Option<String>,
}

impl LoopReport {
    /// Whether its last pass failed.
    pub fn has_failed(&self) -> bool {
        self.state == LoopState::Error
    }

    /// Why it does not do its work: why it is paused, or why its last pass failed.
    pub fn why_not(&self) -> Option<&str> {
        self.reason.or(self.error.as_deref())
    }
}

/// The loops of this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Reconcilers {
    loops: Arc<Mutex<Vec<Arc<Mutex<LoopReport>>>>>,
    clock: SharedClock,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Reconcilers {
    /// No loops yet; those to come end when `stop` is cancelled.
    pub fn new(clock: SharedClock, stop: CancellationToken) -> Self {
        Self {
            loops: Arc::default(),
            clock,
            tasks: TaskTracker::new(),
            stop,
        }
    }

    /// Starts a loop. It passes when it is woken, and by itself if nobody woke it for `at_most`.
    pub fn start<R: Reconcile>(&self, reconciler: R, wake: &Wake, at_most: Duration) {
        let report = Arc::new(Mutex::new(LoopReport {
            name: R::NAME,
            state: LoopState::Running,
            passes: 0,
            reason: None,
            totals: BTreeMap::new(),
            last_pass_at: None,
            last: None,
            error: None,
        }));
        self.lock().push(Arc::clone(&report));
        let (wake, clock, stop) = (wake.clone(), Arc::clone(&self.clock), self.stop.clone());
        self.tasks.spawn(async move {
            let passes = async {
                loop {
                    let outcome = attempt(&reconciler).await;
                    {
                        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                        *report = note(&report, outcome, clock.now());
                    }
                    // The ticker's jobs can die: a loop that hears nothing goes on all the same.
                    drop(tokio::time::timeout(at_most, wake.0.notified()).await);
                }
            };
            stop.run_until_cancelled(passes).await;
        });
    }

    /// Every loop and its state.
    pub fn report(&self) -> Vec<LoopReport> {
        let read =
            |report: &Arc<Mutex<LoopReport>>| report.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.lock().iter().map(read).collect()
    }

    /// The workers among them, in the order of [`WORKERS`]; those that this replica has.
    pub fn workers(&self) -> Vec<LoopReport> {
        let reports = self.report();
        let named = |name: &&str| reports.iter().find(|report| report.name == *name).cloned();
        WORKERS.iter().filter_map(named).collect()
    }

    /// Waits until all loops have ended.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Mutex<LoopReport>>>> {
        self.loops.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One pass; a panic in it is an error like others.
async fn attempt<R: Reconcile>(reconciler: &R) -> Result<Pass<R::Report>, Error> {
    let pass = std::panic::AssertUnwindSafe(reconciler.pass());
    pass.catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Error::Internal(format!("{} panicked", R::NAME))))
}

/// The report after one more pass.
fn note<T: Serialize>(
    before: &LoopReport,
    outcome: Result<Pass<T>, Error>,
    now: DateTime<Utc>,
) -> LoopReport {
    let mut paused = None;
    let (state, last, error) = match outcome {
        Ok(Pass::Done(done)) => (LoopState::Running, serde_json::to_value(done).ok(), None),
        Ok(Pass::Paused { reason }) => {
            paused = Some(reason);
            (LoopState::Paused, before.last.clone(), None)
        }
        Ok(Pass::Standby) | Err(Error::TakenOver) => (LoopState::Standby, before.last.clone(), None),
        Err(error) => {
            if !before.has_failed() {
                tracing::error!(r#loop = before.name, %error, "a pass failed; it is tried again");
            }
            (
                LoopState::Error,
                before.last.clone(),
                Some(error.public_message()),
            )
        }
    };
    if before.has_failed() && error.is_none() {
        tracing::info!(r#loop = before.name, "the loop works again");
    }
    let mut totals = before.totals.clone();
    if state == LoopState::Running {
        count_up(&mut totals, last.as_ref());
    }
    LoopReport {
        name: before.name,
        state,
        reason: paused,
        totals,
        passes: before.passes + 1,
        last_pass_at: Some(now),
        last,
        error,
    }
}

/// Adds the numbers of a pass's report.
fn count_up(totals: &mut BTreeMap<String, u64>, last: Option<&serde_json::Value>) {
    let fields = last.and_then(serde_json::Value::as_object).into_iter().flatten();
    for (what, value) in fields {
        if let Some(number) = value.as_u64() {
            *totals.entry(what.clone()).or_default() += number;
        }
    }
}

#[cfg(test)]
mod tests;
