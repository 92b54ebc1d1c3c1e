//! `dgctl agent lock`, `unlock`, `approve`, `clear-alert`: what an administrator decides about an agent's identity.

use dataguardian_proto::v1;

use super::super::{Context, required};
use crate::error::Result;
use crate::output::text;

/// No new work from now on.
pub(super) async fn lock(agent: String, context: &Context) -> Result<()> {
    let mut agents = context.api().await?.agents();
    let reply = agents
        .lock_agent(v1::LockAgentRequest { agent })
        .await?
        .into_inner();
    let agent = required(reply.agent.clone(), "agent")?;
    context.output.show(&reply, |_, _| {
        let name = text::cell(&agent.name);
        format!("Agent {name} is locked: it gets no new work, and what it is at work on goes on.")
    })
}

/// Work again.
pub(super) async fn unlock(agent: String, context: &Context) -> Result<()> {
    let mut agents = context.api().await?.agents();
    let reply = agents
        .unlock_agent(v1::UnlockAgentRequest { agent })
        .await?
        .into_inner();
    let agent = required(reply.agent.clone(), "agent")?;
    context.output.show(&reply, |_, _| {
        let name = text::cell(&agent.name);
        format!("Agent {name} gets work again.")
    })
}

/// It may fetch a new certificate.
pub(super) async fn approve(agent: String, context: &Context) -> Result<()> {
    let mut agents = context.api().await?.agents();
    let reply = agents
        .approve_agent_recovery(v1::ApproveAgentRecoveryRequest { agent })
        .await?
        .into_inner();
    let agent = required(reply.agent.clone(), "agent")?;
    context.output.show(&reply, |_, _| {
        let until = text::time_and_distance(agent.recovery_approved_until.as_ref());
        format!(
            "Agent {} may fetch a new certificate until {until}. It does so by itself as soon as it runs.",
            text::cell(&agent.name)
        )
    })
}

/// It was looked into.
pub(super) async fn clear_alert(agent: String, context: &Context) -> Result<()> {
    let mut agents = context.api().await?.agents();
    let reply = agents
        .clear_agent_alert(v1::ClearAgentAlertRequest { agent })
        .await?
        .into_inner();
    let agent = required(reply.agent.clone(), "agent")?;
    context.output.show(&reply, |_, _| {
        let name = text::cell(&agent.name);
        format!("The alert about agent {name} is cleared.")
    })
}
