//! Agents' sessions, as the catalogue keeps them.

use super::{Context, Error};
use crate::domain::agent::AgentFacts;
use chrono::TimeDelta;
use dataguardian_core::ids::AgentId;

/// Agents' sessions, as the catalogue keeps them.
#[derive(Debug, Clone)]
pub struct Sessions {
    context: Context,
}

impl Sessions {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// A session begins: the next epoch. `clock_skew` is how far the agent's clock is ahead.
    pub async fn open(
        &self,
        agent: AgentId,
        facts: AgentFacts,
        clock_skew: Option<TimeDelta>,
    ) -> Result<u64, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Writes down who was heard of since the last call. Gives their number.
    pub async fn save_heard(&self) -> Result<usize, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}

impl Sessions {
    /// A heartbeat, or anything else: kept in memory until [`Self::save_heard`].
    pub fn heard(&self, agent: AgentId, clock_skew: Option<TimeDelta>) {
        let _ = (agent, clock_skew);
    }
}
