//! What makes sure that nothing waits for ever: a reconciler's pass. Idempotent; one short transaction per execution, which
//! looks again before it acts.

use dataguardian_core::execution::{ExecutionEvent, ExecutionState};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::ExecutionId;

use super::Executions;
use crate::domain::execution::Execution;
use crate::domain::patience::{CANCEL, OFFER, stuck};
use crate::services::{Context, Error};
use crate::store::Tx;
use crate::store::executions::{execution_in_state, execution_lock_in_tx};

/// At most so many executions of a state in one pass.
const BATCH: u64 = 1000;

/// What a pass of [`Executions::expire`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Offers taken back.
    pub offers: usize,
    /// Executions queued again after a wait.
    pub retries: usize,
    /// Cancels concluded without the agent.
    pub cancels: usize,
    /// Attempts ended that overran.
    pub overruns: usize,
    /// Attempts ended in which nothing moved.
    pub stuck: usize,
}

/// What is overdue about an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overdue {
    Offer,
    Retry,
    Cancel,
    Overrun,
    Stuck,
}

impl Executions {
    /// Reconciler: takes back lapsed offers, queues what is due again, ends cancels that nobody acknowledges and attempts
    /// that overran by far.
    pub async fn expire(&self) -> Result<Expired, Error> {
        let mut done = Expired::default();
        let states = [
            ExecutionState::Leased,
            ExecutionState::RetryWait,
            ExecutionState::Cancelling,
            ExecutionState::Running,
        ];
        for state in states {
            for execution in execution_in_state(&self.context.store, state, BATCH).await? {
                let Some(overdue) = overdue(&self.context, &execution) else {
                    continue;
                };
                if self.settle(execution.id, overdue).await? {
                    *match overdue {
                        Overdue::Offer => &mut done.offers,
                        Overdue::Retry => &mut done.retries,
                        Overdue::Cancel => &mut done.cancels,
                        Overdue::Overrun => &mut done.overruns,
                        Overdue::Stuck => &mut done.stuck,
                    } += 1;
                }
            }
        }
        Ok(done)
    }

    /// Settles what was found overdue, if it still is.
    async fn settle(&self, id: ExecutionId, found: Overdue) -> Result<bool, Error> {
        let context = &self.context;
        let tx = context.store.begin().await?;
        let Some(mut execution) = execution_lock_in_tx(&tx, id).await? else {
            return Ok(false);
        };
        context.board.lay_over(&mut execution);
        if overdue(context, &execution) != Some(found) {
            return Ok(false);
        }
        let after = settle_in_tx(context, &tx, &execution, found).await?;
        tx.commit().await?;
        context.changed(&after);
        Ok(true)
    }
}

async fn settle_in_tx(
    context: &Context,
    tx: &Tx,
    execution: &Execution,
    overdue: Overdue,
) -> Result<Execution, Error> {
    match overdue {
        Overdue::Offer => context.take_back_offer_in_tx(tx, execution).await,
        Overdue::Retry => {
            context
                .apply_in_tx(tx, execution, ExecutionEvent::RetryDue, |after| {
                    after.not_before = None;
                })
                .await
        }
        Overdue::Cancel => context.conclude_cancel_in_tx(tx, execution, |_| {}).await,
        Overdue::Overrun => {
            let failure = Failure::new(
                FailureKind::TimedOut,
                "the attempt did not end within its time, and its agent does not say why",
            );
            context.fail_attempt_in_tx(tx, execution, failure).await
        }
        Overdue::Stuck => {
            let stage = execution.progress.as_ref().map_or("", |progress| &progress.stage);
            let minutes = execution.spec.no_progress_timeout().as_secs() / 60;
            let failure = Failure::new(
                FailureKind::NoProgress,
                format!(
                    "nothing moved for more than {minutes} min, and the agent did not end it; its stage: {stage:?}"
                ),
            );
            context.fail_attempt_in_tx(tx, execution, failure).await
        }
    }
}

fn overdue(context: &Context, execution: &Execution) -> Option<Overdue> {
    let times = context.times();
    match execution.state {
        ExecutionState::Leased => {
            let since = execution.lease.map(|lease| lease.since);
            since
                .is_none_or(|since| times.passed(since, OFFER))
                .then_some(Overdue::Offer)
        }
        ExecutionState::RetryWait => execution
            .not_before
            .is_none_or(|until| times.waited(until))
            .then_some(Overdue::Retry),
        ExecutionState::Cancelling => {
            let wished = execution.cancel_requested_at;
            let over = times.silence_counts() && wished.is_none_or(|wished| times.passed(wished, CANCEL));
            over.then_some(Overdue::Cancel)
        }
        ExecutionState::Running => {
            let since = execution.lease.map(|lease| lease.since)?;
            if !times.silence_counts() {
                return None;
            }
            if times.overran(since, execution.spec.max_duration()) {
                return Some(Overdue::Overrun);
            }
            let still_for = context.board.still_for(execution, context.clock.uptime())?;
            stuck(still_for, execution.spec.no_progress_timeout()).then_some(Overdue::Stuck)
        }
        ExecutionState::Queued
        | ExecutionState::Committing
        | ExecutionState::Completed
        | ExecutionState::Cancelled
        | ExecutionState::Failed
        | ExecutionState::Skipped => None,
    }
}
