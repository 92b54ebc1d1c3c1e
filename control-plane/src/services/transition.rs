//! Changing executions: the fence is checked, the state machine is asked, one conditional UPDATE saves it.

use dataguardian_core::execution::{ExecutionEvent, ExecutionState, Fence};
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::AgentId;

use super::{Context, Error};
use crate::domain::execution::Execution;
use crate::domain::retry::after_failure;
use crate::domain::verdict::FenceStanding;
use crate::queue::Signal;
use crate::store::Tx;
use crate::store::attempts::{attempt_end_in_tx, attempt_get, attempt_insert_in_tx};
use crate::store::executions::execution_lock_in_tx;
use crate::store::transitions::execution_transition_in_tx;

/// An execution, held until the transaction ends, and how an agent's fence stands to it.
pub(super) struct Judged {
    pub(super) execution: Execution,
    pub(super) standing: FenceStanding,
}

/// Loads and holds the execution that an agent's fence names. An execution that is not there, or is another agent's, is a
/// stale fence like any other: the agent learns nothing about it.
pub(super) async fn judge_in_tx(tx: &Tx, agent: AgentId, fence: Fence) -> Result<Judged, Error> {
    let execution = execution_lock_in_tx(tx, fence.execution).await?;
    let Some(execution) = execution.filter(|execution| execution.agent == agent) else {
        return Err(Error::StaleFence);
    };
    let standing = if execution.fence() == Some(fence) {
        FenceStanding::Holds(execution.state)
    } else if attempt_get(tx, fence).await?.is_some() {
        FenceStanding::Ended
    } else {
        FenceStanding::Foreign
    };
    Ok(Judged { execution, standing })
}

impl Context {
    /// Takes an execution through an event; `change` sets what else changes.
    pub(super) async fn apply_in_tx(
        &self,
        tx: &Tx,
        before: &Execution,
        event: ExecutionEvent,
        change: impl FnOnce(&mut Execution) + Send,
    ) -> Result<Execution, Error> {
        let now = self.now();
        let state = before
            .state
            .apply(event)
            .map_err(|illegal| Error::precondition("ILLEGAL_STATE", illegal.to_string()))?;
        let mut after = before.clone();
        after.state = state;
        self.board.lay_over(&mut after);
        if state.is_terminal() {
            after.ended_at = Some(now);
        }
        if state == ExecutionState::Queued {
            after.lease = None;
            after.leased_backup = None;
            after.reuse = None;
        }
        change(&mut after);
        let saved = execution_transition_in_tx(tx, before, event, &after, now).await?;
        saved.ok_or(Error::StaleFence)
    }

    /// The attempt begins.
    pub(super) async fn begin_attempt_in_tx(
        &self,
        tx: &Tx,
        execution: &Execution,
        fence: Fence,
    ) -> Result<Execution, Error> {
        let now = self.now();
        let after = self
            .apply_in_tx(tx, execution, ExecutionEvent::Accepted, |after| {
                after.attempt = fence.attempt;
                after.started_at.get_or_insert(now);
                after.not_before = None;
                after.failure = None;
                after.progress = None;
                after.progressed_at = None;
            })
            .await?;
        attempt_insert_in_tx(tx, fence, now).await?;
        Ok(after)
    }

    /// A report of an attempt says as much as its acceptance, which may have been lost: if the execution is still leased to
    /// that fence, the attempt begins. Gives the execution if it did.
    pub(super) async fn begin_if_leased_in_tx(
        &self,
        tx: &Tx,
        agent: AgentId,
        fence: Fence,
    ) -> Result<Option<Execution>, Error> {
        let Judged { execution, standing } = judge_in_tx(tx, agent, fence).await?;
        if standing != FenceStanding::Holds(ExecutionState::Leased) {
            return Ok(None);
        }
        self.begin_attempt_in_tx(tx, &execution, fence).await.map(Some)
    }

    /// The attempt failed: another one follows, or the end.
    pub(super) async fn fail_attempt_in_tx(
        &self,
        tx: &Tx,
        execution: &Execution,
        failure: Failure,
    ) -> Result<Execution, Error> {
        let now = self.now();
        let follows = after_failure(
            failure.kind,
            execution.attempt,
            execution.spec.max_attempts(),
            now,
            &mut rand::rng(),
        );
        self.end_attempt_in_tx(tx, execution, Some(&failure)).await?;
        self.apply_in_tx(tx, execution, follows.event(), |after| {
            after.not_before = follows.not_before();
            after.failure = Some(failure);
        })
        .await
    }

    /// The wish to end it is fulfilled.
    pub(super) async fn conclude_cancel_in_tx(
        &self,
        tx: &Tx,
        execution: &Execution,
        change: impl FnOnce(&mut Execution) + Send,
    ) -> Result<Execution, Error> {
        self.end_attempt_in_tx(tx, execution, None).await?;
        self.apply_in_tx(tx, execution, ExecutionEvent::CancelConcluded, change)
            .await
    }

    /// The offer is taken back; no attempt is used. It is not offered again for a moment.
    pub(super) async fn take_back_offer_in_tx(
        &self,
        tx: &Tx,
        execution: &Execution,
    ) -> Result<Execution, Error> {
        let pause = self.now() + crate::domain::patience::AFTER_DECLINE;
        self.apply_in_tx(tx, execution, ExecutionEvent::OfferLapsed, |after| {
            after.not_before = Some(pause);
        })
        .await
    }

    /// The manifest can be put nowhere: the backup never was.
    pub(super) async fn fail_commit_in_tx(
        &self,
        tx: &Tx,
        execution: &Execution,
        failure: Failure,
    ) -> Result<Execution, Error> {
        self.end_attempt_in_tx(tx, execution, Some(&failure)).await?;
        if let Some(backup) = execution.leased_backup {
            crate::store::commits::commit_forget_in_tx(tx, backup).await?;
        }
        self.apply_in_tx(tx, execution, ExecutionEvent::CommitFailed, |after| {
            after.failure = Some(failure);
        })
        .await
    }

    /// The attempt that holds the execution ends, if it has begun.
    pub(super) async fn end_attempt_in_tx(
        &self,
        tx: &Tx,
        execution: &Execution,
        failure: Option<&Failure>,
    ) -> Result<(), Error> {
        if let Some(fence) = execution.fence() {
            attempt_end_in_tx(tx, fence, failure, self.now()).await?;
        }
        Ok(())
    }

    /// Tells all who wait for it that an execution has changed; only after the transaction is committed, and once for each
    /// change.
    pub(super) fn changed(&self, execution: &Execution) {
        self.signal(Signal::ExecutionChanged(execution.id));
        if !execution.state.occupies_agent() {
            self.board.forget(execution.id);
            // The slot of what has ended, for good or until another attempt, or was taken back, is free.
            self.slots_freed(execution.agent);
        }
        if execution.state.is_terminal() {
            self.tally.count(execution);
        }
    }
}
