//! Brings an attempt's result to the control plane and, for a backup, the manifest into the storages.
//!
//! The order of a commit: the payload to the control plane, which checks the fence, keeps the payload and countersigns; the
//! signed manifest into the journal; the manifest into each storage; word of it to the control plane. After the
//! countersignature the commit is finished by whoever can: this process, or the next one from its journal.

use dataguardian_core::execution::Fence;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_failpoints::failpoint;
use dataguardian_proto::agent::v1::{self, complete_attempt_request::Outcome as WireOutcome};
use dataguardian_proto::v1::Progress;
use tokio_util::sync::CancellationToken;

use super::Host;
use super::manifest::{self, Look};
use super::prepared::PreparedBackup;
use super::status::{StopReason, StopSignal};
use crate::control_plane::CallError;
use crate::journal::{AttemptStage, CommitInProgress, Journal, JournalEntry};

/// Delivers one attempt's result.
pub(super) struct Delivery<'a> {
    pub(super) host: &'a Host,
    pub(super) journal: &'a Journal,
    pub(super) fence: Fence,
    /// Fires when the journal may keep what is not delivered.
    pub(super) give_up: CancellationToken,
    /// Fires when the attempt is not wanted any more.
    pub(super) stop: StopSignal,
    /// How far the attempt came, unless an earlier process did the work.
    pub(super) progress: Option<Progress>,
}

impl Delivery<'_> {
    /// Writes the result down and reports it until it is taken or refused for good.
    pub(super) async fn deliver(&self, stage: AttemptStage, outcome: WireOutcome) {
        self.note(stage);
        match self.complete(outcome).await {
            Ok(_) => self.forget(),
            Err(error) => self.not_taken(&error),
        }
    }

    /// Commits a backup.
    pub(super) async fn commit(&self, prepared: PreparedBackup) {
        failpoint!(CompleteBeforeSend);
        let wire = WireOutcome::Backup(prepared.outcome());
        let answer = match self.complete(wire).await {
            Ok(answer) => answer,
            // The wish to cancel was quicker than the backup.
            Err(CallError::Refused(refusal)) if refusal.reason == "EXECUTION_CANCELLING" => {
                let wire = WireOutcome::Cancelled(v1::Cancelled {});
                return self.deliver(AttemptStage::Cancelled, wire).await;
            }
            Err(CallError::Refused(refusal)) if refusal.reason != "STALE_FENCE" => {
                let message = format!("the control plane refuses the backup: {refusal}");
                return self.fail(Failure::new(FailureKind::Internal, message)).await;
            }
            Err(error) => return self.not_taken(&error),
        };
        failpoint!(CompleteAnswered);
        match prepared.countersigned(&answer) {
            Ok(commit) => {
                self.note(AttemptStage::Committing(commit.clone()));
                self.finish_commit(commit, Look::JustTaken).await;
            }
            Err(failure) => self.fail(failure).await,
        }
    }

    async fn fail(&self, failure: Failure) {
        let wire = WireOutcome::Failure((&failure).into());
        self.deliver(AttemptStage::Failed(failure), wire).await;
    }

    /// Finishes the commit of an earlier process, if it is still wanted. A commit that was given up in the meantime must
    /// not leave a manifest.
    pub(super) async fn resume_commit(&self, commit: CommitInProgress) {
        let wanted = manifest::fetch(self.host, self.fence, &self.give_up);
        match self.unless_abandoned(wanted).await {
            Ok(_) => self.finish_commit(commit, Look::Anew).await,
            Err(error) => self.not_taken(&error),
        }
    }

    /// Puts the manifest where it belongs and says so. Safe to do again. What a storage refused is the control plane's to
    /// come back to.
    async fn finish_commit(&self, commit: CommitInProgress, look: Look) {
        let places: Vec<_> = commit.repositories.into_iter().map(Into::into).collect();
        let put = manifest::put(self.host, &places, commit.manifest.into(), look).await;
        failpoint!(ConfirmBeforeSend);
        let fell_out = commit
            .failed
            .iter()
            .map(|(storage_id, failure)| v1::StorageFailure {
                storage_id: storage_id.clone(),
                failure: Some(failure.into()),
            });
        let request = v1::ConfirmCommitRequest {
            fence: Some(self.fence.into()),
            storage_ids: put.storage_ids,
            failed_storages: put.failed_storages.into_iter().chain(fell_out).collect(),
        };
        let confirmed = self.host.control_plane.call(&self.give_up, |mut client| {
            let request = request.clone();
            async move { client.confirm_commit(request).await }
        });
        let confirmed = self.unless_abandoned(confirmed).await;
        failpoint!(ConfirmAnswered);
        match confirmed {
            Ok(_) => self.forget(),
            Err(error) => self.not_taken(&error),
        }
    }

    async fn complete(&self, outcome: WireOutcome) -> Result<v1::CompleteAttemptResponse, CallError> {
        let request = v1::CompleteAttemptRequest {
            fence: Some(self.fence.into()),
            outcome: Some(outcome),
            progress: self.progress.clone(),
        };
        let call = self.host.control_plane.call(&self.give_up, |mut client| {
            let request = request.clone();
            async move { client.complete_attempt(request).await }
        });
        self.unless_abandoned(call).await
    }

    async fn unless_abandoned<T>(
        &self,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        tokio::select! {
            answer = call => answer,
            () = self.stop.abandoned() => Err(CallError::GivenUp),
        }
    }

    /// A refusal is final: the attempt is not ours, or its result has been taken already. Otherwise the journal keeps it.
    fn not_taken(&self, error: &CallError) {
        match error {
            CallError::Refused(refusal) => {
                tracing::warn!(
                    reason = refusal.reason,
                    message = refusal.message,
                    "the result was refused"
                );
                self.forget();
            }
            CallError::GivenUp if self.stop.reason() == Some(StopReason::Abandoned) => self.forget(),
            CallError::GivenUp => tracing::warn!("the result could not be delivered; the journal keeps it"),
        }
    }

    fn note(&self, stage: AttemptStage) {
        let entry = JournalEntry {
            fence: self.fence,
            stage,
            process_groups: Vec::new(),
        };
        if let Err(error) = self.journal.write(&entry) {
            tracing::error!(%error, "the journal could not be written; the result is reported all the same");
        }
    }

    pub(super) fn forget(&self) {
        if let Err(error) = self.journal.forget(&self.fence) {
            tracing::error!(%error, "an entry of the journal could not be removed");
        }
    }
}
