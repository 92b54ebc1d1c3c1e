//! Errors of the use cases: what each means for a caller is decided here once.

use std::borrow::Cow;
use std::time::Duration;

use dataguardian_core::error_code::ErrorCode;

use crate::domain::access;
use crate::domain::field::BadField;
use crate::domain::placement::NotReachable;
use crate::secrets::SecretsError;
use crate::store::StoreError;

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request has bad fields.
    #[error("{}", listed(.0))]
    BadRequest(Vec<BadField>),
    /// No such thing, or none that the caller may see.
    #[error("there is no {noun} {which}")]
    NotFound {
        /// What kind of thing.
        noun: Noun,
        /// The name or id that was asked for.
        which: String,
    },
    /// There is one of that name already.
    #[error("there is already {} {noun} named {name}", noun.article())]
    NameTaken {
        /// What kind of thing.
        noun: Noun,
        /// The name.
        name: String,
    },
    /// The request is right, but the state of things forbids it.
    #[error("{message}")]
    Precondition {
        /// A stable name for programs.
        reason: &'static str,
        /// One sentence, with the next step.
        message: String,
    },
    /// Storages that the work needs are not reached by the agent that does it.
    #[error(
        "agent {agent} does not reach {}: name storages on that agent, or copy the backup to one that it reaches",
        names(storages)
    )]
    StorageNotReachable {
        /// The agent.
        agent: String,
        /// The storages.
        storages: NotReachable,
    },
    /// The report belongs to no attempt that holds the execution now.
    #[error("this attempt does not hold the execution any more: stop, and delete nothing")]
    StaleFence,
    /// Somebody has changed it since.
    #[error("{noun} {which} has changed since it was read: read it again")]
    EtagMismatch {
        /// What kind of thing.
        noun: Noun,
        /// Which.
        which: String,
    },
    /// Nobody has proven who calls.
    #[error("{message}")]
    Unauthenticated {
        /// A stable name for programs.
        reason: &'static str,
        /// One sentence.
        message: Cow<'static, str>,
    },
    /// The caller is known and may not.
    #[error("{message}")]
    Forbidden {
        /// A stable name for programs.
        reason: &'static str,
        /// One sentence, with the next step.
        message: Cow<'static, str>,
    },
    /// Not now: the caller has to come back later.
    #[error("{message}")]
    ComeBackLater {
        /// A stable name for programs.
        reason: &'static str,
        /// One sentence, with the next step.
        message: String,
        /// When to come back.
        after: Duration,
    },
    /// Too many wrong passwords.
    #[error("too many failed tries: wait {} s", wait.as_secs())]
    Throttled {
        /// How long to wait: whole seconds, at least one.
        wait: Duration,
    },
    /// The queue is configured and does not answer: nothing is queued or handed out until it does.
    #[error(
        "the queue is offline, so nothing can be queued now; it comes back by itself, and `dgctl system health` says what is wrong"
    )]
    QueueOffline,
    /// Another replica has taken over what this one was about to do.
    #[error("another replica has taken this over")]
    TakenOver,
    /// The metadata database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master key, a sealed value, a password's hash.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// We are wrong.
    #[error("internal error: {0}")]
    Internal(String),
}

/// What kinds of things there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    /// An agent.
    Agent,
    /// A datasource.
    Datasource,
    /// A storage.
    Storage,
    /// A job.
    Job,
    /// An execution.
    Execution,
    /// A backup.
    Backup,
    /// A user.
    User,
    /// A sign-in.
    Session,
    /// A role.
    Role,
    /// That somebody has a role.
    RoleBinding,
    /// An API token.
    ApiToken,
    /// A channel of notifications.
    NotificationChannel,
    /// A rule of notifications.
    NotificationRule,
}

impl Noun {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Agent => ("agent", "AGENT_NOT_FOUND"),
            Self::Datasource => ("datasource", "DATASOURCE_NOT_FOUND"),
            Self::Storage => ("storage", "STORAGE_NOT_FOUND"),
            Self::Job => ("job", "JOB_NOT_FOUND"),
            Self::Execution => ("execution", "EXECUTION_NOT_FOUND"),
            Self::Backup => ("backup", "BACKUP_NOT_FOUND"),
            Self::User => ("user", "USER_NOT_FOUND"),
            Self::Session => ("session", "SESSION_NOT_FOUND"),
            Self::Role => ("role", "ROLE_NOT_FOUND"),
            Self::RoleBinding => ("role binding", "ROLE_BINDING_NOT_FOUND"),
            Self::ApiToken => ("API token", "API_TOKEN_NOT_FOUND"),
            Self::NotificationChannel => ("notification channel", "NOTIFICATION_CHANNEL_NOT_FOUND"),
            Self::NotificationRule => ("notification rule", "NOTIFICATION_RULE_NOT_FOUND"),
        }
    }

    const fn article(self) -> &'static str {
        match self {
            Self::Agent | Self::Execution | Self::ApiToken => "an",
            Self::Datasource
            | Self::Storage
            | Self::Job
            | Self::Backup
            | Self::User
            | Self::Session
            | Self::Role
            | Self::RoleBinding
            | Self::NotificationChannel
            | Self::NotificationRule => "a",
        }
    }
}

