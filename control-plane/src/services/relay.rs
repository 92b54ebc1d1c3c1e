//! Questions to other replicas, and to agents whose session another replica has.
//!
//! Who is asked enters the question, sealed, as a row; the replica that it concerns takes it, puts it and enters the answer.
//! Signals make that quick; both sides also look by themselves, so that a lost one costs no more than a second. Questions are
//! asked by calls, whose callers ask again: nothing here outlives them.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::ids::RequestId;
use dataguardian_core::secret::SecretBytes;

use super::{Context, Error};
use crate::domain::addressee::Addressee;
use crate::queue::{Heard, Listener, Signal};
use crate::secrets::vault::Place;
use crate::store::Backend;
use crate::store::agent_requests::{
    OpenRequest, RequestProgress, agent_request_answer_in_tx, agent_request_delete_in_tx,
    agent_request_forget_in_tx, agent_request_give_back_in_tx, agent_request_insert_in_tx,
    agent_request_open, agent_request_progress, agent_request_take_in_tx,
};

/// The replica that it concerns takes a question on within this.
const TAKEN_WITHIN: TimeDelta = TimeDelta::seconds(3);
/// How often the row is looked at when nothing is heard.
const LOOK: Duration = Duration::from_millis(500);
/// What is left of a caller who was cut off goes after this.
const KEPT: TimeDelta = TimeDelta::minutes(1);

/// What came of a question.
#[derive(Debug)]
pub enum Relayed {
    /// The answer, as it was given.
    Answer(SecretBytes),
    /// No replica has a session of the agent, or the replica is gone.
    NotConnected,
    /// The agent takes no messages right now.
    Busy,
    /// One has, and no answer came in time.
    NoAnswer,
}

/// What a replica that put a question has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The answer, as it was given.
    Answer(&'a [u8]),
    /// The agent takes no messages right now.
    Busy,
}

impl<'a> Reply<'a> {
    const ANSWER: u8 = 0;
    const BUSY: u8 = 1;

    /// One byte for what it is, then the answer.
    fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Answer(answer) => [&[Self::ANSWER], answer].concat(),
            Self::Busy => vec![Self::BUSY],
        }
    }

    /// None for what a newer replica may say.
    fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&Self::ANSWER, answer) => Some(Self::Answer(answer)),
            (&Self::BUSY, []) => Some(Self::Busy),
            _ => None,
        }
    }
}

/// A question that this replica is to put.
#[derive(Debug)]
pub struct Taken {
    /// Which.
    pub id: RequestId,
    /// To whom.
    pub addressee: Addressee,
    /// The question, as the addressee gets it.
    pub question: SecretBytes,
    /// How long somebody waits for the answer.
    pub patience: Duration,
}

/// Passes questions on between replicas.
#[derive(Debug, Clone)]
pub struct Relay {
    context: Context,
}

impl Relay {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Whether there may be other replicas.
    pub fn has_others(&self) -> bool {
        self.context.store.backend() == Backend::Postgres
    }

    /// Has another replica put a question, and waits for the answer.
    pub async fn ask(
        &self,
        addressee: Addressee,
        question: &[u8],
        patience: Duration,
    ) -> Result<Relayed, Error> {
        let id = RequestId::new();
        let mut listener = self.context.queue.listen();
        let asked_at = self.context.now();
        let expires_at = asked_at + TimeDelta::from_std(patience).unwrap_or(KEPT);
        let request = OpenRequest {
            id,
            addressee,
            question_sealed: self
                .context
                .installation
                .vault
                .seal(place(&id, "question"), question)?,
            expires_at,
        };
        let tx = self.context.store.begin().await?;
        agent_request_insert_in_tx(&tx, &request).await?;
        tx.commit().await?;
        self.context.signal(Signal::Asked(addressee));
        let relayed = loop {
            let progress = agent_request_progress(&self.context.store, id).await?;
            let now = self.context.now();
            match progress {
                Some(RequestProgress::Answered(sealed)) => {
                    let opened = self
                        .context
                        .installation
                        .vault
                        .open(place(&id, "answer"), &sealed)?;
                    break match Reply::from_bytes(opened.expose()) {
                        Some(Reply::Answer(answer)) => Relayed::Answer(SecretBytes::new(answer.to_vec())),
                        Some(Reply::Busy) => Relayed::Busy,
                        None => Relayed::NoAnswer,
                    };
                }
                Some(RequestProgress::Open) if now - asked_at > TAKEN_WITHIN => break Relayed::NotConnected,
                None => break Relayed::NoAnswer,
                Some(_) if now > expires_at => break Relayed::NoAnswer,
                Some(RequestProgress::Open | RequestProgress::Taken) => {}
            }
            let news = answered(&mut listener, id);
            // Whatever was heard, or not: the row tells.
            let _heard = tokio::time::timeout(LOOK, news).await.is_ok();
        };
        let tx = self.context.store.begin().await?;
        agent_request_delete_in_tx(&tx, id).await?;
        tx.commit().await?;
        Ok(relayed)
    }

