//! What is looked at for troubles: as the metadata database has it, with everything looked up.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::execution::ExecutionKind;
use dataguardian_core::ids::{AgentId, ApiTokenId, DatasourceId, ExecutionId, JobId, StorageId, UserId};

use super::{About, Addressee, Condition, EventKind};
use crate::domain::health;
use crate::domain::schedule::Schedule;

/// Everything that is looked at, at one moment.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The jobs.
    pub jobs: Vec<JobFacts>,
    /// The datasources.
    pub datasources: Vec<DatasourceFacts>,
    /// The storages, with how each does.
    pub storages: Vec<StorageFacts>,
    /// The agents that were not revoked.
    pub agents: Vec<AgentFacts>,
    /// Copies that are damaged.
    pub damage: Vec<Damage>,
    /// Restores and verifications that failed lately.
    pub failures: Vec<FailedExecution>,
    /// API tokens.
    pub tokens: Vec<TokenFacts>,
    /// The channels that are not disabled.
    pub channels: Vec<ChannelFacts>,
    /// Users who had to wait for wrong passwords lately.
    pub waiting_users: Vec<WaitingUser>,
    /// Since when this replica's queue is offline, and why; none while it is online.
    pub queue_offline: Option<(DateTime<Utc>, String)>,
    /// Since when this replica has been looking, without a break.
    pub seen_since: DateTime<Utc>,
}

/// A job, with what became of its backups.
#[derive(Debug, Clone)]
pub struct JobFacts {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// What it backs up.
    pub datasource: (DatasourceId, String),
    /// When it is due; none without a schedule and while that is paused.
    pub schedule: Option<Schedule>,
    /// Since when backups are expected by it.
    pub expected_since: DateTime<Utc>,
    /// When the newest execution that completed was queued.
    pub completed_at: Option<DateTime<Utc>>,
    /// When the newest execution that failed was queued.
    pub failed_at: Option<DateTime<Utc>>,
    /// What the newest one that failed came to, where it is newer than any that completed.
    pub failure: Option<JobFailure>,
    /// Since when an execution of it waits, and its id.
    pub waits: Option<(DateTime<Utc>, ExecutionId)>,
    /// Whether an agent is at work on one.
    pub at_work: bool,
}

/// How a job's newest backup failed.
#[derive(Debug, Clone)]
pub struct JobFailure {
    /// The execution.
    pub execution: ExecutionId,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub advice: String,
}

/// A datasource, with its newest backups.
#[derive(Debug, Clone)]
pub struct DatasourceFacts {
    /// Its id.
    pub id: DatasourceId,
    /// Its name.
    pub name: String,
    /// Since when it is known.
    pub created_at: DateTime<Utc>,
    /// How it does; none if nobody has looked.
    pub health: Option<HealthFacts>,
    /// When its newest backup was complete.
    pub newest_at: Option<DateTime<Utc>>,
    /// When its newest verified backup was complete.
    pub verified_at: Option<DateTime<Utc>>,
    /// How old the newest backup may be; any age if none.
    pub backup_within: Option<TimeDelta>,
    /// How old the newest verified backup may be; any age if none.
    pub verified_within: Option<TimeDelta>,
}

/// A storage.
#[derive(Debug, Clone)]
pub struct StorageFacts {
    /// Its id.
    pub id: StorageId,
    /// Its name.
    pub name: String,
    /// How it does; none if nobody has looked.
    pub health: Option<HealthFacts>,
}

/// How a datasource or storage does.
#[derive(Debug, Clone)]
pub struct HealthFacts {
    /// What two looks in a row have said.
    pub condition: health::Condition,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What stands in the way, with what to do about it.
    pub problems: String,
    /// The room that is left, in bytes.
    pub free_bytes: Option<u64>,
}

/// An agent.
#[derive(Debug, Clone)]
pub struct AgentFacts {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub name: String,
    /// When it was last heard of, or enrolled.
    pub last_seen_at: DateTime<Utc>,
    /// When its certificate ends.
    pub certificate_ends: Option<DateTime<Utc>>,
}

/// Copies of a datasource's backups that are damaged in a storage.
#[derive(Debug, Clone)]
pub struct Damage {
    /// The storage.
    pub storage: (StorageId, String),
    /// The datasource.
    pub datasource: (DatasourceId, String),
    /// How many.
    pub copies: u64,
    /// Since when the first of them is known to be.
    pub since: DateTime<Utc>,
}

/// A restore or verification that failed.
#[derive(Debug, Clone)]
pub struct FailedExecution {
    /// Which.
    pub id: ExecutionId,
    /// What it was.
    pub kind: ExecutionKind,
    /// The datasource, if it is still there.
    pub datasource: Option<(DatasourceId, String)>,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// Why.
    pub why: String,
    /// What to do about it.
    pub advice: String,
}

/// An API token.
#[derive(Debug, Clone)]
pub struct TokenFacts {
    /// Its id.
    pub id: ApiTokenId,
    /// Whose it is.
    pub username: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// A channel of notifications.
#[derive(Debug, Clone)]
pub struct ChannelFacts {
    /// Its id and name.
    pub id: Addressee,
    /// When something last arrived.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Why the last try failed; none if it did not.
    pub failure: Option<String>,
    /// Since when something that was tried has not arrived.
    pub undelivered_since: Option<DateTime<Utc>>,
}

/// A user whose password was tried wrongly so often that the next try had to wait.
#[derive(Debug, Clone)]
pub struct WaitingUser {
    /// The row of the audit log that says so.
    pub number: u64,
    /// Who.
    pub user: (UserId, String),
    /// When the wait began.
    pub at: DateTime<Utc>,
    /// From which address the last try came, if known.
    pub from: Option<String>,
}

impl Facts {
    /// Whether what a condition is about is still there and still expected: what was deleted or called off does not recover.
    pub fn still_concern(&self, condition: &Condition) -> bool {
        let About {
            datasource,
            job,
            storage,
            agent,
            channel,
            ..
        } = &condition.about;
        let job_is_there = job.as_ref().is_none_or(|(id, _)| {
            let job = self.jobs.iter().find(|job| job.id == *id);
            job.is_some_and(|job| condition.kind != EventKind::BackupMissing || job.schedule.is_some())
        });
        let there = |id: &DatasourceId| self.datasources.iter().any(|datasource| datasource.id == *id);
        let datasource_is_there = datasource.as_ref().is_none_or(|(id, _)| there(id));
        let storage_is_there = storage
            .as_ref()
            .is_none_or(|(id, _)| self.storages.iter().any(|storage| storage.id == *id));
        let agent_is_there = agent
            .as_ref()
            .is_none_or(|(id, _)| self.agents.iter().any(|agent| agent.id == *id));
        let token_is_there = condition.kind != EventKind::TokenExpiring;
        // What was changed since, or never took anything again, is not known to work.
        let channel_works = channel.as_ref().is_none_or(|(id, _)| {
            let channel = self.channels.iter().find(|known| known.id.0 == *id);
            channel.is_some_and(|known| known.delivered_at > Some(condition.began_at))
        });
        channel_works
            && job_is_there
            && datasource_is_there
            && storage_is_there
            && agent_is_there
            && token_is_there
    }
}