impl std::fmt::Display for Noun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words().0)
    }
}

impl Error {
    /// A thing that is not there.
    pub fn not_found(noun: Noun, which: impl std::fmt::Display) -> Self {
        Self::NotFound {
            noun,
            which: which.to_string(),
        }
    }

    /// Nobody has proven who calls.
    pub fn unauthenticated(reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Unauthenticated {
            reason,
            message: message.into(),
        }
    }

    /// The caller may not.
    pub fn forbidden(reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::Forbidden {
            reason,
            message: message.into(),
        }
    }

    /// The caller lacks a permission.
    pub fn lacks(permission: &str) -> Self {
        Self::forbidden("PERMISSION_DENIED", access::denial(permission))
    }

    /// Something that the state of things forbids.
    pub fn precondition(reason: &'static str, message: impl Into<String>) -> Self {
        Self::Precondition {
            reason,
            message: message.into(),
        }
    }

    /// Its class.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::BadRequest(_) => ErrorCode::InvalidArgument,
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::NameTaken { .. } => ErrorCode::AlreadyExists,
            Self::Precondition { .. } | Self::StorageNotReachable { .. } => ErrorCode::FailedPrecondition,
            Self::StaleFence | Self::EtagMismatch { .. } | Self::ComeBackLater { .. } | Self::TakenOver => {
                ErrorCode::Aborted
            }
            Self::Unauthenticated { .. } => ErrorCode::Unauthenticated,
            Self::Forbidden { .. } => ErrorCode::PermissionDenied,
            Self::Throttled { .. } => ErrorCode::ResourceExhausted,
            Self::QueueOffline => ErrorCode::Unavailable,
            Self::Store(error) => error.code(),
            Self::Secrets(_) | Self::Internal(_) => ErrorCode::Internal,
        }
    }

    /// A stable name in capitals for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "BAD_REQUEST",
            Self::NotFound { noun, .. } => noun.words().1,
            Self::NameTaken { .. } => "NAME_TAKEN",
            Self::Precondition { reason, .. }
            | Self::Unauthenticated { reason, .. }
            | Self::Forbidden { reason, .. }
            | Self::ComeBackLater { reason, .. } => reason,
            Self::StorageNotReachable { .. } => "STORAGE_NOT_REACHABLE",
            Self::StaleFence => "STALE_FENCE",
            Self::EtagMismatch { .. } => "ETAG_MISMATCH",
            Self::Throttled { .. } => "TOO_MANY_TRIES",
            Self::QueueOffline => "QUEUE_OFFLINE",
            Self::TakenOver => "TAKEN_OVER",
            Self::Store(error) => error.reason(),
            Self::Secrets(_) => "SECRETS",
            Self::Internal(_) => "INTERNAL",
        }
    }

    /// What a caller may read. Where we are wrong, or a part is away, the particulars are for the log alone.
    pub fn public_message(&self) -> String {
        match self.code() {
            _ if matches!(self, Self::QueueOffline) => self.to_string(),
            ErrorCode::Internal | ErrorCode::DataLoss => {
                "internal error; the server's log has the particulars".to_owned()
            }
            ErrorCode::Unavailable if matches!(self, Self::Store(StoreError::Full(_))) => {
                "the disk of the metadata database is full: make room there; running backups go on and are written down then".to_owned()
            }
            ErrorCode::Unavailable => "the metadata database does not answer; try again".to_owned(),
            _ => self.to_string(),
        }
    }

    /// Bad fields of the request, with what is wrong with each.
    pub fn fields(&self) -> &[BadField] {
        match self {
            Self::BadRequest(fields) => fields,
            _ => &[],
        }
    }

    /// When trying again may help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { wait } | Self::ComeBackLater { after: wait, .. } => Some(*wait),
            Self::QueueOffline => Some(Duration::from_secs(5)),
            Self::Store(error) if error.code() == ErrorCode::Unavailable => Some(Duration::from_secs(2)),
            _ => None,
        }
    }
}

impl From<BadField> for Error {
    fn from(bad: BadField) -> Self {
        Self::BadRequest(vec![bad])
    }
}

impl From<Vec<BadField>> for Error {
    fn from(bad: Vec<BadField>) -> Self {
        Self::BadRequest(bad)
    }
}

fn listed(fields: &[BadField]) -> String {
    let shown: Vec<_> = fields.iter().map(ToString::to_string).collect();
    shown.join("; ")
}

fn names(storages: &NotReachable) -> String {
    let shown: Vec<_> = storages.0.iter().map(|name| name.as_str()).collect();
    shown.join(", ")
}
