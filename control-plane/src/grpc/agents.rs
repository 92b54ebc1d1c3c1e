//! The public AgentService: agents as administrators see them.

use std::time::Duration;

use dataguardian_core::ids::AgentId;
use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;
use dataguardian_proto::v1::agent_service_server::AgentService;
use tonic::{Request, Response, Status};

use super::call::{Dialled, concerns, mandate};
use super::error::bad_request;
use super::{Shared, decode, encode};
use crate::domain::agent::Agent;
use crate::domain::field::{BadField, Checks};
use crate::domain::page::PageRequest;
use crate::domain::reference::{Reference, new_name};
use crate::sessions::EndReason;

pub(super) struct Handler(pub(super) Shared);

impl Handler {
    fn shown(&self, agent: Agent) -> v1::Agent {
        let here = self.0.sessions.is_connected(agent.id);
        let connected = here || self.0.services.sessions.is_elsewhere(&agent);
        encode::agent(agent, connected, self.0.clock.now())
    }

    /// The agent that a request names, if its caller may do that to it.
    async fn named<T: Sync>(&self, request: &Request<T>, text: &str) -> Result<Reference<AgentId>, Status> {
        let mandate = mandate(request)?;
        Ok(self.0.services.reach.agent(&mandate, reference(text)?).await?)
    }

    /// A line to paste on the host. The token is not in it: a command line can be read by everybody there.
    fn command(&self, word: &str, dialled: Option<&Dialled>) -> String {
        let server = dialled.map_or(self.0.facts.api_address.as_str(), |dialled| dialled.0.as_str());
        let pin = self.0.pin();
        format!("dataguardian-agent {word} --server https://{server} --ca-pin {pin} --token-file -")
    }
}

#[tonic::async_trait]
impl AgentService for Handler {
    async fn create_join_token(
        &self,
        request: Request<v1::CreateJoinTokenRequest>,
    ) -> Result<Response<v1::CreateJoinTokenResponse>, Status> {
        let named = request.get_ref();
        let concerned = if named.for_agent.is_empty() {
            &named.name
        } else {
            &named.for_agent
        };
        concerns(&request, concerned);
        let dialled = request.extensions().get::<Dialled>().cloned();
        let request = request.into_inner();
        let mut checks = Checks::new();
        let rebuilt = (!request.for_agent.is_empty())
            .then(|| checks.take(Reference::parse("for_agent", &request.for_agent)))
            .flatten();
        if !request.name.is_empty() {
            checks.take(new_name("name", &request.name));
            let alone = request.for_agent.is_empty();
            checks.require(
                alone,
                "name",
                "can't be given together with for_agent: that agent keeps its name",
            );
        }
        let ttl = request
            .ttl
            .as_ref()
            .map(|ttl| decode::length("ttl", Some(ttl), Duration::ZERO));
        let ttl = ttl.and_then(|ttl| checks.take(ttl));
        checks.finish().map_err(bad_request)?;
        let agents = &self.0.services.agents;
        let token = match rebuilt {
            Some(agent) => agents.create_rebuild_token(&agent, ttl).await?,
            None => agents.create_join_token(&request.name, ttl).await?,
        };
        Ok(Response::new(v1::CreateJoinTokenResponse {
            token: token.token.expose().to_owned(),
            expires_at: Some(timestamp(token.expires_at)),
            ca_pin: self.0.pin().to_string(),
            enroll_command: self.command("enroll", dialled.as_ref()),
            install_command: self.command("install", dialled.as_ref()),
        }))
    }

    async fn get_agent(
        &self,
        request: Request<v1::GetAgentRequest>,
    ) -> Result<Response<v1::GetAgentResponse>, Status> {
        let agent = self.named(&request, &request.get_ref().agent).await?;
        let agent = self.0.services.agents.get(&agent).await?;
        Ok(Response::new(v1::GetAgentResponse {
            agent: Some(self.shown(agent)),
        }))
    }

    async fn list_agents(
        &self,
        request: Request<v1::ListAgentsRequest>,
    ) -> Result<Response<v1::ListAgentsResponse>, Status> {
        let within = mandate(&request)?.within();
        let request = request.into_inner();
        let page = PageRequest::parse(request.page_size, &request.page_token)?;
        let page = self.0.services.agents.list_within(&within, &page).await?;
        Ok(Response::new(v1::ListAgentsResponse {
            agents: page.items.into_iter().map(|agent| self.shown(agent)).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn revoke_agent(
        &self,
        request: Request<v1::RevokeAgentRequest>,
    ) -> Result<Response<v1::RevokeAgentResponse>, Status> {
        concerns(&request, &request.get_ref().agent);
        let agent = self.named(&request, &request.get_ref().agent).await?;
        let agent = self.0.services.agents.revoke(&agent).await?;
        self.0.sessions.end(agent.id, EndReason::Revoked);
        Ok(Response::new(v1::RevokeAgentResponse {
            agent: Some(self.shown(agent)),
        }))
    }

    async fn lock_agent(
        &self,
        request: Request<v1::LockAgentRequest>,
    ) -> Result<Response<v1::LockAgentResponse>, Status> {
        concerns(&request, &request.get_ref().agent);
        let agent = self.named(&request, &request.get_ref().agent).await?;
        let agent = self.0.services.agents.lock(&agent).await?;
        Ok(Response::new(v1::LockAgentResponse {
            agent: Some(self.shown(agent)),
        }))
    }

    async fn unlock_agent(
        &self,
        request: Request<v1::UnlockAgentRequest>,
    ) -> Result<Response<v1::UnlockAgentResponse>, Status> {
        concerns(&request, &request.get_ref().agent);
        let agent = self.named(&request, &request.get_ref().agent).await?;
        let agent = self.0.services.agents.unlock(&agent).await?;
        Ok(Response::new(v1::UnlockAgentResponse {
            agent: Some(self.shown(agent)),
        }))
    }

    async fn approve_agent_recovery(
        &self,
        request: Request<v1::ApproveAgentRecoveryRequest>,
    ) -> Result<Response<v1::ApproveAgentRecoveryResponse>, Status> {
        concerns(&request, &request.get_ref().agent);
        let agent = self.named(&request, &request.get_ref().agent).await?;
        let agent = self.0.services.agents.approve_recovery(&agent).await?;
        Ok(Response::new(v1::ApproveAgentRecoveryResponse {
            agent: Some(self.shown(agent)),
        }))
    }

    async fn clear_agent_alert(
        &self,
        request: Request<v1::ClearAgentAlertRequest>,
    ) -> Result<Response<v1::ClearAgentAlertResponse>, Status> {
        concerns(&request, &request.get_ref().agent);
        let agent = self.named(&request, &request.get_ref().agent).await?;
        let agent = self.0.services.agents.clear_alert(&agent).await?;
        Ok(Response::new(v1::ClearAgentAlertResponse {
            agent: Some(self.shown(agent)),
        }))
    }
}

fn reference(text: &str) -> Result<Reference<AgentId>, BadField> {
    Reference::parse("agent", text)
}
