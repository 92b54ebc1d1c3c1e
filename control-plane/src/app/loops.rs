//! The loops of a control plane, and when each passes.

use std::sync::Arc;
use std::time::Duration;

use super::StartError;
use crate::config::Config;
use crate::domain::worker::Worker;
use crate::grpc::Shared;
use crate::queue::Queue;
use crate::reconcilers::{
    BackupWorker, Commit, DeleteBackups, DeliverCancels, DeliverNotifications, Dispatch, ExpireLeases,
    ForgetExpired, HealCopies, Health, KeepLeases, Ping, Reconcile, Reconcilers, RecordEdges, RelayQuestions,
    RenewCertificates, RestoreWorker, Retention, SaveReports, Scheduler, SealAudit, TellTroubles, Ticker,
    VerifyCopies, Wake,
};
use crate::services::Services;

const SECOND: Duration = Duration::from_secs(1);
/// How often leases are kept: [`crate::domain::leadership::BEAT`].
const LEASES: Duration = Duration::from_secs(2);

/// What the loops work with.
pub(super) struct Loops<'a> {
    pub(super) config: &'a Config,
    pub(super) shared: &'a Shared,
    pub(super) reconcilers: &'a Reconcilers,
    pub(super) queue: &'a Queue,
    pub(super) renewal: &'a RenewCertificates,
    pub(super) wakes: &'a Wakes,
}

/// What wakes the loops that hear signals, but for those that hand out work.
#[derive(Debug, Default)]
pub(super) struct Wakes {
    pub(super) cancels: Wake,
    pub(super) deletions: Wake,
    pub(super) retention: Wake,
    pub(super) certificates: Wake,
    pub(super) edges: Wake,
    pub(super) questions: Wake,
    pub(super) schedules: Wake,
}

/// Every loop, woken by its signals, by the beat, and if need be by nobody. Those that the queue switches off come last.
pub(super) async fn start(app: &Loops<'_>, ticker: &Ticker) -> Result<(), StartError> {
    let start = Starter {
        reconcilers: app.reconcilers,
        ticker,
    };
    start_keepers(app, &start).await?;
    start_health(app, &start).await?;
    start_notifications(app, &start).await?;
    start_attempts(app, &start).await?;
    start_copies(app, &start).await?;
    start_cleanup(app, &start).await?;
    start_workers(app, &start).await?;
    Ok(ticker.start().await?)
}

/// Takes on what no other replica does, before the loops look whether they may work. What fails here is tried again by one.
pub(super) async fn take_over(app: &Loops<'_>) {
    if let Err(error) = leases(app).pass().await {
        tracing::warn!(%error, "what only one replica does begins later");
    }
}

fn leases(app: &Loops<'_>) -> KeepLeases {
    KeepLeases {
        leadership: app.shared.services.leadership.clone(),
        replicas: app.shared.services.replicas.clone(),
        queue: app.queue.clone(),
        wakes: [
            app.wakes.schedules.clone(),
            app.wakes.retention.clone(),
            app.wakes.deletions.clone(),
        ],
    }
}

/// What keeps the control plane itself in order.
async fn start_keepers(app: &Loops<'_>, start: &Starter<'_>) -> Result<(), StartError> {
    let services = &app.shared.services;
    start
        .woken(save_reports(services), &Wake::default(), 2 * SECOND)
        .await?;
    let forgetting = ForgetExpired {
        auth: services.auth.clone(),
        relay: services.relay.clone(),
        replicas: services.replicas.clone(),
    };
    start.woken(forgetting, &Wake::default(), 3600 * SECOND).await?;
    start
        .woken(app.renewal.clone(), &app.wakes.certificates, 10 * SECOND)
        .await?;
    let edges = RecordEdges {
        queue: app.queue.clone(),
        audit: services.audit.clone(),
    };
    start.woken(edges, &app.wakes.edges, 10 * SECOND).await?;
    start.woken(leases(app), &Wake::default(), LEASES).await?;
    let seal = SealAudit {
        audit: services.audit.clone(),
    };
    start.woken(seal, &Wake::default(), 5 * SECOND).await?;
    let relay = RelayQuestions {
        relay: services.relay.clone(),
        sessions: app.shared.sessions.clone(),
        nodes: app.shared.nodes.clone(),
    };
    start.woken(relay, &app.wakes.questions, SECOND).await
}

/// What looks at datasources and storages from time to time.
async fn start_health(app: &Loops<'_>, start: &Starter<'_>) -> Result<(), StartError> {
    let health = Health {
        catalogue: app.shared.services.health.clone(),
        sessions: app.shared.sessions.clone(),
        keep: app.config.health.keep(),
        clock: Arc::clone(&app.shared.clock),
        forgotten_at: Arc::default(),
    };
    start
        .woken(health, &Wake::default(), app.config.health.beat())
        .await
}

