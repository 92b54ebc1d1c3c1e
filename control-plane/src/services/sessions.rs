//! Agents' sessions, as the catalogue keeps them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{AgentId, ReplicaId};

use super::alerts::raise_in_tx;
use super::{Context, Error, Noun};
use crate::domain::agent::{Agent, AlertKind, BootVerdict, IdentityAlert, Opening};
use crate::domain::reference::Reference;
use crate::domain::text;
use crate::store::agent_sessions::{
    agent_boots, agent_boots_in_tx, agent_heard_in_tx, agent_session_close_in_tx, agent_session_open_in_tx,
    agent_slots_in_tx, agents_elsewhere,
};
use crate::store::agents::{agent_get, agent_lock_in_tx};

/// When an agent was heard of, and how far its clock was ahead.
type Heard = (DateTime<Utc>, Option<TimeDelta>);

/// When a process that was turned away may come back.
const TURNED_AWAY: Duration = Duration::from_secs(60);

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

    /// A session begins: the next epoch. A revoked agent is not found. Of two processes that take turns with one identity the
    /// one that comes back is turned away while the other is there, and the alert is raised.
    pub async fn open(&self, agent: AgentId, opening: Opening) -> Result<u64, Error> {
        let now = self.context.now();
        let tx = self.context.store.begin().await?;
        let found = agent_lock_in_tx(&tx, agent).await?;
        let found = found.ok_or_else(|| Error::not_found(Noun::Agent, agent))?;
        let boot_id = text::kept(&opening.boot_id, text::MAX_TEXT);
        let (boots, verdict) = agent_boots(&tx, agent).await?.judge(&boot_id);
        if verdict == BootVerdict::Shared {
            let alert = IdentityAlert {
                kind: AlertKind::IdentityShared,
                at: now,
                from: text::kept(&opening.facts.hostname, text::MAX_TEXT),
            };
            let raised = raise_in_tx(&tx, &found, alert, now).await?;
            if self
                .last_heard(&found)
                .is_some_and(|heard| now - heard < opening.alive_within)
            {
                if raised {
                    tx.commit().await?;
                }
                return Err(shared(&found));
            }
        }
        agent_boots_in_tx(&tx, agent, &boots).await?;
        let facts = opening.facts.kept();
        let with = (agent, self.context.replica);
        let epoch = agent_session_open_in_tx(&tx, with, &facts, opening.clock_skew, now).await?;
        agent_slots_in_tx(&tx, agent, opening.slots).await?;
        tx.commit().await?;
        epoch.ok_or_else(|| Error::not_found(Noun::Agent, agent))
    }

    /// A session ended.
    pub async fn close(&self, agent: AgentId, epoch: u64) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        agent_session_close_in_tx(&tx, agent, epoch).await?;
        Ok(tx.commit().await?)
    }

    /// Whether another replica has a session of that agent. One that was killed tells nobody: its agents count as connected until
    /// they have been silent for too long, or have come to another replica.
    pub fn is_elsewhere(&self, agent: &Agent) -> bool {
        let heard_lately = || {
            let silent_for = agent.last_seen_at.map(|seen| self.context.now() - seen);
            silent_for.is_some_and(|time| time <= self.context.agent_away_after)
        };
        let with_another = |replica: ReplicaId| replica != self.context.replica;
        agent.session_replica.is_some_and(with_another) && heard_lately()
    }

    /// All agents of which [`Self::is_elsewhere`] holds.
    pub async fn elsewhere(&self) -> Result<Vec<AgentId>, Error> {
        let since = self.context.now() - self.context.agent_away_after;
        Ok(agents_elsewhere(&self.context.store, self.context.replica, since).await?)
    }

    /// The same, of an agent that may be gone meanwhile.
    pub async fn is_agent_elsewhere(&self, agent: AgentId) -> Result<bool, Error> {
        let found = agent_get(&self.context.store, &Reference::Id(agent)).await?;
        Ok(found.is_some_and(|agent| self.is_elsewhere(&agent)))
    }

    fn last_heard(&self, agent: &Agent) -> Option<DateTime<Utc>> {
        let here = self.map().get(&agent.id).map(|(at, _)| *at);
        here.max(agent.last_seen_at)
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

fn shared(agent: &Agent) -> Error {
    let name = &agent.name;
    Error::ComeBackLater {
        reason: "IDENTITY_SHARED",
        message: format!(
            "another agent runs on a copy of this state directory and is connected as {name}: stop one of the two and remove its state directory, then `dgctl agent clear-alert {name}`"
        ),
        after: TURNED_AWAY,
    }
}
