//! No backup stays between its data and its manifest: whoever reaches the storages of a commit that its attempt left is asked
//! to put the manifest, which the control plane keeps.
//!
//! The attempt's own agent may be at it at the same time, from its journal: both put the same bytes, if nothing is there, and
//! both report to the same place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dataguardian_core::clock::SharedClock;
use dataguardian_core::ids::ExecutionId;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::{Pass, Reconcile};
use crate::domain::commit::{Asked, CommitStep};
use crate::services::Error;
use crate::services::attempts::Attempts;
use crate::services::commits::{Commits, UnfinishedCommit};
use crate::sessions::{Answer, Question, Sessions};

/// The agent looks for every object that the manifest names before it answers.
const PATIENCE: Duration = Duration::from_secs(120);
/// Questions at the same time.
const AT_ONCE: usize = 8;

/// Finishes commits.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Knows which are not finished.
    pub commits: Commits,
    /// Takes the word of it.
    pub attempts: Attempts,
    /// The agents that are here.
    pub sessions: Sessions,
    /// Paces the questions.
    pub clock: SharedClock,
    /// What was asked so far. It is only for the pace, so it may be lost.
    pub asked: Arc<Mutex<HashMap<ExecutionId, Asked>>>,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Committed {
    /// Commits that an answer finished, well or not.
    pub settled: usize,
    /// Commits given up since nobody could look.
    pub given_up: usize,
    /// Commits that were asked about in vain.
    pub refused: usize,
}

impl Reconcile for Commit {
    const NAME: &'static str = "commit";
    type Report = Committed;

    async fn pass(&self) -> Result<Pass<Committed>, Error> {
        let unfinished = self.commits.unfinished().await?;
        self.forget_others(&unfinished);
        let advance = |commit: UnfinishedCommit| {
            let this = self.clone();
            async move { this.advance(&commit).await }
        };
        let outcomes = futures::stream::iter(unfinished.into_iter().map(advance));
        let outcomes: Vec<_> = outcomes.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut report = Committed::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Waits => {}
                Outcome::Settled => report.settled += 1,
                Outcome::GivenUp => report.given_up += 1,
                Outcome::Refused => report.refused += 1,
            }
        }
        Ok(Pass::Done(report))
    }
}

/// What became of one commit.
enum Outcome {
    Waits,
    Settled,
    GivenUp,
    Refused,
}

impl Commit {
    async fn advance(&self, commit: &UnfinishedCommit) -> Result<Outcome, Error> {
        let id = commit.fence.execution;
        let present = self.sessions.is_connected(commit.agent);
        let asked = self.asked().get(&id).copied().unwrap_or_default();
        match self.commits.step(commit, asked, present) {
            CommitStep::Wait => Ok(Outcome::Waits),
            CommitStep::Ask => {
                let asked = Asked {
                    times: asked.times + 1,
                    last: Some(self.clock.now()),
                };
                self.asked().insert(id, asked);
                self.ask(commit).await
            }
            CommitStep::GiveUp if self.commits.give_up(id).await? => Ok(Outcome::GivenUp),
            CommitStep::GiveUp => Ok(Outcome::Waits),
        }
    }

    async fn ask(&self, commit: &UnfinishedCommit) -> Result<Outcome, Error> {
        let id = commit.fence.execution;
        let question = Question::PutManifest {
            fence: commit.fence,
            datasource: commit.datasource,
            backup: commit.backup,
            repositories: commit.repositories.clone(),
        };
        let (stored, failed) = match self.sessions.ask(commit.agent, question, PATIENCE).await {
            Ok(Answer::ManifestPut { stored, failed }) => (stored, failed),
            Ok(_) => {
                tracing::warn!(execution.id = %id, "the agent answered something else than whether it put the manifest");
                return Ok(Outcome::Refused);
            }
            Err(error) => {
                tracing::info!(execution.id = %id, %error, "the manifest could not be put yet");
                return Ok(Outcome::Refused);
            }
        };
        match self
            .attempts
            .confirm_commit(commit.agent, commit.fence, &stored, &failed)
            .await
        {
            Ok(after) if after.state.is_terminal() => {
                tracing::info!(execution.id = %id, state = %after.state, "a commit that was left is settled");
                Ok(Outcome::Settled)
            }
            Ok(_) => Ok(Outcome::Refused),
            // Its attempt was quicker.
            Err(Error::StaleFence) => Ok(Outcome::Settled),
            Err(error) => Err(error),
        }
    }

    fn forget_others(&self, unfinished: &[UnfinishedCommit]) {
        let is_there = |id: &ExecutionId| unfinished.iter().any(|commit| commit.fence.execution == *id);
        self.asked().retain(|id, _| is_there(id));
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
