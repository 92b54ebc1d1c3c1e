//! What waited for too long is ended or begun again: offers that nobody accepted, retries whose time has come, cancels that
//! nobody acknowledged, attempts that should long have ended themselves.

use serde::Serialize;

use super::{DispatchWake, Pass, Reconcile};
use crate::services::Error;
use crate::services::executions::Executions;

/// Ends what is overdue.
#[derive(Debug, Clone)]
pub struct ExpireLeases {
    /// Knows what is overdue.
    pub executions: Executions,
    /// Hands out what waits again.
    pub dispatch: DispatchWake,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
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

impl Reconcile for ExpireLeases {
    const NAME: &'static str = "expire_leases";
    type Report = Expired;

    async fn pass(&self) -> Result<Pass<Expired>, Error> {
        let expired = self.executions.expire().await?;
        if expired.offers + expired.retries > 0 {
            self.dispatch.wake();
        }
        Ok(Pass::Done(Expired {
            offers: expired.offers,
            retries: expired.retries,
            cancels: expired.cancels,
            overruns: expired.overruns,
            stuck: expired.stuck,
        }))
    }
}
