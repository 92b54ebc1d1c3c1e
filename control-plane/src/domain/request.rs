//! Repeated requests: the same `request_id` again gives the same resource.

use uuid::Uuid;

use super::field::BadField;

/// Which kind of request an id belongs to. The same id may be used once with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Make a datasource.
    CreateDatasource,
    /// Make a storage.
    CreateStorage,
    /// Make a job.
    CreateJob,
    /// Queue a backup.
    RunJob,
    /// Queue a restore.
    StartRestore,
    /// Queue a verification.
    VerifyBackup,
    /// Make a channel of notifications.
    CreateNotificationChannel,
    /// Make a rule of notifications.
    CreateNotificationRule,
}

impl RequestKind {
    /// The name in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateDatasource => "create_datasource",
            Self::CreateStorage => "create_storage",
            Self::CreateJob => "create_job",
            Self::RunJob => "run_job",
            Self::StartRestore => "start_restore",
            Self::VerifyBackup => "verify_backup",
            Self::CreateNotificationChannel => "create_notification_channel",
            Self::CreateNotificationRule => "create_notification_rule",
        }
    }
}

/// Reads the field `request_id`; empty for none.
pub fn request_id(text: &str) -> Result<Option<Uuid>, BadField> {
    match text {
        "" => Ok(None),
        text => Uuid::try_parse(text)
            .map(Some)
            .map_err(|_| BadField::new("request_id", "must be a UUID")),
    }
}
