//! Questions to agents, whichever replica has their sessions.

use std::time::Duration;

use dataguardian_core::ids::AgentId;

use crate::domain::addressee::Addressee;
use crate::services::relay::{Relay, Relayed};
use crate::services::sessions::Sessions as Catalogue;
use crate::services::{Error, Services};
use crate::sessions::{Answer, AskError, Question, SessionHandle, Sessions};

/// Asks agents. Clones share everything.
#[derive(Debug, Clone)]
pub struct Asking {
    sessions: Sessions,
    catalogue: Catalogue,
    relay: Relay,
}

impl Asking {
    /// Over the sessions that are here, and those that others have.
    pub fn new(sessions: Sessions, services: &Services) -> Self {
        Self {
            sessions,
            catalogue: services.sessions.clone(),
            relay: services.relay.clone(),
        }
    }

    /// Whether any replica has a session of the agent.
    pub async fn is_connected(&self, agent: AgentId) -> Result<bool, Error> {
        Ok(self.sessions.is_connected(agent) || self.is_elsewhere(agent).await?)
    }

    /// The agents that any replica has a session of; those that are here come first.
    pub async fn connected(&self) -> Result<Vec<AgentId>, Error> {
        let mut agents: Vec<_> = self.sessions.all().iter().map(SessionHandle::agent).collect();
        agents.sort();
        if self.relay.has_others() {
            let mut others = self.catalogue.elsewhere().await?;
            others.retain(|agent| !agents.contains(agent));
            others.sort();
            agents.extend(others);
        }
        Ok(agents)
    }

    /// Puts a question here, or has the replica put it that has the agent's session. The outer error is the metadata database's.
    pub async fn ask(
        &self,
        agent: AgentId,
        question: Question,
        patience: Duration,
    ) -> Result<Result<Answer, AskError>, Error> {
        if self.sessions.is_connected(agent) || !self.is_elsewhere(agent).await? {
            return Ok(self.sessions.ask(agent, question, patience).await);
        }
        let Some(bytes) = question.to_bytes() else {
            return Ok(Err(AskError::Elsewhere));
        };
        Ok(
            match self.relay.ask(Addressee::Agent(agent), &bytes, patience).await? {
                Relayed::Answer(bytes) => Answer::from_bytes(bytes.expose()),
                Relayed::NotConnected => Err(AskError::NotConnected),
                Relayed::Busy => Err(AskError::Busy),
                Relayed::NoAnswer => Err(AskError::NoAnswer(patience)),
            },
        )
    }

    async fn is_elsewhere(&self, agent: AgentId) -> Result<bool, Error> {
        Ok(self.relay.has_others() && self.catalogue.is_agent_elsewhere(agent).await?)
    }
}
