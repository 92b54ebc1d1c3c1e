//! The session's rules without any IO: a message or a moment in, actions out.

use std::time::{Duration, Instant};

use dataguardian_core::execution::Fence;
use dataguardian_proto::agent::v1::{self, session_request, session_response};
use dataguardian_proto::convert;

/// The range of protocol versions that this agent speaks.
pub(super) const PROTOCOL: std::ops::RangeInclusive<u32> = 1..=1;
/// How long the control plane may take to answer Hello.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(15);
/// This many heartbeats without any word end the session.
const SILENT_HEARTBEATS: u32 = 3;
/// The latest that a renewal is put off to.
const LATEST_RENEWAL: Duration = Duration::from_secs(4 * 3600);
/// Bounds on the heartbeat interval that the control plane may ask for.
const HEARTBEAT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);

/// What the session must do next.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Send this.
    Send(session_request::Message),
    /// Judge an offer, and accept or decline it.
    Consider(Box<v1::Assignment>),
    /// End an attempt because a person wants it.
    Cancel(Fence),
    /// End an attempt because it is somebody else's now. Delete nothing.
    Abandon(Fence),
    /// Forget an attempt: its result has been taken.
    Forget(Fence),
    /// Find the answer to a question, and send it.
    Answer(Box<v1::Question>),
    /// Have a new certificate fetched, at a moment within that time.
    RenewWithin(Duration),
    /// End this session in good order and come back after a while.
    ComeBack(Duration),
}

/// What ends a session at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    /// No answer to Hello in time.
    #[error("the control plane did not answer Hello within {} s", WELCOME_TIMEOUT.as_secs())]
    NoWelcome,
    /// Nothing was heard for several heartbeats.
    #[error("nothing was heard from the control plane for {} s", .0.as_secs())]
    Silent(Duration),
    /// It speaks another version.
    #[error("the control plane chose protocol {0}, which this agent does not speak: upgrade the agent")]
    Version(u32),
    /// A message at the wrong time or without its contents.
    #[error("the control plane broke the protocol: {0}")]
    Broken(&'static str),
}

/// One session, from Hello on.
#[derive(Debug)]
pub(super) struct Protocol {
    phase: Phase,
    last_heard: Instant,
    /// When the last heartbeat went out; none if one is due at once.
    last_sent: Option<Instant>,
    sequence: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    AwaitingWelcome,
    Open { heartbeat: Duration },
}

impl Protocol {
    /// A session whose Hello goes out now.
    pub(super) fn begin(now: Instant) -> Self {
        Self {
            phase: Phase::AwaitingWelcome,
            last_heard: now,
            last_sent: Some(now),
            sequence: 0,
        }
    }

    /// Takes a message.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        message: v1::SessionResponse,
    ) -> Result<Vec<Action>, ProtocolError> {
        use session_response::Message as M;
        self.last_heard = now;
        let message = message.message.ok_or(ProtocolError::Broken("an empty message"))?;
        match (&self.phase, message) {
            (Phase::AwaitingWelcome, M::Welcome(welcome)) => self.welcome(welcome),
            (Phase::AwaitingWelcome, _) => Err(ProtocolError::Broken("a message before Welcome")),
            (Phase::Open { .. }, M::Welcome(_)) => Err(ProtocolError::Broken("a second Welcome")),
            (Phase::Open { .. }, M::Offer(offer)) => Ok(vec![Action::Consider(Box::new(offer))]),
            (Phase::Open { .. }, M::Cancel(cancel)) => Ok(vec![Action::Cancel(fence(cancel.fence)?)]),
            (Phase::Open { .. }, M::Question(question)) => Ok(vec![Action::Answer(Box::new(question))]),
            (Phase::Open { .. }, M::HeartbeatSeen(_)) => Ok(Vec::new()),
            (Phase::Open { .. }, M::RenewSoon(renew)) => {
                let within = renew.within.unwrap_or_default();
                let within = convert::length("within", &within).unwrap_or_default();
                Ok(vec![Action::RenewWithin(within.min(LATEST_RENEWAL))])
            }
            (Phase::Open { .. }, M::Drain(drain)) => {
                let after = drain.reconnect_after.unwrap_or_default();
                let after = convert::length("reconnect_after", &after).unwrap_or_default();
                Ok(vec![Action::ComeBack(after.min(*HEARTBEAT.end()))])
            }
        }
    }

    /// Looks at the clock; to be called at least once a second.
    pub(super) fn tick(&mut self, now: Instant, free_slots: u32) -> Result<Vec<Action>, ProtocolError> {
        let silent = now.saturating_duration_since(self.last_heard);
        let Phase::Open { heartbeat } = self.phase else {
            return if silent >= WELCOME_TIMEOUT {
                Err(ProtocolError::NoWelcome)
            } else {
                Ok(Vec::new())
            };
        };
        if silent >= heartbeat * SILENT_HEARTBEATS {
            return Err(ProtocolError::Silent(silent));
        }
        if self
            .last_sent
            .is_some_and(|sent| now.saturating_duration_since(sent) < heartbeat)
        {
            return Ok(Vec::new());
        }
        self.last_sent = Some(now);
        self.sequence += 1;
        let heartbeat = v1::Heartbeat {
            sequence: self.sequence,
            free_slots,
            now: None,
        };
        Ok(vec![Action::Send(session_request::Message::Heartbeat(heartbeat))])
    }

    /// Makes the next heartbeat due: there is something that should not wait for it.
    pub(super) fn beat_now(&mut self) {
        self.last_sent = None;
    }

    /// Whether Welcome has come.
    pub(super) fn is_open(&self) -> bool {
        self.phase != Phase::AwaitingWelcome
    }

    fn welcome(&mut self, welcome: v1::Welcome) -> Result<Vec<Action>, ProtocolError> {
        if !PROTOCOL.contains(&welcome.protocol) {
            return Err(ProtocolError::Version(welcome.protocol));
        }
        let interval = welcome
            .heartbeat_interval
            .ok_or(ProtocolError::Broken("no heartbeat interval"))?;
        let interval = convert::length("heartbeat_interval", &interval)
            .map_err(|_| ProtocolError::Broken("a negative heartbeat interval"))?;
        self.phase = Phase::Open {
            heartbeat: interval.clamp(*HEARTBEAT.start(), *HEARTBEAT.end()),
        };
        let mut actions = Vec::new();
        for verdict in welcome.verdicts {
            let kind = verdict.kind();
            let fence = fence(verdict.fence)?;
            match kind {
                v1::VerdictKind::Continue => {}
                v1::VerdictKind::Abandon => actions.push(Action::Abandon(fence)),
                v1::VerdictKind::AlreadyDone => actions.push(Action::Forget(fence)),
                v1::VerdictKind::Cancel => actions.push(Action::Cancel(fence)),
                v1::VerdictKind::Unspecified => {
                    return Err(ProtocolError::Broken("a verdict without its kind"));
                }
            }
        }
        Ok(actions)
    }
}

