//! Every copy of every backup is looked into again and again, the oldest check first, by whoever reaches it: its manifest and
//! sizes daily, all its bytes within a period. See [`crate::domain::verification::schedule`] for what is read when.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::clock::SharedClock;
use dataguardian_core::ids::{AgentId, StorageId};
use rand::Rng as _;
use serde::Serialize;

use super::{Pass, Reconcile};
use crate::asking::Asking;
use crate::domain::leadership::Duty;
use crate::domain::patience::waited;
use crate::domain::storage::Storage;
use crate::domain::verification::schedule::Policy;
use crate::services::Error;
use crate::services::leadership::Leadership;
use crate::services::verifications::{Verifications, reaching};
use crate::sessions::{Answer, AskError, Question};

/// An agent reads for a minute before it answers, and may have an object under way then.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a storage that could not be looked into is left alone.
const AFTER_FAILURE: TimeDelta = TimeDelta::minutes(10);

/// Looks into the storages, one at a time.
#[derive(Debug, Clone)]
pub struct VerifyCopies {
    /// Knows what is to be looked at, and writes down what was found.
    pub verifications: Verifications,
    /// Reaches the agents.
    pub asking: Asking,
    /// Knows whether this replica is the one that does it.
    pub leadership: Leadership,
    /// How often.
    pub policy: Policy,
    /// Between two looks into one storage, at least; up to half as long again, so that not all are looked into at once.
    pub pace: TimeDelta,
    /// Paces the looks.
    pub clock: SharedClock,
    /// When each storage is looked into next. It is only for the pace, so it may be lost.
    pub next: Arc<Mutex<HashMap<StorageId, DateTime<Utc>>>>,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LookedInto {
    /// Copies whose manifest and sizes were looked at.
    pub copies: u64,
    /// Packs and lists that were read.
    pub objects: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Faults that were found.
    pub faults: u64,
    /// Storages that could not be looked into.
    pub unseen_storages: u64,
}

impl Reconcile for VerifyCopies {
    const NAME: &'static str = "verify_copies";
    type Report = LookedInto;

    async fn pass(&self) -> Result<Pass<LookedInto>, Error> {
        if self.leadership.tenure(Duty::Upkeep).is_none() {
            return Ok(Pass::Standby);
        }
        let mut report = LookedInto::default();
        self.verifications.enter().await?;
        self.verifications.count_damage().await?;
        let storages = self.verifications.storages().await?;
        self.next()
            .retain(|id, _| storages.iter().any(|storage| storage.id == *id));
        let connected = self.asking.connected().await?;
        for storage in &storages {
            let Some(agent) = reaching(storage, &connected).filter(|_| self.is_due(storage.id)) else {
                continue;
            };
            let pause = match self.look(storage, agent, &mut report).await? {
                Ok(()) => self.pace,
                Err(error) => {
                    tracing::info!(storage.id = %storage.id, %error, "a storage could not be looked into");
                    report.unseen_storages += 1;
                    AFTER_FAILURE
                }
            };
            let jitter = pause * rand::rng().random_range(0..=50) / 100;
            self.next().insert(storage.id, self.clock.now() + pause + jitter);
        }
        self.verifications.count_damage().await?;
        Ok(Pass::Done(report))
    }
}

impl VerifyCopies {
    /// One look: a copy whose time has come, and a portion of the oldest objects.
    async fn look(
        &self,
        storage: &Storage,
        agent: AgentId,
        report: &mut LookedInto,
    ) -> Result<Result<(), AskError>, Error> {
        if let Some(work) = self.verifications.presence_work(storage.id, &self.policy).await? {
            let question = Question::CheckCopy {
                repository: self.verifications.location(storage)?,
                work: work.clone(),
            };
            match self.asking.ask(agent, question, PATIENCE).await? {
                Ok(Answer::CopyChecked(findings)) if findings.storage == storage.id => {
                    report.copies += 1;
                    report.faults += findings.fault_count;
                    self.verifications.presence_done(&work, *findings).await?;
                }
                Ok(_) => return Ok(Err(AskError::Nonsense)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let Some(work) = self.verifications.objects_work(storage.id, &self.policy).await? else {
            return Ok(Ok(()));
        };
        let question = Question::CheckObjects {
            repository: self.verifications.location(storage)?,
            work: work.clone(),
        };
        match self.asking.ask(agent, question, PATIENCE).await? {
            Ok(Answer::ObjectsChecked { checked, faults }) => {
                let checked = usize::try_from(checked).unwrap_or(usize::MAX);
                report.objects += checked.min(work.objects.len()) as u64;
                report.bytes += work
                    .objects
                    .iter()
                    .take(checked)
                    .map(|(_, size)| size)
                    .sum::<u64>();
                report.faults += faults.len() as u64;
                self.verifications
                    .objects_done(storage.id, &work, checked, faults)
                    .await?;
                Ok(Ok(()))
            }
            Ok(_) => Ok(Err(AskError::Nonsense)),
            Err(error) => Ok(Err(error)),
        }
    }

    fn is_due(&self, storage: StorageId) -> bool {
        let now = self.clock.now();
        self.next().get(&storage).is_none_or(|next| waited(*next, now))
    }

    fn next(&self) -> std::sync::MutexGuard<'_, HashMap<StorageId, DateTime<Utc>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
