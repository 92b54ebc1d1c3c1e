//! The loops of a control plane, and when each passes.

use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use crate::config::Config;
use crate::domain::worker::Worker;
use crate::grpc::Shared;
use crate::queue::Queue;
use crate::reconcilers::{
    BackupWorker, Commit, DeleteBackups, DeliverCancels, Dispatch, ExpireLeases, ForgetExpired, HealCopies,
    Reconcile, Reconcilers, RecordEdges, RenewCertificates, RestoreWorker, SaveReports, Ticker, VerifyCopies,
    Wake,
};
use crate::services::Services;

/// What the loops work with, and what wakes them.
pub(super) struct Loops<'a> {
    pub(super) config: &'a Config,
    pub(super) shared: &'a Shared,
    pub(super) reconcilers: &'a Reconcilers,
    pub(super) queue: &'a Queue,
    pub(super) renewal: &'a RenewCertificates,
    pub(super) cancels: &'a Wake,
    pub(super) deletions: &'a Wake,
    pub(super) certificates: &'a Wake,
    pub(super) edges: &'a Wake,
}

/// Every loop, woken by its signals, by the beat, and if need be by nobody. Those that the queue switches off come last.
pub(super) async fn start(app: &Loops<'_>, ticker: &Ticker) -> Result<(), StartError> {
    let (services, sessions) = (&app.shared.services, &app.shared.sessions);
    let pass = app.config.reconcilers.interval();
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
    let start = Starter {
        reconcilers: app.reconcilers,
        ticker,
    };
    let cancels = DeliverCancels {
        executions: services.executions.clone(),
        sessions: sessions.clone(),
    };
    start.woken(cancels, app.cancels, pass).await?;
    let expire = ExpireLeases {
        executions: services.executions.clone(),
        dispatch: app.shared.dispatch.clone(),
    };
    start.woken(expire, &Wake::default(), second.min(pass)).await?;
    let commit = Commit {
        commits: services.commits.clone(),
        attempts: services.attempts.clone(),
        sessions: sessions.clone(),
        clock: Arc::clone(&app.shared.clock),
        asked: Arc::default(),
    };
    start.woken(commit, &Wake::default(), pass).await?;
    let heal = HealCopies {
        copies: services.copies.clone(),
        sessions: sessions.clone(),
        pauses: HealCopies::pauses(Arc::clone(&app.shared.clock)),
    };
    start.woken(heal, &Wake::default(), pass).await?;
    let looks = app.config.verification.interval();
    let verify = VerifyCopies {
        verifications: services.verifications.clone(),
        sessions: sessions.clone(),
        policy: app.config.verification.policy(),
        pace: chrono::TimeDelta::from_std(looks).unwrap_or(chrono::TimeDelta::MAX),
        clock: Arc::clone(&app.shared.clock),
        next: Arc::default(),
    };
    start
        .woken(verify, &Wake::default(), looks.min(10 * second))
        .await?;
    let delete = DeleteBackups {
        deletion: services.deletion.clone(),
        catalogue: services.cleanup.clone(),
        sessions: sessions.clone(),
        pauses: DeleteBackups::pauses(Arc::clone(&app.shared.clock)),
    };
    start.woken(delete, app.deletions, pass).await?;
    let interval = app.config.cleanup.interval();
    start
        .woken(app.shared.cleanup.clone(), &Wake::default(), interval)
        .await?;
    let saving = save_reports(services);
    start.woken(saving, &Wake::default(), 2 * second).await?;
    let forgetting = ForgetExpired {
        auth: services.auth.clone(),
    };
    start.woken(forgetting, &Wake::default(), hour).await?;
    start
        .woken(app.renewal.clone(), app.certificates, 10 * second)
        .await?;
    let edges = RecordEdges {
        queue: app.queue.clone(),
        audit: services.audit.clone(),
    };
    start.woken(edges, app.edges, 10 * second).await?;
    start_workers(app, &start, pass).await?;
    Ok(ticker.start().await?)
}

/// What hands out work, and pauses while the queue is offline.
async fn start_workers(app: &Loops<'_>, start: &Starter<'_>, pass: Duration) -> Result<(), StartError> {
    let dispatch = Dispatch {
        assignments: app.shared.services.assignments.clone(),
        sessions: app.shared.sessions.clone(),
        queue: app.queue.clone(),
        control_plane: app.shared.facts.control_plane,
    };
    let wakes = &app.shared.dispatch;
    start
        .woken(BackupWorker(dispatch.clone()), wakes.of(Worker::Backup), pass)
        .await?;
    start
        .woken(RestoreWorker(dispatch), wakes.of(Worker::Restore), pass)
        .await
}

pub(super) fn save_reports(services: &Services) -> SaveReports {
    SaveReports {
        progress: services.progress.clone(),
        sessions: services.sessions.clone(),
    }
}

/// Starts loops and gives them their beat.
struct Starter<'a> {
    reconcilers: &'a Reconcilers,
    ticker: &'a Ticker,
}

impl Starter<'_> {
    async fn woken<R: Reconcile>(
        &self,
        reconciler: R,
        wake: &Wake,
        period: Duration,
    ) -> Result<(), StartError> {
        self.reconcilers.start(reconciler, wake, 3 * period);
        Ok(self.ticker.every(period, wake).await?)
    }
}
