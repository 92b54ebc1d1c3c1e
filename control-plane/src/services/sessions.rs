//! Agents' sessions, as the catalogue keeps them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::AgentId;

use super::{Context, Error, Noun};
use crate::domain::agent::AgentFacts;
use crate::store::agents::{agent_heard_in_tx, agent_session_open_in_tx, agent_slots_in_tx};

/// When an agent was heard of, and how far its clock was ahead.
type Heard = (DateTime<Utc>, Option<TimeDelta>);

/// Agents' sessions, as the catalogue keeps them.
#[derive(Debug, Clone)]
pub struct Sessions {
    context: Context,
    heard: Arc<Mutex<HashMap<AgentId, Heard>>>,
}

impl Sessions {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self {
            context,
            heard: Arc::default(),
        }
    }

    /// A session begins: the next epoch. `clock_skew` is how far the agent's clock is ahead,
    /// `slots` how many attempts it takes on at all. A revoked agent is not found.
    pub async fn open(
        &self,
        agent: AgentId,
        facts: AgentFacts,
        clock_skew: Option<TimeDelta>,
        slots: Option<u32>,
    ) -> Result<u64, Error> {
        let tx = self.context.store.begin().await?;
        let now = self.context.now();
        let epoch = agent_session_open_in_tx(&tx, agent, &facts.kept(), clock_skew, now).await?;
        agent_slots_in_tx(&tx, agent, slots).await?;
        tx.commit().await?;
        epoch.ok_or_else(|| Error::not_found(Noun::Agent, agent))
    }

    /// A heartbeat, or anything else: kept in memory until [`Self::save_heard`].
    pub fn heard(&self, agent: AgentId, clock_skew: Option<TimeDelta>) {
        let now = self.context.now();
        let mut map = self.map();
        let skew = clock_skew.or_else(|| map.get(&agent).and_then(|(_, skew)| *skew));
        map.insert(agent, (now, skew));
    }

    /// Writes down who was heard of since the last call, in one transaction. Gives their number.
    pub async fn save_heard(&self) -> Result<usize, Error> {
        let mut heard: Vec<_> = self.map().clone().into_iter().collect();
        if heard.is_empty() {
            return Ok(0);
        }
        // In one order on all replicas, so that none waits for another in a circle.
        heard.sort_by_key(|(agent, _)| *agent);
        let tx = self.context.store.begin().await?;
        for (agent, (at, skew)) in &heard {
            agent_heard_in_tx(&tx, *agent, *at, *skew).await?;
        }
        tx.commit().await?;
        let mut map = self.map();
        for (agent, saved) in &heard {
            if map.get(agent) == Some(saved) {
                map.remove(agent);
            }
        }
        Ok(heard.len())
    }

    fn map(&self) -> MutexGuard<'_, HashMap<AgentId, Heard>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
