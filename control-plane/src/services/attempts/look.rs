//! Before a manifest is signed, the control plane looks itself into each bucket that it has a key for: whether everything new is
//! there, with its size. An agent that is wrong about its uploads, or lies, gets no signature.
//!
//! What the base names was looked at when the base was committed, and the catalogue knows it; it is not asked for again.
//!
//! What must never happen: a bucket is called looked at of whose new objects one was not seen. What was seen is remembered while
//! the attempt lasts, so that a look may take several calls: agents wait 30 s for an answer, and [`BUDGET`] is less.
//!
//! A bucket that is away is asked again and again. One of which nothing is heard for [`PATIENCE`], or that refuses the key, holds
//! no backup up: the agent has looked too, its word is taken, and a warning says so.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::database::Warning;
use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{AgentId, DatasourceId, StorageId};
use dataguardian_repository::layout::ObjectKey;
use dataguardian_repository::manifest::Outline;
use dataguardian_repository::presence::{MissingOrWrongSize, named};
use dataguardian_repository::storage::s3::S3Settings;
use dataguardian_repository::storage::{Storage as Bucket, StorageError, StorageErrorKind};
use futures::StreamExt as _;
use tokio::time::Instant;

use super::Attempts;
use crate::domain::assignment::BackupOutcome;
use crate::domain::backup::CheckedBy;
use crate::domain::execution::{BackupSpec, Execution, ExecutionSpec};
use crate::domain::storage::Storage;
use crate::domain::verdict::FenceStanding;
use crate::services::payload::outline_of;
use crate::services::storages::own_access;
use crate::services::transition::{Judged, judge_in_tx};
use crate::services::{Context, Error};
use crate::store::backups::manifest_get;
use crate::store::storages::storage_get_many;

/// How long one call looks before it asks the agent to come again.
const BUDGET: Duration = Duration::from_secs(20);
/// How long a bucket may be away within one call.
const AWAY: Duration = Duration::from_secs(8);
/// How long nothing at all may be heard of a bucket before the agent's word is taken.
const PATIENCE: TimeDelta = TimeDelta::seconds(60);
/// When an agent that was asked to come again does so.
const AGAIN: Duration = Duration::from_secs(1);
/// How many objects are asked for at a time.
const IN_FLIGHT: usize = 32;
/// An object that is not there is asked for once more after each of these: some servers show a moment later what was put.
const ONCE_MORE: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// What is remembered of an attempt that does not come back for so long is forgotten.
const FORGOTTEN: TimeDelta = TimeDelta::minutes(15);

/// What the control plane saw of a backup that is about to be committed.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing speaks against it.
    Sound(Witness),
    /// Something is not as the agent says.
    Lacking(Failure),
}

/// Which storages the control plane has looked into itself.
#[derive(Debug, Default)]
pub(super) struct Witness {
    seen: HashSet<StorageId>,
    /// Of those that it has a key for and could not look into.
    pub(super) warnings: Vec<Warning>,
}

impl Witness {
    /// Who saw to the objects in that storage.
    pub(super) fn checked_by(&self, storage: StorageId) -> CheckedBy {
        if self.seen.contains(&storage) {
            CheckedBy::ControlPlane
        } else {
            CheckedBy::Agent
        }
    }
}

/// Looks that are not at their end. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks(Arc<Mutex<HashMap<(Fence, StorageId), Sofar>>>);

/// How far a look into one storage came.
#[derive(Debug)]
struct Sofar {
    seen: HashSet<ObjectKey>,
    /// When something was seen last, or the look began, by the clock's uptime.
    moved: TimeDelta,
    /// Why the storage is not asked any more.
    given_up: Option<String>,
}

impl Looks {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Fence, StorageId), Sofar>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was seen so far, and why it is not looked at any more. Begins what has not begun.
    fn begin(&self, of: (Fence, StorageId), now: TimeDelta) -> (HashSet<ObjectKey>, Option<String>) {
        let mut looks = self.lock();
        looks.retain(|_, sofar| now - sofar.moved < FORGOTTEN);
        let sofar = looks.entry(of).or_insert_with(|| Sofar {
            seen: HashSet::new(),
            moved: now,
            given_up: None,
        });
        (sofar.seen.clone(), sofar.given_up.clone())
    }

    fn saw(&self, of: (Fence, StorageId), key: ObjectKey, now: TimeDelta) {
        if let Some(sofar) = self.lock().get_mut(&of) {
            sofar.seen.insert(key);
            sofar.moved = now;
        }
    }

    fn silent_for(&self, of: (Fence, StorageId), now: TimeDelta) -> TimeDelta {
        self.lock()
            .get(&of)
            .map_or(TimeDelta::zero(), |sofar| now - sofar.moved)
    }

    fn give_up(&self, of: (Fence, StorageId), why: &str) {
        if let Some(sofar) = self.lock().get_mut(&of) {
            sofar.given_up = Some(why.to_owned());
        }
    }

    /// Forgets what is remembered of an attempt.
    pub(super) fn forget(&self, fence: Fence) {
        self.lock().retain(|(of, _), _| *of != fence);
    }
}

