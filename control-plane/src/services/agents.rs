//! Agents, as administrators see them.

use super::{Context, Error};
use crate::domain::agent::{Agent, JoinToken};
use crate::domain::page::{Page, PageRequest};
use crate::domain::reference::Reference;
use dataguardian_core::ids::AgentId;

/// Agents, as administrators see them.
#[derive(Debug, Clone)]
pub struct Agents {
    context: Context,
}

impl Agents {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Makes a token with which one agent can enroll once. `name` is empty for the host's own name; `ttl` none for an hour.
    pub async fn create_join_token(
        &self,
        name: &str,
        ttl: Option<std::time::Duration>,
    ) -> Result<JoinToken, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// One agent.
    pub async fn get(&self, agent: &Reference<AgentId>) -> Result<Agent, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Agents in order of their names.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<Agent>, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Ends an agent's identity for good, and what it is at work on.
    pub async fn revoke(&self, agent: &Reference<AgentId>) -> Result<Agent, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
