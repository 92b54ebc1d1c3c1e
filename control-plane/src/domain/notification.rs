//! Who is told what goes wrong, and that it is well again.
//!
//! | file | says |
//! |---|---|
//! | [`facts`] | what is looked at |
//! | [`observe`] | what of it is a trouble now |
//! | [`missing`] | which backups should be there by their jobs' schedules, whoever was to make them |
//! | [`plan`] | what is told of troubles: that they began, that they last, that they are over |
//! | [`rule`] | to whom |
//! | [`message`] | in which words |
//! | [`channel`] | by which way |
//! | [`delivery`] | when it is tried again, and when it is given up |
//!
//! Nothing here listens to events: troubles are read off the catalogue. So a trouble is told of whatever the reason, a loop that never
//! ran included, and a control plane that was killed between any two steps finds the same troubles again.

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{
    AgentId, DatasourceId, ExecutionId, JobId, NotificationChannelId, NotificationId, StorageId, UserId,
};
use serde::{Deserialize, Serialize};

pub mod channel;
pub mod delivery;
pub mod endpoint;
pub mod facts;
pub mod message;
pub mod missing;
pub mod observe;
pub mod plan;
pub mod rule;
pub mod template;

#[cfg(test)]
mod properties;

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should see to it soon.
    Warning,
    /// Something that is needed does not work.
    Error,
}

/// What something is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// The newest backup of a job failed.
    BackupFailed,
    /// By its schedule a job should have made a backup, and has not.
    BackupMissing,
    /// The newest backup of a datasource is older than it may be.
    BackupTooOld,
    /// The newest verified backup of a datasource is older than it may be.
    VerifiedBackupTooOld,
    /// A restore failed.
    RestoreFailed,
    /// A verification failed.
    VerificationFailed,
    /// Copies of backups are damaged in a storage.
    DamageFound,
    /// An agent is away.
    AgentOffline,
    /// A datasource could not be backed up now.
    DatasourceUnhealthy,
    /// A storage could not be used now.
    StorageUnhealthy,
    /// A storage has little room left.
    StorageNearlyFull,
    /// A certificate ends soon.
    CertificateExpiring,
    /// An API token ends soon.
    TokenExpiring,
    /// Nothing can be queued.
    QueueOffline,
    /// A channel was tested.
    Test,
    /// Nothing arrives through a channel.
    ChannelFailing,
    /// So many wrong passwords were tried for a user that it has to wait.
    SignInsFailing,
}

/// Which part of a story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It began, and lasts.
    Began,
    /// It still lasts.
    Reminder,
    /// It is over.
    Recovered,
    /// It happened once.
    Happened,
}

/// What a trouble concerns: ids to match rules with, names for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// A datasource.
    pub datasource: Option<(DatasourceId, String)>,
    /// A job.
    pub job: Option<(JobId, String)>,
    /// A storage.
    pub storage: Option<(StorageId, String)>,
    /// An agent.
    pub agent: Option<(AgentId, String)>,
    /// An execution.
    pub execution: Option<ExecutionId>,
    /// A channel of notifications, which is not told itself.
    pub channel: Option<Addressee>,
    /// A user.
    pub user: Option<(UserId, String)>,
}

/// Whether a trouble lasts until it is over, or has happened and that is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// It lasts.
    Lasts,
    /// It happened once.
    Happened,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Names it: of a trouble that lasts always the same as long as it does, of one that happened no other one's ever.
    pub key: String,
    /// What it is about.
    pub kind: EventKind,
    /// Its course.
    pub course: Course,
    /// What it concerns.
    pub about: About,
    /// What happened, in a few words that a name may follow or precede.
    pub summary: String,
    /// The particulars, with what to do next.
    pub details: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// A trouble that people were told of, and that is not over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Names it.
    pub key: String,
    /// What it is about.
    pub kind: EventKind,
    /// What it concerns.
    pub about: About,
    /// What happened, as it was told first.
    pub summary: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it was found.
    pub began_at: DateTime<Utc>,
    /// When it was last told of.
    pub told_at: DateTime<Utc>,
    /// When a replica last saw it; written down from time to time alone.
    pub seen_at: DateTime<Utc>,
}

/// Something that is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// No two have the same: what was told is not told again.
    pub dedup_key: String,
    /// What it is about.
    pub kind: EventKind,
    /// Which part of the story it is.
    pub phase: Phase,
    /// What it concerns.
    pub about: About,
    /// What happened.
    pub summary: String,
    /// The particulars.
    pub details: String,
    /// When it was found.
    pub created_at: DateTime<Utc>,
    /// When what it tells of began.
    pub since: DateTime<Utc>,
}

/// A notification with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What was told.
    pub notification: Notification,
    /// To whom, by the channels' names.
    pub deliveries: Vec<(String, delivery::Delivery)>,
}

