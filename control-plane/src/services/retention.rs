//! Retention of jobs: what is kept is decided in [`crate::domain::retention`], and what is not goes the way of every deletion.
//!
//! A job is marked as due in the transaction that gives it another backup, and looked at again with each pass of clean-up. Each
//! backup goes in a transaction of its own, in which everything is looked at and decided anew while the job is held: nobody's word
//! on what is newest, verified, pinned or needed is older than the deletion itself.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{BackupId, JobId};
use dataguardian_core::storage::Strategy;

use super::deletion::take_away_in_tx;
use super::{Context, Error, lookup};
use crate::domain::audit::{Actor, AuditEntry};
use crate::domain::job::Job;
use crate::domain::leadership::Tenure;
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::reference::Reference;
use crate::domain::retention::{Candidate, Class, Decision, Policy, Retention as Rules, decide};
use crate::queue::Signal;
use crate::store::audit::audit_insert_in_tx;
use crate::store::jobs::job_lock_in_tx;
use crate::store::retention::{
    retention_candidates, retention_done_in_tx, retention_due, retention_jobs, retention_mark_in_tx,
};
use crate::store::{Connected, Tx};

/// Jobs in one pass over those that are due, and in one query over all.
const JOBS: u64 = 100;
/// Backups of one job in one pass.
const BACKUPS: usize = 100;

/// What the audit log calls it.
const METHOD: &str = "retention";

/// Retention of jobs.
#[derive(Debug, Clone)]
pub struct Retention {
    context: Context,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Jobs that were looked at.
    pub jobs: usize,
    /// Backups that are on their way out now.
    pub deleted: usize,
    /// Backups that were to go, and that something forbids to delete.
    pub held: usize,
}

/// What would become of a job's backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preview {
    /// The job.
    pub job: Job,
    /// The rules that it was decided by; none if nothing is ever deleted by itself.
    pub rules: Option<Rules>,
    /// Backups that stay.
    pub kept: usize,
    /// Backups that go.
    pub deleted: usize,
    /// The backups on this page, the newest first.
    pub backups: Page<(Candidate, Decision)>,
}

/// Whose rules a preview goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviewOf {
    /// The job's own.
    Present,
    /// Others, that the job might get.
    Proposed(Rules),
}

impl Retention {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Applies the retention of the jobs that something has changed for.
    pub async fn apply_due(&self, tenure: Tenure) -> Result<Applied, Error> {
        let due = retention_due(&self.context.store, JOBS).await?;
        let mut applied = Applied::default();
        let mut failed = None;
        for (job, since) in due {
            match self.apply(job, Some(since), tenure, &mut applied).await {
                Ok(()) => {}
                // The others are not to wait for this one.
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(applied), Err)
    }

    /// Applies the retention of all jobs that have one.
    pub async fn apply_all(&self, tenure: Tenure) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        let (mut after, mut failed) = (None, None);
        loop {
            let jobs = retention_jobs(&self.context.store, after, JOBS).await?;
            let Some(last) = jobs.last().copied() else { break };
            for job in jobs {
                if let Err(error) = self.apply(job, None, tenure, &mut applied).await {
                    failed = Some(error);
                }
            }
            after = Some(last);
        }
        failed.map_or(Ok(applied), Err)
    }

    /// What would become of a job's backups now. Changes nothing.
    pub async fn preview(
        &self,
        job: &Reference<JobId>,
        of: PreviewOf,
        page: &PageRequest,
    ) -> Result<Preview, Error> {
        let store = &self.context.store;
        let job = lookup::job(store, job).await?;
        let rules = match of {
            PreviewOf::Present => job.retention,
            PreviewOf::Proposed(rules) => {
                rules.check()?;
                Some(rules)
            }
        };
        let from = page.from_number()?;
        let Some(rules) = rules else {
            return Ok(Preview {
                job,
                rules: None,
                kept: 0,
                deleted: 0,
                backups: Page::from_overfull(Vec::new(), page.size, |_| Cursor::Number(0)),
            });
        };
        let decided = decided(store, &job, &rules, self.context.now()).await?;
        let deleted = decided.iter().filter(|(_, decision)| decision.deletes()).count();
        let kept = decided.len() - deleted;
        let (from, size) = (usize::try_from(from).unwrap_or(usize::MAX), page.size as usize);
        let shown: Vec<_> = decided
            .into_iter()
            .skip(from)
            .take(size.saturating_add(1))
            .collect();
        let next = u64::try_from(from.saturating_add(size)).unwrap_or(u64::MAX);
        Ok(Preview {
            job,
            rules: Some(rules),
            kept,
            deleted,
            backups: Page::from_overfull(shown, page.size, |_| Cursor::Number(next)),
        })
    }

