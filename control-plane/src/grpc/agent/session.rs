//! A session's beginning: Hello, Welcome, and the task that keeps it.
//!
//! What an agent says over its session is either kept in memory and written down now and then (heartbeats, progress), or
//! written down at once (an acceptance). If that can't be done, the session ends: the agent comes back, names what it has in
//! its journal, and hears a verdict on each attempt. So nothing depends on a session lasting.

use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::ids::AgentId;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::convert;
use dataguardian_proto::status::ApiError;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::domain::agent::Opening;
use crate::domain::assignment::{FreeSlots, InFlight};
use crate::domain::field::BadField;
use crate::domain::verdict::{Verdict, VerdictKind};
use crate::grpc::call::agent;
use crate::grpc::stream::Messages;
use crate::grpc::{Shared, decode};
use crate::listen::Peer;
use crate::sessions::outbox;

mod conversation;

use conversation::Conversation;

/// The versions of the protocol that this server speaks.
const PROTOCOL: RangeInclusive<u32> = 1..=1;

/// How long the first message may take.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// So many heartbeats may be missing before the agent counts as gone.
const MISSED_HEARTBEATS: u32 = 3;

/// Opens a session, and leaves a task behind that keeps it.
pub(super) async fn open(
    shared: &Shared,
    request: Request<Streaming<wire::SessionRequest>>,
) -> Result<Response<Messages<wire::SessionResponse>>, Status> {
    let agent = agent(&request)?;
    let peer = request.extensions().get::<Peer>().cloned();
    let mut incoming = request.into_inner();
    let hello = hello(&mut incoming).await?;
    let protocol = negotiate(hello.protocol_min, hello.protocol_max)?;
    let skew = clock_skew(shared, hello.now.as_ref());
    let free = FreeSlots(hello.free_slots);
    let epoch = shared
        .services
        .sessions
        .open(agent, opening(shared, &hello, skew))
        .await?;
    let in_flight = decode::in_flight(hello.in_flight)?;
    let welcome = wire::Welcome {
        epoch,
        heartbeat_interval: Some(convert::duration(shared.facts.heartbeat_interval)),
        protocol,
        verdicts: verdicts(shared, agent, &in_flight).await?,
    };
    let (outbox, messages) = outbox();
    // Before anybody else knows of the session: no offer may come ahead of the welcome.
    outbox
        .try_send(Ok(response(welcome)))
        .map_err(|_| Status::internal("the outbox is full"))?;
    let session = shared
        .sessions
        .open(agent, epoch, free, outbox)
        .map_err(|_| replaced())?;
    let made_by_another = |peer: &Peer| {
        let certificate = peer.certificate();
        certificate.is_some_and(|certificate| !shared.authority.has_made(certificate))
    };
    if peer.as_ref().is_some_and(made_by_another)
        && session.ask_for_renewal(shared.trust.renew_within).is_err()
    {
        tracing::debug!(agent.id = %agent, "the agent could not be asked for a renewal");
    }
    tracing::info!(agent.id = %agent, session.epoch = epoch, version = hello.version, "an agent is connected");
    shared.services.sessions.heard(agent, skew);
    shared.dispatch.wake();
    let conversation = Conversation::new(shared.clone(), session, peer);
    shared.sessions.tasks().spawn(conversation.hold(incoming));
    Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
}

fn opening(shared: &Shared, hello: &wire::Hello, clock_skew: Option<TimeDelta>) -> Opening {
    let silence = shared.facts.heartbeat_interval * MISSED_HEARTBEATS;
    Opening {
        facts: decode::agent_facts(hello),
        clock_skew,
        slots: decode::slots(hello),
        boot_id: hello.boot_id.clone(),
        alive_within: TimeDelta::from_std(silence).unwrap_or(TimeDelta::MAX),
    }
}

async fn hello(incoming: &mut Streaming<wire::SessionRequest>) -> Result<wire::Hello, Status> {
    let first = tokio::time::timeout(HELLO_TIMEOUT, incoming.message()).await;
    let first = first.map_err(|_| not_hello("did not come in time"))??;
    match first.and_then(|first| first.message) {
        Some(wire::session_request::Message::Hello(hello)) => Ok(hello),
        Some(_) | None => Err(not_hello("must be the first message")),
    }
}

const fn response(welcome: wire::Welcome) -> wire::SessionResponse {
    wire::SessionResponse {
        message: Some(wire::session_response::Message::Welcome(welcome)),
    }
}

async fn verdicts(shared: &Shared, agent: AgentId, named: &[InFlight]) -> Result<Vec<wire::Verdict>, Status> {
    let verdicts = shared.services.assignments.verdicts(agent, named).await?;
    Ok(verdicts.into_iter().map(encode_verdict).collect())
}

fn encode_verdict(verdict: Verdict) -> wire::Verdict {
    let kind = match verdict.kind {
        VerdictKind::Continue => wire::VerdictKind::Continue,
        VerdictKind::Abandon => wire::VerdictKind::Abandon,
        VerdictKind::AlreadyDone => wire::VerdictKind::AlreadyDone,
        VerdictKind::Cancel => wire::VerdictKind::Cancel,
    };
    wire::Verdict {
        fence: Some(verdict.fence.into()),
        kind: kind.into(),
    }
}

/// The newest version that both sides speak.
fn negotiate(min: u32, max: u32) -> Result<u32, ApiError> {
    common_version(&PROTOCOL, min, max)
}

fn common_version(ours: &RangeInclusive<u32>, min: u32, max: u32) -> Result<u32, ApiError> {
    let common = max.min(*ours.end());
    if min <= common && common >= *ours.start() {
        return Ok(common);
    }
    let (oldest, newest) = (ours.start(), ours.end());
    Err(ApiError::new(
        ErrorCode::FailedPrecondition,
        "PROTOCOL_MISMATCH",
        format!(
            "the agent speaks versions {min} to {max} of the protocol, the control plane {oldest} to {newest}: install version {} of the agent, which is the control plane's",
            env!("CARGO_PKG_VERSION")
        ),
    ))
}

/// How far the agent's clock is ahead, the way of the message included.
fn clock_skew(shared: &Shared, now: Option<&prost_types::Timestamp>) -> Option<TimeDelta> {
    now.and_then(convert::time)
        .map(|theirs| theirs - shared.clock.now())
}

fn not_hello(problem: &str) -> Status {
    BadField::new("hello", problem).into()
}

fn replaced() -> Status {
    ApiError::new(
        ErrorCode::Aborted,
        "SESSION_REPLACED",
        "a newer session of this agent is open",
    )
    .into()
}

#[cfg(test)]
mod tests {
    use super::{common_version, negotiate};

    #[test]
    fn an_agent_one_version_older_or_newer_is_understood_and_one_too_old_is_told_what_to_install() {
        let ours = 2..=3;
        assert_eq!(common_version(&ours, 1, 2), Ok(2));
        assert_eq!(common_version(&ours, 3, 4), Ok(3));
        let refusal = common_version(&ours, 1, 1).unwrap_err();
        assert_eq!(refusal.reason, "PROTOCOL_MISMATCH");
        let wanted = format!("install version {}", env!("CARGO_PKG_VERSION"));
        assert!(refusal.message.contains(&wanted), "{}", refusal.message);
    }

    #[test]
    fn the_newest_common_version_is_spoken() {
        assert_eq!(negotiate(1, 1), Ok(1));
        assert_eq!(negotiate(0, 7), Ok(1));
        for (min, max) in [(2, 3), (0, 0), (2, 1)] {
            assert_eq!(negotiate(min, max).unwrap_err().reason, "PROTOCOL_MISMATCH");
        }
    }
}