/// How a look into one storage ended, for now.
enum Ended {
    /// Everything new was seen.
    All,
    /// This is not as it should be.
    Lacking(MissingOrWrongSize),
    /// The bucket gives no answer that is of use.
    Unable(StorageError),
    /// The call's time is over.
    OutOfTime,
}

impl Attempts {
    /// Looks into the buckets that an outcome calls complete. What does not hold the execution, or is refused for its shape, is
    /// not looked at: the commit says why.
    pub(super) async fn look(
        &self,
        agent: AgentId,
        fence: Fence,
        outcome: &BackupOutcome,
    ) -> Result<Look, Error> {
        let context = &self.context;
        let tx = context.store.begin().await?;
        let Judged { execution, standing } = judge_in_tx(&tx, agent, fence).await?;
        drop(tx);
        let at_work = matches!(
            standing,
            FenceStanding::Holds(ExecutionState::Leased | ExecutionState::Running)
        );
        let mut witness = Witness::default();
        let ExecutionSpec::Backup(spec) = &execution.spec else {
            return Ok(Look::Sound(witness));
        };
        let buckets = buckets(context, spec, outcome).await?;
        if !at_work || buckets.is_empty() {
            return Ok(Look::Sound(witness));
        }
        let Some((datasource, fresh)) = fresh(context, spec, &execution, fence, outcome).await? else {
            return Ok(Look::Sound(witness));
        };
        let until = Instant::now() + BUDGET;
        for (storage, settings) in &buckets {
            let of = (fence, storage.id);
            let (seen, given_up) = self.looks.begin(of, context.clock.uptime());
            if let Some(why) = given_up {
                witness.warnings.push(not_looked(storage, &why));
                continue;
            }
            let left = fresh.iter().filter(|(key, _)| !seen.contains(key)).copied();
            match self.see(of, settings, left.collect(), until).await {
                Ended::All => {
                    witness.seen.insert(storage.id);
                }
                Ended::Lacking(problem) => {
                    self.looks.forget(fence);
                    tracing::warn!(
                        execution.id = %fence.execution, %datasource, storage = %storage.name, object = %problem.key,
                        "an agent says that an object is stored, which the control plane does not find"
                    );
                    return Ok(Look::Lacking(lacking(storage, &problem)));
                }
                ended => {
                    let why = self.patiently(of, storage, ended)?;
                    witness.warnings.push(not_looked(storage, &why));
                }
            }
        }
        self.looks.forget(fence);
        Ok(Look::Sound(witness))
    }

    /// Why the storage is given up; an error that asks the agent to come again if it is too early for that.
    fn patiently(&self, of: (Fence, StorageId), storage: &Storage, ended: Ended) -> Result<String, Error> {
        let (why, may_pass) = match &ended {
            Ended::Unable(error) => {
                let passing = [StorageErrorKind::Unreachable, StorageErrorKind::Stalled];
                (error.failure().message, passing.contains(&error.kind))
            }
            _ => ("it does not answer in time".to_owned(), true),
        };
        let silent = self.looks.silent_for(of, self.context.clock.uptime());
        if may_pass && silent < PATIENCE {
            return Err(Error::ComeBackLater {
                reason: "STILL_LOOKING",
                message: format!("still looking whether everything is in storage {}", storage.name),
                after: AGAIN,
            });
        }
        tracing::warn!(storage = %storage.name, why, "the control plane could not look into a bucket itself");
        self.looks.give_up(of, &why);
        Ok(why)
    }

    /// Asks for what is left, many at a time.
    async fn see(
        &self,
        of: (Fence, StorageId),
        settings: &S3Settings,
        left: Vec<(ObjectKey, u64)>,
        until: Instant,
    ) -> Ended {
        let settings = S3Settings {
            stall: AWAY,
            ..settings.clone()
        };
        let bucket = match Bucket::s3(&settings) {
            Ok(bucket) => bucket.patient(AWAY),
            Err(error) => return Ended::Unable(error),
        };
        let looking = async {
            let mut heads = futures::stream::iter(left)
                .map(|(key, expected)| head(&bucket, key, expected))
                .buffer_unordered(IN_FLIGHT);
            while let Some(head) = heads.next().await {
                match head {
                    Ok(Ok(key)) => self.looks.saw(of, key, self.context.clock.uptime()),
                    Ok(Err(problem)) => return Ended::Lacking(problem),
                    Err(error) => return Ended::Unable(error),
                }
            }
            Ended::All
        };
        let ended = tokio::time::timeout_at(until, looking).await;
        ended.unwrap_or(Ended::OutOfTime)
    }
}

