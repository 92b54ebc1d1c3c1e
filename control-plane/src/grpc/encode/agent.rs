use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use super::signed_duration;
use crate::domain::agent::{Agent, AgentState, ClientProgram};

/// An agent, with whether it has a session right now.
pub(in crate::grpc) fn agent(agent: Agent, connected: bool) -> v1::Agent {
    let state = match agent.state {
        AgentState::Active => v1::AgentState::Active,
        AgentState::Revoked => v1::AgentState::Revoked,
    };
    v1::Agent {
        id: agent.id.to_string(),
        name: agent.name.into(),
        state: state.into(),
        connected,
        version: agent.facts.version,
        hostname: agent.facts.hostname,
        operating_system: agent.facts.operating_system,
        enrolled_at: Some(timestamp(agent.enrolled_at)),
        last_seen_at: agent.last_seen_at.map(timestamp),
        certificate_expires_at: agent.certificate_expires_at.map(timestamp),
        clients: agent.facts.clients.into_iter().map(client).collect(),
        clock_skew: agent.clock_skew.map(signed_duration),
    }
}

fn client(client: ClientProgram) -> v1::ClientProgram {
    v1::ClientProgram {
        engine: client.engine,
        version: client.version,
        directory: client.directory,
    }
}
