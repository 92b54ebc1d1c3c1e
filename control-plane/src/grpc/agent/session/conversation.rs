//! The task that keeps one session: it hears the agent, answers, and notices when the session has to end.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dataguardian_core::error_code::ErrorCode;
use dataguardian_core::execution::Fence;
use dataguardian_core::ids::AgentId;
use dataguardian_failpoints::failpoint;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::status::ApiError;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::{Code, Streaming};

use super::{MISSED_HEARTBEATS, clock_skew};
use crate::domain::assignment::{Accepted, FreeSlots};
use crate::grpc::agent::reports::fence;
use crate::grpc::guard::{CertificateUse, EXPIRED, Recognition, SUPERSEDED};
use crate::grpc::{Shared, decode};
use crate::listen::Peer;
use crate::services::Error;
use crate::sessions::{EndReason, SessionHandle};

/// How often is looked whether the agent is still welcome: a revoked one is gone within 5 s, whichever replica revoked it.
const CHECK: Duration = Duration::from_secs(3);

/// How long a look into the metadata database may hold up a conversation. Heartbeats wait behind it, and an agent that is not
/// answered leaves.
const LOOK: Duration = Duration::from_secs(1);

/// After a look that took too long, how long none is taken.
const NO_LOOK: Duration = Duration::from_secs(3);

/// One session's task.
pub(super) struct Conversation {
    shared: Shared,
    session: SessionHandle,
    peer: Option<Peer>,
    recognition: Recognition,
    /// Until when the metadata database is left alone.
    away_until: Mutex<Option<Instant>>,
}

/// What a message leads to.
enum Next {
    GoOn,
    End(EndReason),
}

impl Conversation {
    pub(super) fn new(shared: Shared, session: SessionHandle, peer: Option<Peer>) -> Self {
        Self {
            recognition: Recognition::new(&shared),
            shared,
            session,
            peer,
            away_until: Mutex::default(),
        }
    }

    /// Keeps the session to its end.
    pub(super) async fn hold(self, mut incoming: Streaming<wire::SessionRequest>) {
        let reason = self.converse(&mut incoming).await;
        self.session.end(reason);
        if reason == EndReason::Revoked {
            self.shared.sessions.transfers().end_of(self.agent());
        }
        if let Some(last) = last_word(reason) {
            self.session.send_last(last.into());
        }
        self.shared.sessions.forget(&self.session);
        let epoch = self.session.epoch();
        if let Some(Err(error)) = self
            .look(self.shared.services.sessions.close(self.agent(), epoch))
            .await
        {
            tracing::debug!(agent.id = %self.agent(), %error, "the end of a session was not written down");
        }
        tracing::info!(agent.id = %self.agent(), session.epoch = epoch, ?reason, "an agent's session ended");
    }

    async fn converse(&self, incoming: &mut Streaming<wire::SessionRequest>) -> EndReason {
        let silence = self.shared.facts.heartbeat_interval * MISSED_HEARTBEATS;
        let mut check = interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut deadline = Instant::now() + silence;
        loop {
            let next = tokio::select! {
                reason = self.session.ended() => return reason,
                () = tokio::time::sleep_until(deadline) => return EndReason::Silent,
                _ = check.tick() => self.still_welcome().await,
                message = incoming.message() => {
                    deadline = Instant::now() + silence;
                    match message {
                        Ok(Some(message)) => self.hear(message).await,
                        Ok(None) => return EndReason::Left,
                        Err(status) => {
                            tracing::debug!(agent.id = %self.agent(), code = ?status.code(), "the stream broke");
                            return EndReason::Left;
                        }
                    }
                }
            };
            if let Next::End(reason) = next {
                return reason;
            }
        }
    }

    async fn still_welcome(&self) -> Next {
        let Some(peer) = &self.peer else {
            return Next::GoOn;
        };
        match self
            .look(self.recognition.recognise(peer, CertificateUse::Any))
            .await
        {
            Some(Err(status)) if status.code() == Code::Unauthenticated => Next::End(farewell(&status)),
            // While the metadata database is away, sessions go on.
            Some(Ok(_) | Err(_)) | None => Next::GoOn,
        }
    }

    /// Looks into the metadata database, for what can be done without: nothing comes back while that is away.
    async fn look<T>(&self, looking: impl Future<Output = T>) -> Option<T> {
        let away_until = || self.away_until.lock().unwrap_or_else(PoisonError::into_inner);
        if away_until().is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let looked = tokio::time::timeout(LOOK, looking).await.ok();
        *away_until() = looked.is_none().then(|| Instant::now() + NO_LOOK);
        looked
    }

    async fn hear(&self, message: wire::SessionRequest) -> Next {
        use wire::session_request::Message;
        let heard = match message.message {
            Some(Message::Heartbeat(heartbeat)) => self.heartbeat(&heartbeat),
            Some(Message::Accept(accept)) => self.accepted(accept).await,
            Some(Message::Decline(decline)) => self.declined(decline).await,
            Some(Message::Progress(progress)) => self.progress(progress).await,
            Some(Message::Answer(answer)) => self.answered(answer),
            Some(Message::Performance(told)) => {
                let kept = self.shared.facts.performance_history;
                let told = dataguardian_proto::convert::node_performance(told);
                self.session.note_performance(told, kept);
                Ok(())
            }
            Some(Message::Hello(_)) => Err(EndReason::Protocol),
            // A message of a newer agent: it was told which version is spoken, and will do without an answer.
            None => Ok(()),
        };
        heard.map_or_else(Next::End, |()| Next::GoOn)
    }

