//! One session, as the rest of the control plane sees it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dataguardian_core::execution::Fence;
use dataguardian_core::ids::{AgentId, ControlPlaneId, RequestId};
use dataguardian_core::performance::NodePerformance;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::convert;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::performance::Told;
use super::question::{Answer, AskError, Question, Questions};
use super::{from_wire, to_wire};
use crate::domain::assignment::{Assignment, FreeSlots};

/// Messages on their way to an agent.
pub type Outbox = mpsc::Sender<Result<wire::SessionResponse, Status>>;

/// Messages that may wait for an agent to read them.
const OUTBOX: usize = 64;

/// A way to an agent, and its other end.
pub fn outbox() -> (Outbox, mpsc::Receiver<Result<wire::SessionResponse, Status>>) {
    mpsc::channel(OUTBOX)
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The agent opened a newer one.
    Replaced,
    /// The agent's identity was ended.
    Revoked,
    /// A newer certificate of the agent is in use.
    Superseded,
    /// The agent's certificate has ended.
    Expired,
    /// This replica stops.
    Stopping,
    /// The agent was silent for too long.
    Silent,
    /// The agent went away.
    Left,
    /// The agent does not keep to the protocol.
    Protocol,
    /// What the agent said could not be written down; it will say it again.
    StoreAway,
}

/// The agent's outbox is full, or its session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the agent does not take messages")]
pub struct NotDelivered;

/// A live session. Clones stand for the same one.
#[derive(Debug, Clone)]
pub struct SessionHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    agent: AgentId,
    epoch: u64,
    outbox: Outbox,
    free: AtomicU32,
    questions: Questions,
    performance: Told,
    ended: CancellationToken,
    reason: OnceLock<EndReason>,
}

impl SessionHandle {
    pub(super) fn new(agent: AgentId, epoch: u64, free: FreeSlots, outbox: Outbox) -> Self {
        Self(Arc::new(Inner {
            agent,
            epoch,
            outbox,
            free: AtomicU32::new(free.0),
            questions: Questions::default(),
            performance: Told::default(),
            ended: CancellationToken::new(),
            reason: OnceLock::new(),
        }))
    }

    /// Whose session it is.
    pub fn agent(&self) -> AgentId {
        self.0.agent
    }

    /// Which of the agent's sessions it is.
    pub fn epoch(&self) -> u64 {
        self.0.epoch
    }

    /// What the agent can take on, by its last word, less what was offered since.
    pub fn free_slots(&self) -> FreeSlots {
        FreeSlots(self.0.free.load(Ordering::Relaxed))
    }

    /// Notes the agent's last word on what it can take on.
    pub fn set_free_slots(&self, free: FreeSlots) {
        self.0.free.store(free.0, Ordering::Relaxed);
    }

    /// Notes what the agent tells of its machine; of the samples the newest are kept, so many.
    pub fn note_performance(&self, told: NodePerformance, kept: usize) {
        self.0.performance.note(told, kept);
    }

    /// How the agent's machine is, with so many of the newest samples; none if it has told nothing yet.
    pub fn performance(&self, samples: usize) -> Option<NodePerformance> {
        self.0.performance.show(samples)
    }

    /// Offers work. Its secrets go to the agent that needs them and nowhere else.
    pub fn offer(&self, assignment: Assignment, control_plane: ControlPlaneId) -> Result<(), NotDelivered> {
        let offer = to_wire::assignment(assignment, control_plane);
        self.send(wire::session_response::Message::Offer(offer))?;
        self.0.free.update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            free.saturating_sub(1)
        });
        Ok(())
    }

    /// Asks the agent to end an attempt and everything that belongs to it.
    pub fn cancel(&self, fence: Fence, reason: &str) -> Result<(), NotDelivered> {
        self.send(wire::session_response::Message::Cancel(wire::Cancel {
            fence: Some(fence.into()),
            reason: reason.to_owned(),
        }))
    }

    /// Has the agent fetch a new certificate, at a moment within that time.
    pub fn ask_for_renewal(&self, within: Duration) -> Result<(), NotDelivered> {
        self.send(wire::session_response::Message::RenewSoon(wire::RenewSoon {
            within: Some(convert::duration(within)),
        }))
    }

    /// Puts a question to the agent and waits for its answer.
    pub async fn ask(&self, question: Question, timeout: Duration) -> Result<Answer, AskError> {
        from_wire::answer(self.put(to_wire::question(question), timeout).await?)
    }

    /// Puts another replica's question.
    pub(super) async fn put_on(&self, question: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        let question = wire::Question::decode(question).map_err(|_| AskError::Nonsense)?;
        let question = question.question.ok_or(AskError::Nonsense)?;
        let answer = wire::Answer {
            request_id: String::new(),
            answer: Some(self.put(question, timeout).await?),
        };
        Ok(answer.encode_to_vec())
    }

    async fn put(
        &self,
        question: wire::question::Question,
        timeout: Duration,
    ) -> Result<wire::answer::Answer, AskError> {
        let (id, answer) = self.0.questions.open();
        let asked = wire::Question {
            request_id: id.to_string(),
            timeout: Some(convert::duration(timeout)),
            question: Some(question),
        };
        self.send(wire::session_response::Message::Question(asked))?;
        tokio::select! {
            answer = answer.wait() => answer,
            () = self.0.ended.cancelled() => Err(AskError::NotConnected),
            // The agent has its own clock for this: it gets a little longer than it was told.
            () = tokio::time::sleep(timeout + Duration::from_secs(2)) => Err(AskError::NoAnswer(timeout)),
        }
    }

    /// Hands an answer to whoever waits for it; one that nobody waits for any more is dropped.
    pub fn answered(&self, id: RequestId, answer: wire::answer::Answer) {
        self.0.questions.close(id, answer);
    }

    /// Sends a message without waiting.
    pub fn send(&self, message: wire::session_response::Message) -> Result<(), NotDelivered> {
        if self.has_ended() {
            return Err(NotDelivered);
        }
        let response = wire::SessionResponse {
            message: Some(message),
        };
        self.0.outbox.try_send(Ok(response)).map_err(|_| NotDelivered)
    }

    /// Ends the session: its task lets the stream go. The first reason counts.
    pub fn end(&self, reason: EndReason) {
        self.0.reason.get_or_init(|| reason);
        self.0.ended.cancel();
    }

    /// Whether it is over.
    pub fn has_ended(&self) -> bool {
        self.0.ended.is_cancelled()
    }

    /// Waits until it is over, and says why.
    pub async fn ended(&self) -> EndReason {
        self.0.ended.cancelled().await;
        *self.0.reason.get_or_init(|| EndReason::Left)
    }

    /// The last word to the agent, where the stream's end needs one.
    pub fn send_last(&self, status: Status) {
        // An agent that does not read any more learns it from the end of the stream.
        drop(self.0.outbox.try_send(Err(status)));
    }
}
