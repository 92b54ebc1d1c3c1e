//! The loops of a control plane, and when each passes.

use std::sync::Arc;
use std::time::Duration;

use super::{App, StartError};
use crate::reconcilers::{
    Commit, DeleteBackups, DeliverCancels, Dispatch, ExpireLeases, ForgetExpired, HealCopies, Health,
    Reconcile, Reconcilers, SaveReports, Ticker, VerifyCopies, Wake,
};
use crate::services::Services;

/// Every loop, woken by its signals, by the beat, and if need be by nobody.
pub(super) async fn start(app: &App) -> Result<Ticker, StartError> {
    let (services, sessions) = (&app.shared.services, &app.shared.sessions);
    let ticker = Ticker::new().await?;
    let pass = app.config.reconcilers.interval();
    let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
    let start = Starter {
        reconcilers: &app.reconcilers,
        ticker: &ticker,
    };
    let dispatch = Dispatch {
        assignments: services.assignments.clone(),
        sessions: sessions.clone(),
        queue: app.queue.clone(),
        control_plane: app.shared.facts.control_plane,
    };
    start.woken(dispatch, &app.shared.dispatch, pass).await?;
    let cancels = DeliverCancels {
        executions: services.executions.clone(),
        sessions: sessions.clone(),
    };
    start.woken(cancels, &app.cancels, pass).await?;
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
    let health = Health {
        catalogue: services.health.clone(),
        sessions: sessions.clone(),
        keep: app.config.health.keep(),
        clock: Arc::clone(&app.shared.clock),
        forgotten_at: Arc::default(),
    };
    start
        .woken(health, &Wake::default(), app.config.health.beat())
        .await?;
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
    start.woken(delete, &app.deletions, pass).await?;
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
        .woken(app.renewal.clone(), &app.certificates, 10 * second)
        .await?;
    ticker.start().await?;
    Ok(ticker)
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
