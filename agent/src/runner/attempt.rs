//! One attempt, from the moment the journal has it to the moment the control plane has its result.

use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::execution::Fence;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_proto::agent::v1;
use dataguardian_telemetry::trace_context;
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::guard::Guard;
use super::prepared::PreparedBackup;
use super::report::Delivery;
use super::status::StopReason;
use super::work::{Assignment, Work};
use super::{Host, Live, Runner, backup, restore, verify};
use crate::engines::marker::SessionMarker;
use crate::journal::AttemptStage;
use crate::patience;

/// How long the last log lines may take to be sent before the result is.
const LAST_LINES: Duration = Duration::from_secs(10);

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Everything but the manifest is stored.
    Prepared(Box<PreparedBackup>),
    /// A restore succeeded.
    Restored(v1::RestoreOutcome),
    /// Copies of a backup were looked into; what was found is in it.
    Verified(v1::VerifyOutcome),
    /// It failed.
    Failed(Failure),
    /// It was cancelled, and nothing of it is left.
    Cancelled,
    /// It is somebody else's now: there is nothing to report.
    Abandoned,
}

/// An attempt at work.
#[derive(Debug)]
pub(super) struct Attempt {
    runner: Runner,
    pub(super) fence: Fence,
    pub(super) live: Live,
}

impl Attempt {
    pub(super) fn new(runner: Runner, fence: Fence, live: Live) -> Self {
        Self { runner, fence, live }
    }

    pub(super) fn host(&self) -> &Host {
        &self.runner.0.host
    }

    /// The span that all of it is in, in the execution's trace.
    fn span(&self, traceparent: &str) -> tracing::Span {
        let span = tracing::info_span!("attempt", execution.id = %self.fence.execution, attempt = self.fence.attempt);
        trace_context::join(&span, self.fence.execution, traceparent);
        span
    }

    /// Works, then reports until the report is taken.
    pub(super) async fn run(self, assignment: Assignment) {
        let span = self.span(&assignment.traceparent);
        async {
            tracing::info!("attempt begins");
            let mut shipping = JoinSet::new();
            let log = self.live.status.log.clone();
            shipping.spawn(log.clone().ship(
                self.host().control_plane.clone(),
                self.fence,
                self.runner.0.give_up.clone(),
            ));
            let outcome = self.work(assignment).await;
            self.tell(&outcome);
            log.close();
            if patience::timeout(LAST_LINES, shipping.join_next()).await.is_err() {
                tracing::warn!("the last log lines could not be sent in time");
            }
            shipping.shutdown().await;
            self.conclude(outcome).await;
        }
        .instrument(span)
        .await;
    }

    /// Brings an earlier process's attempt to its end.
    pub(super) async fn resume(self, stage: AttemptStage) {
        let span = self.span("");
        async {
            let restarted = || {
                Failure::new(
                    FailureKind::AgentRestarted,
                    "the agent was restarted while the attempt ran",
                )
            };
            match stage {
                AttemptStage::Running => self.conclude(Outcome::Failed(restarted())).await,
                AttemptStage::Failed(failure) => self.conclude(Outcome::Failed(failure)).await,
                AttemptStage::Cancelled => self.conclude(Outcome::Cancelled).await,
                AttemptStage::Restored { outcome } => match prost::Message::decode(&outcome[..]) {
                    Ok(outcome) => self.conclude(Outcome::Restored(outcome)).await,
                    Err(error) => {
                        tracing::error!(%error, "a restore's report in the journal can't be read");
                        self.conclude(Outcome::Failed(restarted())).await;
                    }
                },
                AttemptStage::Verified { outcome } => match prost::Message::decode(&outcome[..]) {
                    Ok(outcome) => self.conclude(Outcome::Verified(outcome)).await,
                    Err(error) => {
                        tracing::error!(%error, "a verification's report in the journal can't be read");
                        self.conclude(Outcome::Failed(restarted())).await;
                    }
                },
                AttemptStage::Committing(commit) => {
                    let committing = tracing::info_span!("commit");
                    self.delivery().resume_commit(commit).instrument(committing).await;
                    self.leave();
                }
            }
        }
        .instrument(span)
        .await;
    }