/// How often troubles are looked for, and what counts as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// A backup is missing so long after its time.
    pub missing_after: chrono::TimeDelta,
    /// An agent that was not heard of for this long is offline.
    pub agent_offline_after: chrono::TimeDelta,
    /// A queue that is offline for this long is told of.
    pub queue_offline_after: chrono::TimeDelta,
    /// A trouble that lasts is told of again after this long; never if none.
    pub remind_after: Option<chrono::TimeDelta>,
    /// How long an agent's certificate lives.
    pub certificate_life: chrono::TimeDelta,
    /// When the API's certificate ends, if the operator brought it.
    pub api_certificate_ends: Option<DateTime<Utc>>,
    /// A delivery is given up after this long.
    pub give_up_after: chrono::TimeDelta,
    /// How long one attempt may take.
    pub timeout: std::time::Duration,
}

impl Default for Policy {
    fn default() -> Self {
        use chrono::TimeDelta;
        Self {
            missing_after: TimeDelta::hours(1),
            agent_offline_after: TimeDelta::minutes(10),
            queue_offline_after: TimeDelta::minutes(1),
            remind_after: Some(TimeDelta::hours(24)),
            certificate_life: TimeDelta::hours(24),
            api_certificate_ends: None,
            give_up_after: TimeDelta::hours(24),
            timeout: std::time::Duration::from_secs(20),
        }
    }
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Error];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::BackupFailed,
        Self::BackupMissing,
        Self::BackupTooOld,
        Self::VerifiedBackupTooOld,
        Self::RestoreFailed,
        Self::VerificationFailed,
        Self::DamageFound,
        Self::AgentOffline,
        Self::DatasourceUnhealthy,
        Self::StorageUnhealthy,
        Self::StorageNearlyFull,
        Self::CertificateExpiring,
        Self::TokenExpiring,
        Self::QueueOffline,
        Self::Test,
        Self::ChannelFailing,
        Self::SignInsFailing,
    ];

    /// Its name, in tables and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BackupFailed => "backup_failed",
            Self::BackupMissing => "backup_missing",
            Self::BackupTooOld => "backup_too_old",
            Self::VerifiedBackupTooOld => "verified_backup_too_old",
            Self::RestoreFailed => "restore_failed",
            Self::VerificationFailed => "verification_failed",
            Self::DamageFound => "damage_found",
            Self::AgentOffline => "agent_offline",
            Self::DatasourceUnhealthy => "datasource_unhealthy",
            Self::StorageUnhealthy => "storage_unhealthy",
            Self::StorageNearlyFull => "storage_nearly_full",
            Self::CertificateExpiring => "certificate_expiring",
            Self::TokenExpiring => "token_expiring",
            Self::QueueOffline => "queue_offline",
            Self::Test => "test",
            Self::ChannelFailing => "channel_failing",
            Self::SignInsFailing => "sign_ins_failing",
        }
    }

    /// How much it matters while it lasts.
    pub const fn severity(self) -> Severity {
        match self {
            Self::BackupFailed
            | Self::BackupMissing
            | Self::BackupTooOld
            | Self::RestoreFailed
            | Self::VerificationFailed
            | Self::DamageFound
            | Self::StorageUnhealthy
            | Self::QueueOffline => Severity::Error,
            Self::VerifiedBackupTooOld
            | Self::AgentOffline
            | Self::DatasourceUnhealthy
            | Self::StorageNearlyFull
            | Self::CertificateExpiring
            | Self::TokenExpiring
            | Self::ChannelFailing
            | Self::SignInsFailing => Severity::Warning,
            Self::Test => Severity::Info,
        }
    }

    /// Whether each replica sees it for itself. What one of them sees is not over because another does not.
    pub const fn is_of_a_replica(self) -> bool {
        matches!(self, Self::QueueOffline)
    }
}

impl Phase {
    /// Its name, in tables and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Began => "began",
            Self::Reminder => "reminder",
            Self::Recovered => "recovered",
            Self::Happened => "happened",
        }
    }
}

impl Notification {
    /// How much it matters: that something is over is good to know.
    pub const fn severity(&self) -> Severity {
        match self.phase {
            Phase::Recovered => Severity::Info,
            Phase::Began | Phase::Reminder | Phase::Happened => self.kind.severity(),
        }
    }

    /// What a channel gets when it is tested.
    pub fn test(channel: &str, now: DateTime<Utc>) -> Self {
        let id = NotificationId::new();
        Self {
            id,
            dedup_key: format!("test/{id}"),
            kind: EventKind::Test,
            phase: Phase::Happened,
            about: About::default(),
            summary: format!("Test of channel {channel}"),
            details: "This is what notifications of DataGuardian look like here. Nothing is wrong."
                .to_owned(),
            created_at: now,
            since: now,
        }
    }
}

/// A channel that is to get something, and its name.
pub type Addressee = (NotificationChannelId, String);
