//! Puts other replicas' questions to the agents that have their sessions here.

use serde::Serialize;

use super::{Pass, Reconcile};
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
        let agents: Vec<_> = self
            .sessions
            .all()
            .iter()
            .map(|session| session.agent())
            .collect();
        let taken = match agents.is_empty() {
            true => Vec::new(),
            false => self.relay.take(&agents).await?,
        };
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
        let Taken {
            id,
            agent,
            question,
            patience,
        } = taken;
        let answer = self.sessions.put_on(agent, question.expose(), patience).await;
        let done = match answer {
            Ok(answer) => self.relay.answer(id, Reply::Answer(&answer)).await,
            Err(AskError::Busy) => self.relay.answer(id, Reply::Busy).await,
            Err(AskError::NotConnected) => self.relay.give_back(id, agent).await,
            // Whoever waits for it finds that out by himself, at the same time.
            Err(error) => {
                tracing::info!(agent.id = %agent, %error, "another replica's question has no answer");
                return;
            }
        };
        if let Err(error) = done {
            tracing::warn!(agent.id = %agent, %error, "the answer to another replica's question can't be passed on");
        }
    }
}
