//! Copies that a storage missed are made from the others, and those that are damaged are mended, by whoever reaches both.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::clock::SharedClock;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, StorageId};
use dataguardian_repository::layout::ObjectKey;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;

use super::pauses::Pauses;
use super::{Pass, Reconcile};
use crate::services::Error;
use crate::services::copies::{Copies, CopyWork};
use crate::sessions::{Answer, AskError, Question, SessionHandle, Sessions};

/// An agent copies for a minute before it answers, and may have a pack under way then.
const PATIENCE: Duration = Duration::from_secs(300);
/// Copies at the same time.
const AT_ONCE: usize = 4;
/// Between two tries of one copy, at least and at most.
const PACE: (TimeDelta, TimeDelta) = (TimeDelta::seconds(5), TimeDelta::minutes(10));

type Key = (BackupId, StorageId);

/// Makes copies complete.
#[derive(Debug, Clone)]
pub struct HealCopies {
    /// Knows which are not.
    pub copies: Copies,
    /// The agents that are here.
    pub sessions: Sessions,
    /// Paces the tries.
    pub pauses: Pauses<Key>,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Healed {
    /// Copies that are complete now.
    pub completed: usize,
    /// Copies that need more time.
    pub going_on: usize,
    /// Copies that could not be made.
    pub failed: usize,
}

impl Reconcile for HealCopies {
    const NAME: &'static str = "heal_copies";
    type Report = Healed;

    async fn pass(&self) -> Result<Pass<Healed>, Error> {
        let wanted = self.copies.wanted().await?;
        self.pauses.keep(|key| wanted.contains(key));
        let due: Vec<_> = wanted.into_iter().filter(|key| self.pauses.is_due(key)).collect();
        let outcomes = futures::stream::iter(due.into_iter().map(|key| self.clone().heal(key)));
        let outcomes: Vec<_> = outcomes.buffer_unordered(AT_ONCE).try_collect().await?;
        let mut report = Healed::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Completed => report.completed += 1,
                Outcome::GoesOn => report.going_on += 1,
                Outcome::Failed => report.failed += 1,
            }
        }
        Ok(Pass::Done(report))
    }
}

enum Outcome {
    Completed,
    GoesOn,
    Failed,
}

/// What an agent did for a copy.
enum Progress {
    /// All of it is there, and as it should be.
    Complete,
    /// Some of it.
    Partly {
        /// What was damaged and is whole again.
        mended: Vec<ObjectKey>,
        /// Why the rest can't be had now.
        failure: Option<Failure>,
    },
}

impl HealCopies {
    /// No pause is under way.
    pub fn pauses(clock: SharedClock) -> Pauses<Key> {
        Pauses::new(clock, PACE.0, PACE.1)
    }

    async fn heal(self, key: Key) -> Result<Outcome, Error> {
        let Some(work) = self.copies.work(key.0, key.1).await? else {
            self.pauses.fail(key);
            return Ok(Outcome::Failed);
        };
        match self.ask(&work).await? {
            Ok(Progress::Complete) => {
                self.copies.done(&work).await?;
                tracing::info!(backup.id = %key.0, storage.id = %key.1, "a copy of a backup is complete now");
                Ok(Outcome::Completed)
            }
            Ok(Progress::Partly { mended, failure }) => {
                self.copies.mended(&work, &mended).await?;
                match failure {
                    None => Ok(Outcome::GoesOn),
                    Some(failure) => self.put_off(key, failure).await,
                }
            }
            Err(failure) => self.put_off(key, failure).await,
        }
    }

    async fn put_off(&self, key: Key, failure: Failure) -> Result<Outcome, Error> {
        tracing::info!(backup.id = %key.0, storage.id = %key.1, %failure, "a copy of a backup could not be made yet");
        self.copies.failed(key.0, key.1, failure).await?;
        self.pauses.fail(key);
        Ok(Outcome::Failed)
    }

    /// How far the copy is; or why nothing can be done for it now.
    async fn ask(&self, work: &CopyWork) -> Result<Result<Progress, Failure>, Error> {
        let mut here: Vec<_> = self.sessions.all().iter().map(SessionHandle::agent).collect();
        here.sort();
        let Some((agent, sources)) = work.parties(&here) else {
            let message = format!(
                "no connected agent reaches both storage {} and a storage that holds the backup",
                work.target.name
            );
            return Ok(Err(Failure::new(FailureKind::StorageUnreachable, message)));
        };
        let sources = sources.iter().map(|source| self.copies.location(source));
        let question = Question::CopyBackup {
            datasource: work.datasource,
            backup: work.backup,
            manifest_sha256: work.manifest_sha256,
            sources: sources.collect::<Result<_, Error>>()?,
            target: self.copies.location(&work.target)?,
            control_plane: self.copies.owner(),
            mend: work.mend.clone(),
        };
        Ok(match self.sessions.ask(agent, question, PATIENCE).await {
            Ok(Answer::Copied { complete: true, .. }) => Ok(Progress::Complete),
            Ok(Answer::Copied { mended, failure, .. }) => Ok(Progress::Partly { mended, failure }),
            Ok(_) => Err(Failure::new(
                FailureKind::Internal,
                AskError::Nonsense.to_string(),
            )),
            Err(AskError::Failed(failure)) => Err(failure),
            Err(error) => Err(Failure::new(FailureKind::AgentLost, error.to_string())),
        })
    }
}