    fn heartbeat(&self, heartbeat: &wire::Heartbeat) -> Result<(), EndReason> {
        let skew = clock_skew(&self.shared, heartbeat.now.as_ref());
        self.shared.services.sessions.heard(self.agent(), skew);
        let before = self.session.free_slots();
        let now = FreeSlots(heartbeat.free_slots);
        self.session.set_free_slots(now);
        if now.0 > before.0 {
            self.shared.dispatch.wake();
        }
        let sequence = heartbeat.sequence;
        self.send(wire::session_response::Message::HeartbeatSeen(
            wire::HeartbeatSeen { sequence },
        ));
        Ok(())
    }

    async fn accepted(&self, accept: wire::Accept) -> Result<(), EndReason> {
        let fence = fence(accept.fence).map_err(|_| EndReason::Protocol)?;
        failpoint!(AcceptReceived);
        let accepted = self.shared.services.assignments.accept(self.agent(), fence).await;
        failpoint!(AcceptStored);
        match accepted {
            Ok(Accepted::Running) => {}
            Ok(Accepted::Cancelling) => self.cancel(fence, "cancelled"),
            Err(Error::StaleFence) => self.cancel(fence, "superseded"),
            Err(error) => return Err(self.not_written(&error, "an acceptance")),
        }
        Ok(())
    }

    async fn declined(&self, decline: wire::Decline) -> Result<(), EndReason> {
        let fence = fence(decline.fence).map_err(|_| EndReason::Protocol)?;
        tracing::info!(agent.id = %self.agent(), execution.id = %fence.execution, reason = decline.reason, "an offer was declined");
        match self
            .shared
            .services
            .assignments
            .decline(self.agent(), fence, &decline.reason)
            .await
        {
            Ok(()) | Err(Error::StaleFence) => Ok(()),
            Err(error) => Err(self.not_written(&error, "a refusal")),
        }
    }

    async fn progress(&self, progress: wire::AttemptProgress) -> Result<(), EndReason> {
        let fence = fence(progress.fence).map_err(|_| EndReason::Protocol)?;
        let report = decode::progress(progress.progress.unwrap_or_default());
        let reporting = self.shared.services.progress.report(self.agent(), fence, report);
        match self.look(reporting).await {
            Some(Ok(())) => {}
            Some(Err(Error::StaleFence)) => self.cancel(fence, "superseded"),
            // Progress is news: what is lost now is replaced by the next.
            Some(Err(error)) => tracing::debug!(agent.id = %self.agent(), %error, "progress was lost"),
            None => {
                tracing::debug!(agent.id = %self.agent(), "progress was lost: the metadata database is away")
            }
        }
        Ok(())
    }

    fn answered(&self, answer: wire::Answer) -> Result<(), EndReason> {
        let id = answer.request_id.parse().map_err(|_| EndReason::Protocol)?;
        if let Some(answer) = answer.answer {
            self.session.answered(id, answer);
        }
        Ok(())
    }

    fn cancel(&self, fence: Fence, reason: &str) {
        if self.session.cancel(fence, reason).is_err() {
            tracing::debug!(agent.id = %self.agent(), execution.id = %fence.execution, "a cancel waits for the next session");
        }
    }

    /// A message that may be lost: the agent finds out by itself.
    fn send(&self, message: wire::session_response::Message) {
        if self.session.send(message).is_err() {
            tracing::debug!(agent.id = %self.agent(), "the agent does not read its messages");
        }
    }

    fn not_written(&self, error: &Error, what: &str) -> EndReason {
        tracing::warn!(agent.id = %self.agent(), %error, "{what} could not be written down; the agent has to come back");
        EndReason::StoreAway
    }

    fn agent(&self) -> AgentId {
        self.session.agent()
    }
}

/// Why the certificate of a session that was good is not good any more.
fn farewell(status: &tonic::Status) -> EndReason {
    match ApiError::from(status).reason.as_str() {
        SUPERSEDED => EndReason::Superseded,
        EXPIRED => EndReason::Expired,
        _ => EndReason::Revoked,
    }
}

/// What the agent is told at the end; nothing where it ended the session itself.
fn last_word(reason: EndReason) -> Option<ApiError> {
    let error = |code, reason, message| Some(ApiError::new(code, reason, message));
    match reason {
        EndReason::Left => None,
        EndReason::Revoked => error(
            ErrorCode::Unauthenticated,
            "AGENT_REVOKED",
            "this agent's identity is not good any more",
        ),
        EndReason::Superseded => error(
            ErrorCode::Unavailable,
            SUPERSEDED,
            "a newer certificate of this agent is in use; connect again with it",
        )
        .map(|error| error.retry_after(Duration::from_secs(1))),
        EndReason::Expired => error(
            ErrorCode::Unauthenticated,
            EXPIRED,
            "this agent's certificate has ended; renew it",
        ),
        EndReason::Replaced => error(
            ErrorCode::Aborted,
            "SESSION_REPLACED",
            "a newer session of this agent is open",
        ),
        EndReason::Silent => error(
            ErrorCode::DeadlineExceeded,
            "AGENT_SILENT",
            "no heartbeat came for too long; connect again",
        ),
        EndReason::Protocol => error(
            ErrorCode::InvalidArgument,
            "PROTOCOL_VIOLATION",
            "a message was not what the protocol wants",
        ),
        EndReason::StoreAway => error(
            ErrorCode::Unavailable,
            "DATABASE_UNAVAILABLE",
            "the metadata database is away; connect again",
        )
        .map(|error| error.retry_after(Duration::from_secs(2))),
        EndReason::Stopping => error(
            ErrorCode::Unavailable,
            "STOPPING",
            "the server stops; connect again",
        )
        .map(|error| error.retry_after(Duration::from_secs(2))),
    }
}
