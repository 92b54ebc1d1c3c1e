//! Answers other replicas' questions, and puts those to the agents that have their sessions here.

use dataguardian_core::ids::AgentId;
use serde::Serialize;

use super::{Pass, Reconcile};
use crate::domain::addressee::Addressee;
use crate::nodes::Nodes;
use crate::services::Error;
use crate::services::relay::{Relay, Reply, Taken};
use crate::sessions::{AskError, Sessions};

/// Puts questions.
#[derive(Debug, Clone)]
pub struct RelayQuestions {
    /// Knows the questions.
    pub relay: Relay,
    /// The agents that are here.
    pub sessions: Sessions,
    /// Knows how the machines are.
    pub nodes: Nodes,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Put {
    /// Questions that are put from now on.
    pub put: usize,
}

impl Reconcile for RelayQuestions {
    const NAME: &'static str = "relay_questions";
    type Report = Put;

    async fn pass(&self) -> Result<Pass<Put>, Error> {
        if !self.relay.has_others() {
            return Ok(Pass::Done(Put::default()));
        }
        let sessions = self.sessions.all();
        let agents = sessions.iter().map(|session| Addressee::Agent(session.agent()));
        let here: Vec<_> = agents.chain([Addressee::Replica(self.nodes.me())]).collect();
        let taken = self.relay.take(&here).await?;
        let put = taken.len();
        for question in taken {
            // Each takes as long as its agent does; the others do not wait for it.
            self.sessions.tasks().spawn(self.clone().put(question));
        }
        Ok(Pass::Done(Put { put }))
    }
}

impl RelayQuestions {
    async fn put(self, taken: Taken) {
        let (id, addressee) = (taken.id, taken.addressee);
        let done = match addressee {
            Addressee::Agent(agent) => self.put_to(agent, taken).await,
            Addressee::Replica(_) => self.answer(taken).await,
        };
        if let Err(error) = done {
            tracing::warn!(request.id = %id, ?addressee, %error, "the answer to another replica's question can't be passed on");
        }
    }

    async fn put_to(&self, agent: AgentId, taken: Taken) -> Result<(), Error> {
        let answer = self
            .sessions
            .put_on(agent, taken.question.expose(), taken.patience)
            .await;
        match answer {
            Ok(answer) => self.relay.answer(taken.id, Reply::Answer(&answer)).await,
            Err(AskError::Busy) => self.relay.answer(taken.id, Reply::Busy).await,
            Err(AskError::NotConnected) => self.relay.give_back(taken.id, taken.addressee).await,
            // Whoever waits for it finds that out by himself, at the same time.
            Err(error) => {
                tracing::info!(agent.id = %agent, %error, "another replica's question has no answer");
                Ok(())
            }
        }
    }

    async fn answer(&self, taken: Taken) -> Result<(), Error> {
        match self.nodes.answer(taken.question.expose()) {
            Some(answer) => self.relay.answer(taken.id, Reply::Answer(&answer)).await,
            // A newer replica's: it goes on without the answer.
            None => self.relay.answer(taken.id, Reply::Busy).await,
        }
    }
}