    async fn work(&self, assignment: Assignment) -> Outcome {
        let stop = &self.live.stop;
        let mut limits = JoinSet::new();
        let guard = Guard::new(self, &assignment);
        limits.spawn(guard.clone().end_when_too_long(assignment.max_duration));
        limits.spawn(
            guard.end_when_nothing_moves(assignment.no_progress_timeout, assignment.work.lock_timeout()),
        );
        let result = match assignment.work {
            Work::Backup(work) => backup::back_up(self, *work)
                .await
                .map(|done| Outcome::Prepared(Box::new(done))),
            Work::Restore(work) => {
                let restoring = restore::restore(self, *work);
                restoring
                    .instrument(tracing::info_span!("restore"))
                    .await
                    .map(Outcome::Restored)
            }
            Work::Verify(work) => {
                let verifying = verify::verify(self, *work);
                verifying
                    .instrument(tracing::info_span!("verify"))
                    .await
                    .map(Outcome::Verified)
            }
        };
        limits.shutdown().await;
        // A wish to stop that came too late changes nothing: what is done is done.
        match (result, stop.reason()) {
            (_, Some(StopReason::Abandoned)) => Outcome::Abandoned,
            (Ok(outcome), _) => outcome,
            (Err(_), Some(StopReason::Cancelled)) => Outcome::Cancelled,
            (Err(failure), _) => Outcome::Failed(stop.failure().unwrap_or(failure)),
        }
    }

    fn tell(&self, outcome: &Outcome) {
        let log = &self.live.status.log;
        match outcome {
            Outcome::Prepared(_) => log.info("everything is stored; committing"),
            Outcome::Restored(_) => log.info("restored"),
            Outcome::Verified(_) => log.info("looked into every copy"),
            Outcome::Failed(failure) => {
                tracing::warn!(reason = %failure.kind, %failure, "attempt failed");
                log.error(format!("{}: {failure}", failure.kind));
                log.info(format!("next step: {}", failure.kind.advice()));
            }
            Outcome::Cancelled => log.info("cancelled; nothing of the attempt is left"),
            Outcome::Abandoned => log.info("abandoned"),
        }
    }

    /// Writes the outcome down, then reports it until it is taken.
    async fn conclude(&self, outcome: Outcome) {
        self.set_reporting();
        let delivery = self.delivery();
        match outcome {
            Outcome::Prepared(prepared) => {
                let committing = delivery.commit(*prepared);
                committing.instrument(tracing::info_span!("commit")).await;
            }
            Outcome::Restored(outcome) => {
                let stage = AttemptStage::Restored {
                    outcome: prost::Message::encode_to_vec(&outcome),
                };
                delivery
                    .deliver(stage, v1::complete_attempt_request::Outcome::Restore(outcome))
                    .await;
            }
            Outcome::Verified(outcome) => {
                let stage = AttemptStage::Verified {
                    outcome: prost::Message::encode_to_vec(&outcome),
                };
                delivery
                    .deliver(stage, v1::complete_attempt_request::Outcome::Verify(outcome))
                    .await;
            }
            Outcome::Failed(failure) => {
                let wire = v1::complete_attempt_request::Outcome::Failure((&failure).into());
                delivery.deliver(AttemptStage::Failed(failure), wire).await;
            }
            Outcome::Cancelled => {
                let wire = v1::complete_attempt_request::Outcome::Cancelled(v1::Cancelled {});
                delivery.deliver(AttemptStage::Cancelled, wire).await;
            }
            Outcome::Abandoned => delivery.forget(),
        }
        self.leave();
    }

    fn delivery(&self) -> Delivery<'_> {
        Delivery {
            host: self.host(),
            journal: &self.runner.0.journal,
            fence: self.fence,
            give_up: self.runner.0.give_up.clone(),
            stop: self.live.stop.clone(),
            progress: Some(self.live.status.snapshot()).filter(|progress| progress.raw_bytes > 0),
        }
    }

    fn set_reporting(&self) {
        if let Some(live) = self.runner.attempts().get_mut(&self.fence) {
            live.running = false;
        }
        self.runner.attempt_ended();
    }

    fn leave(&self) {
        self.runner.attempts().remove(&self.fence);
        self.runner.attempt_ended();
    }

    /// What its sessions are called on the database server.
    pub(super) fn marker(&self) -> SessionMarker {
        SessionMarker::new(&self.fence.execution.to_string(), self.fence.attempt.into())
    }

    pub(super) fn status(&self) -> Arc<super::AttemptStatus> {
        self.live.status.clone()
    }
}
