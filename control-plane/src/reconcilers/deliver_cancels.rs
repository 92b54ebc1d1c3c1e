//! Every agent that is here knows which of its attempts a person wants to end. The courier tells it at once; this repeats
//! what got lost. An agent that hears of it twice does nothing more.

use dataguardian_core::execution::ExecutionState;
use serde::Serialize;

use super::{Pass, Reconcile};
use crate::domain::execution::ExecutionFilter;
use crate::domain::page::{MAX_PAGE_SIZE, PageRequest};
use crate::services::Error;
use crate::services::executions::Executions;
use crate::sessions::Sessions;

/// Repeats cancels.
#[derive(Debug, Clone)]
pub struct DeliverCancels {
    /// Knows what is to end.
    pub executions: Executions,
    /// The agents that are here.
    pub sessions: Sessions,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Cancels told to agents.
    pub told: usize,
    /// Cancels of agents that are not here or take no messages.
    pub waiting: usize,
}

impl Reconcile for DeliverCancels {
    const NAME: &'static str = "deliver_cancels";
    type Report = Delivered;

    async fn pass(&self) -> Result<Pass<Delivered>, Error> {
        let filter = ExecutionFilter {
            states: vec![ExecutionState::Cancelling],
            ..ExecutionFilter::default()
        };
        let page = PageRequest {
            size: MAX_PAGE_SIZE,
            after: None,
        };
        let mut report = Delivered::default();
        for execution in self.executions.list(&filter, &page).await?.items {
            let told = execution
                .fence()
                .zip(self.sessions.get(execution.agent))
                .is_some_and(|(fence, session)| session.cancel(fence, "cancelled").is_ok());
            if told {
                report.told += 1
            } else {
                report.waiting += 1
            }
        }
        Ok(Pass::Done(report))
    }
}
