use chrono::{DateTime, Utc};
use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use super::signed_duration;
use crate::domain::agent::{Agent, AgentState, ClientProgram, Notice, notices};

/// An agent, with whether it has a session right now.
pub(in crate::grpc) fn agent(agent: Agent, connected: bool, now: DateTime<Utc>) -> v1::Agent {
    let notices = notices(&agent, now);
    let state = match agent.state {
        AgentState::Active => v1::AgentState::Active,
        AgentState::Locked => v1::AgentState::Locked,
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
        notices: notices.into_iter().map(notice).collect(),
        recovery_approved_until: agent.recovery.until.filter(|until| *until > now).map(timestamp),
    }
}

fn notice(notice: Notice) -> v1::AgentNotice {
    v1::AgentNotice {
        reason: notice.reason.to_owned(),
        message: notice.message,
        advice: notice.advice,
        since: notice.since.map(timestamp),
    }
}

fn client(client: ClientProgram) -> v1::ClientProgram {
    v1::ClientProgram {
        engine: client.engine,
        version: client.version,
        directory: client.directory,
    }
}
