//! An agent comes back: what it still knows is judged, what it has forgotten is ended. Its journal is the truth about what it
//! has begun; the database is the truth about whether that still counts.

use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::AgentId;

use super::Assignments;
use crate::domain::assignment::InFlight;
use crate::domain::execution::Execution;
use crate::domain::verdict::{FenceStanding, Forgotten, Verdict, VerdictKind, judge, judge_forgotten};
use crate::services::transition::{Judged, judge_in_tx};
use crate::services::{Error, lookup};
use crate::store::Tx;
use crate::store::agents::agent_lock_in_tx;
use crate::store::executions::{execution_lock_in_tx, execution_unfinished_of_agent};

impl Assignments {
    /// A verdict for each attempt that the agent names in its Hello, in their order; and what it should be at work on and does
    /// not name is ended. Call it once per session, before anything is offered in it.
    pub async fn verdicts(&self, agent: AgentId, in_flight: &[InFlight]) -> Result<Vec<Verdict>, Error> {
        let tx = self.context.store.begin().await?;
        let found = agent_lock_in_tx(&tx, agent).await?.ok_or(Error::StaleFence)?;
        lookup::active(found)?;
        let mut changed = Vec::new();
        let mut verdicts = Vec::with_capacity(in_flight.len());
        for named in in_flight {
            verdicts.push(self.verdict_in_tx(&tx, agent, named, &mut changed).await?);
        }
        let named = |execution: &Execution| {
            in_flight
                .iter()
                .any(|named| execution.fence() == Some(named.fence))
        };
        for execution in execution_unfinished_of_agent(&tx, agent).await? {
            if !named(&execution) {
                changed.extend(self.end_forgotten_in_tx(&tx, &execution).await?);
            }
        }
        tx.commit().await?;
        for execution in &changed {
            self.context.changed(execution);
        }
        Ok(verdicts)
    }

    async fn verdict_in_tx(
        &self,
        tx: &Tx,
        agent: AgentId,
        named: &InFlight,
        changed: &mut Vec<Execution>,
    ) -> Result<Verdict, Error> {
        let fence = named.fence;
        let kind = match judge_in_tx(tx, agent, fence).await {
            Err(Error::StaleFence) => VerdictKind::Abandon,
            Err(error) => return Err(error),
            Ok(Judged { execution, standing }) => {
                if standing == FenceStanding::Holds(ExecutionState::Leased) {
                    // The journal has it, only the acceptance was lost.
                    changed.push(self.context.begin_attempt_in_tx(tx, &execution, fence).await?);
                }
                judge(standing, named.running)
            }
        };
        Ok(Verdict { fence, kind })
    }

    async fn end_forgotten_in_tx(&self, tx: &Tx, seen: &Execution) -> Result<Option<Execution>, Error> {
        let context = &self.context;
        let Some(execution) = execution_lock_in_tx(tx, seen.id).await? else {
            return Ok(None);
        };
        let lost = || {
            Failure::new(
                FailureKind::AgentRestarted,
                "the agent came back and knows nothing of this attempt",
            )
        };
        let after = match judge_forgotten(execution.state) {
            Forgotten::Leave | Forgotten::FinishCommit => return Ok(None),
            Forgotten::TakeBack => context.take_back_offer_in_tx(tx, &execution).await?,
            Forgotten::FailAttempt => context.fail_attempt_in_tx(tx, &execution, lost()).await?,
            Forgotten::ConcludeCancel => context.conclude_cancel_in_tx(tx, &execution, |_| {}).await?,
        };
        Ok(Some(after))
    }
}