/// What tells people.
async fn start_notifications(app: &Loops<'_>, start: &Starter<'_>) -> Result<(), StartError> {
    let shared = app.shared;
    let notifications = &shared.services.notifications;
    let deliver = Wake::default();
    let notify = TellTroubles {
        notifications: notifications.clone(),
        leadership: shared.services.leadership.clone(),
        deliver: deliver.clone(),
    };
    start
        .woken(notify, &Wake::default(), app.config.notifications.interval())
        .await?;
    let delivering = DeliverNotifications {
        notifications: notifications.clone(),
        sender: shared.sender.clone(),
        again: deliver.clone(),
    };
    start.woken(delivering, &deliver, 2 * SECOND).await?;
    let ping = Ping {
        notifications: notifications.clone(),
        sender: shared.sender.clone(),
        loops: app.reconcilers.clone(),
        queue: app.queue.clone(),
        clock: Arc::clone(&shared.clock),
    };
    start.woken(ping, &Wake::default(), SECOND).await
}

/// What sees to attempts that are under way.
async fn start_attempts(app: &Loops<'_>, start: &Starter<'_>) -> Result<(), StartError> {
    let (services, sessions) = (&app.shared.services, &app.shared.sessions);
    let pass = app.config.reconcilers.interval();
    let cancels = DeliverCancels {
        executions: services.executions.clone(),
        sessions: sessions.clone(),
    };
    start.woken(cancels, &app.wakes.cancels, pass).await?;
    let expire = ExpireLeases {
        executions: services.executions.clone(),
        dispatch: app.shared.dispatch.clone(),
    };
    start.woken(expire, &Wake::default(), SECOND.min(pass)).await?;
    let commit = Commit {
        commits: services.commits.clone(),
        attempts: services.attempts.clone(),
        sessions: sessions.clone(),
        clock: Arc::clone(&app.shared.clock),
        asked: Arc::default(),
    };
    start.woken(commit, &Wake::default(), pass).await
}

/// What makes copies of backups and looks into them.
async fn start_copies(app: &Loops<'_>, start: &Starter<'_>) -> Result<(), StartError> {
    let (services, sessions) = (&app.shared.services, &app.shared.sessions);
    let heal = HealCopies {
        copies: services.copies.clone(),
        sessions: sessions.clone(),
        pauses: HealCopies::pauses(Arc::clone(&app.shared.clock)),
    };
    start
        .woken(heal, &Wake::default(), app.config.reconcilers.interval())
        .await?;
    let looks = app.config.verification.interval();
    let verify = VerifyCopies {
        verifications: services.verifications.clone(),
        asking: app.shared.asking.clone(),
        leadership: services.leadership.clone(),
        policy: app.config.verification.policy(),
        pace: chrono::TimeDelta::from_std(looks).unwrap_or(chrono::TimeDelta::MAX),
        clock: Arc::clone(&app.shared.clock),
        next: Arc::default(),
    };
    start
        .woken(verify, &Wake::default(), looks.min(10 * SECOND))
        .await
}

/// What takes away what is not needed any more.
async fn start_cleanup(app: &Loops<'_>, start: &Starter<'_>) -> Result<(), StartError> {
    let services = &app.shared.services;
    let pass = app.config.reconcilers.interval();
    let delete = DeleteBackups {
        deletion: services.deletion.clone(),
        catalogue: services.cleanup.clone(),
        asking: app.shared.asking.clone(),
        leadership: services.leadership.clone(),
        pauses: DeleteBackups::pauses(Arc::clone(&app.shared.clock)),
    };
    start.woken(delete, &app.wakes.deletions, pass).await?;
    let retention = Retention {
        rules: services.retention.clone(),
        leadership: services.leadership.clone(),
    };
    start.woken(retention, &app.wakes.retention, pass).await?;
    let interval = app.config.cleanup.interval();
    start
        .woken(app.shared.cleanup.clone(), &Wake::default(), interval)
        .await
}

/// What makes work and hands it out, and pauses while the queue is offline.
async fn start_workers(app: &Loops<'_>, start: &Starter<'_>) -> Result<(), StartError> {
    let pass = app.config.reconcilers.interval();
    let dispatch = Dispatch {
        assignments: app.shared.services.assignments.clone(),
        sessions: app.shared.sessions.clone(),
        queue: app.queue.clone(),
        control_plane: app.shared.facts.control_plane,
    };
    let scheduler = Scheduler {
        schedules: app.shared.services.schedules.clone(),
        leadership: app.shared.services.leadership.clone(),
        queue: app.queue.clone(),
        again: app.wakes.schedules.clone(),
    };
    start
        .woken(scheduler, &app.wakes.schedules, SECOND.min(pass))
        .await?;
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