fn fence(fence: Option<v1::Fence>) -> Result<Fence, ProtocolError> {
    convert::fence(fence).map_err(|_| ProtocolError::Broken("a fence that is none"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataguardian_core::ids::{ExecutionId, LeaseToken};

    fn respond(message: session_response::Message) -> v1::SessionResponse {
        v1::SessionResponse {
            message: Some(message),
        }
    }

    fn welcome(protocol: u32, verdicts: Vec<v1::Verdict>) -> v1::SessionResponse {
        respond(session_response::Message::Welcome(v1::Welcome {
            epoch: 1,
            heartbeat_interval: Some(convert::duration(Duration::from_secs(10))),
            protocol,
            verdicts,
        }))
    }

    fn any_fence() -> Fence {
        Fence {
            execution: ExecutionId::new(),
            attempt: 1,
            lease_token: LeaseToken::new(),
        }
    }

    #[test]
    fn verdicts_become_actions() {
        let (gone, done, unwanted, good) = (any_fence(), any_fence(), any_fence(), any_fence());
        let verdict = |fence: Fence, kind: v1::VerdictKind| v1::Verdict {
            fence: Some(fence.into()),
            kind: kind.into(),
        };
        let mut protocol = Protocol::begin(Instant::now());
        let actions = protocol
            .receive(
                Instant::now(),
                welcome(
                    1,
                    vec![
                        verdict(gone, v1::VerdictKind::Abandon),
                        verdict(done, v1::VerdictKind::AlreadyDone),
                        verdict(unwanted, v1::VerdictKind::Cancel),
                        verdict(good, v1::VerdictKind::Continue),
                    ],
                ),
            )
            .unwrap();
        assert_eq!(
            actions,
            [
                Action::Abandon(gone),
                Action::Forget(done),
                Action::Cancel(unwanted)
            ]
        );
    }

    #[test]
    fn heartbeats_go_out_and_silence_ends_the_session() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut protocol = Protocol::begin(start);
        protocol.receive(at(0), welcome(1, vec![])).unwrap();
        assert_eq!(protocol.tick(at(5), 1).unwrap(), []);
        assert_eq!(protocol.tick(at(10), 1).unwrap().len(), 1);
        assert_eq!(protocol.tick(at(11), 1).unwrap(), []);
        protocol.beat_now();
        assert_eq!(protocol.tick(at(12), 1).unwrap().len(), 1);
        assert_eq!(protocol.tick(at(13), 1).unwrap(), []);
        assert!(matches!(protocol.tick(at(30), 1), Err(ProtocolError::Silent(_))));
    }

    #[test]
    fn a_mute_or_foreign_control_plane_is_left() {
        let start = Instant::now();
        let mut protocol = Protocol::begin(start);
        assert_eq!(
            protocol.tick(start + WELCOME_TIMEOUT, 1),
            Err(ProtocolError::NoWelcome)
        );
        assert_eq!(
            protocol.receive(start, welcome(9, vec![])),
            Err(ProtocolError::Version(9))
        );
        let seen = session_response::Message::HeartbeatSeen(v1::HeartbeatSeen { sequence: 1 });
        assert!(matches!(
            protocol.receive(start, respond(seen)),
            Err(ProtocolError::Broken(_))
        ));
    }
}