    /// Applies the retention of one job. What is left after a bounded number of backups is left to the next pass.
    async fn apply(
        &self,
        job: JobId,
        since: Option<DateTime<Utc>>,
        tenure: Tenure,
        applied: &mut Applied,
    ) -> Result<(), Error> {
        let context = &self.context;
        let mut held = BTreeSet::new();
        let (mut deleted, mut more) = (0, true);
        for _ in 0..BACKUPS {
            let tx = context.begin_by(tenure).await?;
            match self.delete_one_in_tx(&tx, job, &mut held).await? {
                Step::Deleted => {
                    tx.commit().await?;
                    deleted += 1;
                }
                Step::Held => {}
                Step::Done => {
                    more = false;
                    if let Some(since) = since {
                        retention_done_in_tx(&tx, job, since).await?;
                        tx.commit().await?;
                    }
                    break;
                }
            }
        }
        if more && since.is_none() {
            let tx = context.store.begin().await?;
            retention_mark_in_tx(&tx, job, context.now()).await?;
            tx.commit().await?;
        }
        if deleted > 0 {
            context.signal(Signal::BackupDeleted);
        }
        applied.jobs += 1;
        applied.deleted += deleted;
        applied.held += held.len();
        Ok(())
    }

    /// Takes the oldest backup away that is to go, and that nothing holds.
    async fn delete_one_in_tx(
        &self,
        tx: &Tx,
        job: JobId,
        held: &mut BTreeSet<BackupId>,
    ) -> Result<Step, Error> {
        let context = &self.context;
        let Some(job) = job_lock_in_tx(tx, job).await? else {
            return Ok(Step::Done);
        };
        let Some(rules) = job.retention else {
            return Ok(Step::Done);
        };
        let decided = decided(tx, &job, &rules, context.now()).await?;
        let mut oldest_first = decided.into_iter().map(|(_, decision)| decision).rev();
        let next = oldest_first.find(|decision| decision.deletes() && !held.contains(&decision.backup));
        let Some(decision) = next else {
            return Ok(Step::Done);
        };
        if let Err(refusal) = take_away_in_tx(context, tx, decision.backup).await? {
            tracing::info!(
                backup.id = %decision.backup, job.id = %job.id, %refusal,
                "retention would delete a backup that may not be deleted now"
            );
            held.insert(decision.backup);
            return Ok(Step::Held);
        }
        let entry = AuditEntry {
            actor: Actor::System,
            method: METHOD.to_owned(),
            resource: format!("backup {} of job {}", decision.backup, job.name),
            outcome: outcome(&rules, decision.class).to_owned(),
            remote: None,
        };
        audit_insert_in_tx(tx, &entry, context.now()).await?;
        tracing::info!(
            backup.id = %decision.backup, job.id = %job.id, policy = policy(&rules),
            "retention deletes a backup"
        );
        Ok(Step::Deleted)
    }
}

/// How far one transaction came.
enum Step {
    Deleted,
    /// Something forbids it.
    Held,
    /// Nothing is to go.
    Done,
}

/// All backups of a job with what becomes of each, the newest first.
async fn decided(
    on: &impl Connected,
    job: &Job,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Result<Vec<(Candidate, Decision)>, Error> {
    let candidates = retention_candidates(on, job.id).await?;
    let replicated: Vec<_> = match job.strategy {
        Strategy::Replicate => job.storages.iter().map(|storage| storage.id).collect(),
        Strategy::Fallback => Vec::new(),
    };
    let decisions = decide(rules, &replicated, &candidates, now);
    let mut by_id: std::collections::BTreeMap<_, _> = candidates
        .into_iter()
        .map(|candidate| (candidate.backup, candidate))
        .collect();
    let with_candidate = |decision: Decision| Some((by_id.remove(&decision.backup)?, decision));
    Ok(decisions.into_iter().filter_map(with_candidate).collect())
}

/// The policy, in a word.
const fn policy(rules: &Rules) -> &'static str {
    match rules.policy {
        Policy::MaxBackups(_) => "max_backups",
        Policy::Legacy(_) => "legacy",
        Policy::Gfs(_) => "gfs",
    }
}

/// What the audit log says of a deletion: by which policy, and what kind of backup it was.
const fn outcome(rules: &Rules, class: Class) -> &'static str {
    match (rules.policy, class) {
        (Policy::MaxBackups(_), Class::Complete) => "deleted: beyond max_backups",
        (Policy::MaxBackups(_), Class::Partial) => "deleted: partial, beyond max_backups",
        (Policy::MaxBackups(_), Class::Unfit) => "deleted: whole nowhere, beyond max_backups",
        (Policy::Legacy(_), Class::Complete) => "deleted: beyond legacy",
        (Policy::Legacy(_), Class::Partial) => "deleted: partial, beyond legacy",
        (Policy::Legacy(_), Class::Unfit) => "deleted: whole nowhere, beyond legacy",
        (Policy::Gfs(_), Class::Complete) => "deleted: kept by no rule of gfs",
        (Policy::Gfs(_), Class::Partial) => "deleted: partial, kept by no rule of gfs",
        (Policy::Gfs(_), Class::Unfit) => "deleted: whole nowhere, kept by no rule of gfs",
    }
}
