//! Work on its way to agents: claimed, offered, accepted, and judged anew when an agent comes back.

mod build;
mod comeback;
pub(super) mod reuse;

use dataguardian_core::execution::{ExecutionEvent, ExecutionState, Fence};
use dataguardian_core::ids::{AgentId, BackupId, LeaseToken};

use super::executions::outlook::{candidate, room};
use super::transition::{Judged, judge_in_tx};
use super::{Context, Error, lookup};
use crate::domain::agent::AgentState;
use crate::domain::assignment::{Accepted, Assignment, FreeSlots};
use crate::domain::eligibility;
use crate::domain::execution::{Execution, ExecutionSpec, Lease};
use crate::domain::verdict::FenceStanding;
use crate::domain::worker::Worker;
use crate::store::Tx;
use crate::store::agents::agent_lock_in_tx;
use crate::store::executions::{execution_lock_in_tx, execution_queued_of_agent};
use crate::store::installation::claim_lock_in_tx;

use build::build;
pub(super) use build::gone;

/// Work on its way to agents.
#[derive(Debug, Clone)]
pub struct Assignments {
    context: Context,
}

impl Assignments {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Leases a worker's next execution for an agent that has a session here; none if nothing may begin now. Offer what this gives.
    ///
    /// What can't be done at all any more, because what it needs is gone, fails on the way.
    pub async fn claim(
        &self,
        worker: Worker,
        agent: AgentId,
        free: FreeSlots,
    ) -> Result<Option<Assignment>, Error> {
        if !self.context.queue.is_online() {
            return Ok(None);
        }
        // Most agents have nothing to do most of the time: they must not queue up for the lock.
        let queued = execution_queued_of_agent(&self.context.store, agent).await?;
        if !queued
            .iter()
            .any(|execution| Worker::of(execution.kind()) == worker)
        {
            return Ok(None);
        }
        let tx = self.context.store.begin().await?;
        claim_lock_in_tx(&tx).await?;
        // Held, so that of two claims for one agent the second sees what the first has leased.
        let Some(found) = agent_lock_in_tx(&tx, agent).await? else {
            return Err(Error::StaleFence);
        };
        if lookup::active(found)?.state == AgentState::Locked {
            return Ok(None);
        }
        let mut changed = Vec::new();
        let claimed = self.claim_in_tx(&tx, worker, agent, free, &mut changed).await?;
        tx.commit().await?;
        for execution in &changed {
            self.context.changed(execution);
        }
        Ok(claimed)
    }

    async fn claim_in_tx(
        &self,
        tx: &Tx,
        worker: Worker,
        agent: AgentId,
        free: FreeSlots,
        changed: &mut Vec<Execution>,
    ) -> Result<Option<Assignment>, Error> {
        loop {
            let queued = execution_queued_of_agent(tx, agent).await?;
            let (room, _) = room(&self.context, tx, &queued).await?;
            let waiting: Vec<_> = queued.iter().map(candidate).collect();
            let next = eligibility::next(worker, &waiting, &room, free, self.context.now());
            let Some(id) = next else { return Ok(None) };
            let execution = execution_lock_in_tx(tx, id).await?.ok_or(Error::StaleFence)?;
            if execution.state != ExecutionState::Queued {
                // Cancelled between the two reads.
                continue;
            }
            let leased = self.lease_in_tx(tx, &execution).await?;
            match build(&self.context, tx, &leased).await? {
                Ok(assignment) => {
                    changed.push(leased);
                    return Ok(Some(assignment));
                }
                Err(failure) => {
                    let queued = self.context.take_back_offer_in_tx(tx, &leased).await?;
                    let fails = |after: &mut Execution| after.failure = Some(failure);
                    let failed = self
                        .context
                        .apply_in_tx(tx, &queued, ExecutionEvent::Failed, fails)
                        .await?;
                    changed.push(failed);
                }
            }
        }
    }

    async fn lease_in_tx(&self, tx: &Tx, execution: &Execution) -> Result<Execution, Error> {
        let lease = Lease {
            token: LeaseToken::new(),
            attempt: execution.attempt.saturating_add(1),
            since: self.context.now(),
        };
        // A new id for each lease: what an earlier one has left behind can't be taken for this backup's.
        let (backup, reuse) = match &execution.spec {
            ExecutionSpec::Backup(spec) => {
                let reuse = reuse::plan_in_tx(&self.context, tx, execution.datasource, spec).await?;
                (Some(BackupId::new()), reuse)
            }
            ExecutionSpec::Restore(_) | ExecutionSpec::Verify(_) => (None, None),
        };
        self.context
            .apply_in_tx(tx, execution, ExecutionEvent::Offered, |after| {
                after.lease = Some(lease);
                after.leased_backup = backup;
                after.reuse = reuse;
            })
            .await
    }

    /// The agent's journal has it: the attempt begins. Accepting again changes nothing.
    pub async fn accept(&self, agent: AgentId, fence: Fence) -> Result<Accepted, Error> {
        let tx = self.context.store.begin().await?;
        let Judged { execution, standing } = judge_in_tx(&tx, agent, fence).await?;
        match standing {
            FenceStanding::Holds(ExecutionState::Leased) => {
                let after = self.context.begin_attempt_in_tx(&tx, &execution, fence).await?;
                tx.commit().await?;
                self.context.changed(&after);
                Ok(Accepted::Running)
            }
            FenceStanding::Holds(ExecutionState::Running | ExecutionState::Committing) => {
                Ok(Accepted::Running)
            }
            FenceStanding::Holds(ExecutionState::Cancelling) => Ok(Accepted::Cancelling),
            FenceStanding::Holds(_) | FenceStanding::Ended | FenceStanding::Foreign => Err(Error::StaleFence),
        }
    }

    /// The agent does not want it now: back to the queue, and no attempt is used. Declining again changes nothing.
    pub async fn decline(&self, agent: AgentId, fence: Fence, reason: &str) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        let Judged { execution, standing } = judge_in_tx(&tx, agent, fence).await?;
        let begun = execution.attempt >= fence.attempt;
        let after = match standing {
            FenceStanding::Holds(ExecutionState::Leased) => {
                self.context.take_back_offer_in_tx(&tx, &execution).await?
            }
            FenceStanding::Holds(ExecutionState::Cancelling) if !begun => {
                self.context
                    .conclude_cancel_in_tx(&tx, &execution, |_| {})
                    .await?
            }
            FenceStanding::Holds(_) | FenceStanding::Ended | FenceStanding::Foreign => return Ok(()),
        };
        tx.commit().await?;
        tracing::info!(
            execution.id = %execution.id,
            agent.id = %agent,
            reason = crate::domain::text::kept(reason, crate::domain::text::MAX_TEXT),
            "the agent declined"
        );
        self.context.changed(&after);
        Ok(())
    }
}