/// Asks for one object. Give its key if it is as it should be.
async fn head(
    bucket: &Bucket,
    key: ObjectKey,
    expected: u64,
) -> Result<Result<ObjectKey, MissingOrWrongSize>, StorageError> {
    let mut found = bucket.head(&key).await?;
    for pause in ONCE_MORE {
        if found == Some(expected) {
            break;
        }
        tokio::time::sleep(pause).await;
        found = bucket.head(&key).await?;
    }
    Ok(if found == Some(expected) {
        Ok(key)
    } else {
        Err(MissingOrWrongSize { key, expected, found })
    })
}

/// The storages of an outcome that the control plane has a key for.
async fn buckets(
    context: &Context,
    spec: &BackupSpec,
    outcome: &BackupOutcome,
) -> Result<Vec<(Storage, S3Settings)>, Error> {
    let mut ids = outcome.complete_storages.clone();
    ids.retain(|id| spec.storages.contains(id));
    let mut buckets = Vec::new();
    for storage in storage_get_many(&context.store, &ids).await? {
        if let Some(settings) = own_access(context, &storage)? {
            buckets.push((storage, settings));
        }
    }
    Ok(buckets)
}

/// What a payload names that its base does not; none if the execution has no backup to make.
async fn fresh(
    context: &Context,
    spec: &BackupSpec,
    execution: &Execution,
    fence: Fence,
    outcome: &BackupOutcome,
) -> Result<Option<(DatasourceId, Vec<(ObjectKey, u64)>)>, Error> {
    let (Some(datasource), Some(backup)) = (execution.datasource, execution.leased_backup) else {
        return Ok(None);
    };
    let outline = outline_of(&outcome.payload, spec, (backup, datasource, fence.execution))?;
    let mut fresh = named(&outline);
    let base = execution.reuse.and_then(|reuse| reuse.base);
    let base = match base {
        Some(base) => manifest_get(&context.store, base).await?,
        None => None,
    };
    // Of a base that can't be read nothing is known, and so everything is asked for.
    if let Some(base) = base.and_then(|base| Outline::decode(&base.payload).ok()) {
        let known: HashSet<_> = named(&base).into_iter().collect();
        fresh.retain(|object| !known.contains(object));
    }
    Ok(Some((datasource, fresh)))
}

fn lacking(storage: &Storage, problem: &MissingOrWrongSize) -> Failure {
    let what = match problem.found {
        None => "is not there".to_owned(),
        Some(found) => format!("has {found} bytes and not {}", problem.expected),
    };
    let message = format!(
        "storage {}: {} {what}, though the agent says that it is stored",
        storage.name,
        problem.key.describe()
    );
    Failure::new(FailureKind::StorageError, message)
}

fn not_looked(storage: &Storage, why: &str) -> Warning {
    Warning {
        database: None,
        message: format!(
            "storage {}: the control plane could not look itself whether everything is there, and takes the agent's word: {why}",
            storage.name
        ),
    }
}

#[cfg(test)]
mod tests {
    use dataguardian_core::ids::{ExecutionId, LeaseToken};
    use dataguardian_repository::id::PackId;

    use super::*;

    fn fence() -> Fence {
        Fence {
            execution: ExecutionId::new(),
            attempt: 1,
            lease_token: LeaseToken::new(),
        }
    }

    #[test]
    fn a_look_goes_on_where_it_was_and_is_forgotten_with_its_attempt() {
        let (looks, fence, storage) = (Looks::default(), fence(), StorageId::new());
        let of = (fence, storage);
        let key = ObjectKey::Pack(DatasourceId::new(), PackId::of(b"a"));
        let at = TimeDelta::seconds;
        assert_eq!(looks.begin(of, at(0)), (HashSet::new(), None));
        assert_eq!(looks.silent_for(of, at(50)), at(50));
        looks.saw(of, key, at(50));
        assert_eq!(looks.silent_for(of, at(60)), at(10));
        looks.give_up(of, "it is away");
        let begun = looks.begin(of, at(61));
        assert_eq!(begun, (HashSet::from([key]), Some("it is away".to_owned())));
        looks.forget(fence);
        assert_eq!(looks.begin(of, at(62)), (HashSet::new(), None));
    }

    #[test]
    fn attempts_that_never_come_back_leave_nothing() {
        let looks = Looks::default();
        looks.begin((fence(), StorageId::new()), TimeDelta::zero());
        looks.begin((fence(), StorageId::new()), FORGOTTEN);
        assert_eq!(looks.lock().len(), 1);
    }
}
