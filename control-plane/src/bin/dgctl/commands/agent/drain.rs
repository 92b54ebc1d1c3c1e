//! `dgctl agent drain`: before a host or its agent is stopped.

use dataguardian_proto::v1;

use super::super::{Context, required};
use crate::error::Result;
use crate::output::text;
use crate::paging::Limit;
use crate::progress;

/// What an agent can be at work on.
const AT_WORK: [v1::ExecutionState; 4] = [
    v1::ExecutionState::Leased,
    v1::ExecutionState::Running,
    v1::ExecutionState::Committing,
    v1::ExecutionState::Cancelling,
];

/// Locks the agent, and waits for what it is at work on.
pub(super) async fn drain(agent: String, context: &Context) -> Result<()> {
    let api = context.api().await?;
    let reply = api
        .agents()
        .lock_agent(v1::LockAgentRequest { agent })
        .await?
        .into_inner();
    let agent = required(reply.agent.clone(), "agent")?;
    let name = text::cell(&agent.name);
    eprintln!("agent {name} gets no new work");
    let mut ended = Vec::new();
    // An offer that the agent had just accepted shows up in the second look.
    loop {
        let at_work = at_work(&api, &agent.name).await?;
        let Some(next) = at_work
            .into_iter()
            .find(|execution| !ended.contains(&execution.id))
        else {
            break;
        };
        let id = next.id;
        progress::wait(&api, &id).await?;
        ended.push(id);
    }
    context.output.show(&reply, |_, _| {
        format!(
            "Nothing runs on agent {name}: it can be stopped. It stays locked; `dgctl agent unlock {name}` gives it work again."
        )
    })
}

/// What the agent is at work on.
async fn at_work(api: &crate::connect::Api, agent: &str) -> Result<Vec<v1::Execution>> {
    let executions = api.executions();
    let reply: v1::ListExecutionsResponse = Limit::all()
        .collect(|page_size, page_token| {
            let mut executions = executions.clone();
            let request = v1::ListExecutionsRequest {
                page_size,
                page_token,
                states: AT_WORK.into_iter().map(i32::from).collect(),
                ..Default::default()
            };
            async move { executions.list_executions(request).await }
        })
        .await?;
    let own = reply
        .executions
        .into_iter()
        .filter(|execution| execution.agent == agent);
    Ok(own.collect())
}