    /// Takes the questions to these: this replica, and the agents that have their sessions here.
    pub async fn take(&self, addressees: &[Addressee]) -> Result<Vec<Taken>, Error> {
        let now = self.context.now();
        let mut taken = Vec::new();
        for open in agent_request_open(&self.context.store, addressees, now).await? {
            let tx = self.context.store.begin().await?;
            let is_ours = agent_request_take_in_tx(&tx, open.id, now).await?;
            tx.commit().await?;
            if !is_ours {
                continue;
            }
            let vault = &self.context.installation.vault;
            taken.push(Taken {
                id: open.id,
                addressee: open.addressee,
                question: vault.open(place(&open.id, "question"), &open.question_sealed)?,
                patience: (open.expires_at - now).to_std().unwrap_or_default(),
            });
        }
        Ok(taken)
    }

    /// Enters what came of a question that was taken.
    pub async fn answer(&self, id: RequestId, reply: Reply<'_>) -> Result<(), Error> {
        let sealed = self
            .context
            .installation
            .vault
            .seal(place(&id, "answer"), &reply.to_bytes())?;
        let tx = self.context.store.begin().await?;
        agent_request_answer_in_tx(&tx, id, sealed).await?;
        tx.commit().await?;
        self.context.signal(Signal::Answered(id));
        Ok(())
    }

    /// Gives a question back whose agent has left: it may be with another replica by now.
    pub async fn give_back(&self, id: RequestId, addressee: Addressee) -> Result<(), Error> {
        let tx = self.context.store.begin().await?;
        agent_request_give_back_in_tx(&tx, id).await?;
        tx.commit().await?;
        self.context.signal(Signal::Asked(addressee));
        Ok(())
    }

    /// Forgets questions of callers who were cut off; says how many.
    pub async fn forget(&self) -> Result<u64, Error> {
        let tx = self.context.store.begin().await?;
        let forgotten = agent_request_forget_in_tx(&tx, self.context.now() - KEPT).await?;
        tx.commit().await?;
        Ok(forgotten)
    }
}

/// Returns when the answer may be there.
async fn answered(listener: &mut Listener, id: RequestId) {
    loop {
        match listener.next().await {
            Heard::Signal(Signal::Answered(answered)) if answered == id => return,
            Heard::Signal(_) => {}
            Heard::Missed => return,
            Heard::Closed => std::future::pending().await,
        }
    }
}

fn place<'a>(id: &'a RequestId, field: &'static str) -> Place<'a> {
    Place {
        table: "agent_requests",
        row: id,
        field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_come_back_as_they_went() {
        for (reply, bytes) in [
            (Reply::Answer(b"found"), &b"\0found"[..]),
            (Reply::Answer(b""), b"\0"),
            (Reply::Busy, b"\x01"),
        ] {
            assert_eq!(reply.to_bytes(), bytes);
            assert_eq!(Reply::from_bytes(bytes), Some(reply));
        }
        for unknown in [&b""[..], b"\x02", b"\x01more"] {
            assert_eq!(Reply::from_bytes(unknown), None);
        }
    }
}
