//! Work on its way to agents.

use super::{Context, Error};
use crate::domain::assignment::{Accepted, Assignment, FreeSlots, InFlight};
use crate::domain::verdict::Verdict;
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::AgentId;

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

    /// Leases the next execution for an agent that has a session here; none if nothing may begin now. Offer what this gives.
    pub async fn claim(&self, agent: AgentId, free: FreeSlots) -> Result<Option<Assignment>, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// The agent's journal has it: the attempt begins. Accepting again changes nothing.
    pub async fn accept(&self, agent: AgentId, fence: Fence) -> Result<Accepted, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// The agent does not want it now: back to the queue, and no attempt is used.
    pub async fn decline(&self, agent: AgentId, fence: Fence, reason: &str) -> Result<(), Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// An agent comes back: a verdict for each attempt that it names, and what it has forgotten is ended.
    pub async fn verdicts(&self, agent: AgentId, in_flight: &[InFlight]) -> Result<Vec<Verdict>, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
