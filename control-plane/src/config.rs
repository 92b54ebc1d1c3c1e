//! What the control plane is told before it starts: a TOML file, then the environment, then flags; the later wins.
//!
//! One struct per subsystem, each with its defaults in one place; a key that nobody knows is refused, not passed over.
//! Everything is checked before a port opens. A setting never changes while the process lives.

use std::path::{Path, PathBuf};

use dataguardian_telemetry::logging::LogConfig;
use dataguardian_telemetry::otlp::TelemetryConfig;
use dataguardian_telemetry::system_monitor::MonitorConfig;
use serde::Deserialize;

mod access;
mod agents;
mod api;
mod cleanup;
mod data_dir;
mod database;
mod flags;
mod health;
mod limits;
mod notifications;
mod protection;
mod queue;
mod reconcilers;
mod secrets;
mod verification;
mod work;

pub use access::AccessConfig;
pub use agents::AgentsConfig;
pub use api::ApiConfig;
pub use cleanup::CleanupConfig;
pub use data_dir::{DataDir, DataDirError};
pub use database::DatabaseConfig;
pub use flags::{Command, CommandLine, DevFlags, ResetAdminFlags, ServeFlags};
pub use health::HealthConfig;
pub use limits::{ConnectionLimits, StreamLimits};
pub use notifications::NotificationsConfig;
pub use protection::ProtectionConfig;
pub use queue::QueueConfig;
pub use reconcilers::ReconcilerConfig;
pub use secrets::SecretsConfig;
pub use verification::VerificationConfig;
pub use work::WorkConfig;

/// Every setting of the control plane.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the control plane keeps what it writes; see [`DataDir::default_path`].
    pub data_dir: Option<PathBuf>,
    /// The listener for people, programs and enrolment.
    pub api: ApiConfig,
    /// The listener for agents.
    pub agents: AgentsConfig,
    /// The metadata database.
    pub database: DatabaseConfig,
    /// The queue.
    pub queue: QueueConfig,
    /// The master key.
    pub secrets: SecretsConfig,
    /// How much runs at the same time.
    pub work: WorkConfig,
    /// The loops.
    pub reconcilers: ReconcilerConfig,
    /// Clean-up of what failed backups left.
    pub cleanup: CleanupConfig,
    /// Looking into the storages on schedule.
    pub verification: VerificationConfig,
    /// Looking at datasources and storages from time to time.
    pub health: HealthConfig,
    /// What people are told of, and when.
    pub notifications: NotificationsConfig,
    /// How long people stay signed in.
    pub access: AccessConfig,
    /// How old backups may be.
    pub protection: ProtectionConfig,
    /// The system monitor.
    pub monitor: MonitorConfig,
    /// Log lines.
    pub log: LogConfig,
    /// Where traces and log lines go besides.
    pub telemetry: TelemetryConfig,
}

/// The settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("the configuration file {0} can't be read")]
    Unreadable(PathBuf, #[source] std::io::Error),
    /// The file is not TOML, or has a key that does not exist, or a value of the wrong kind. The source names it.
    #[error("the configuration file {0} is not right")]
    Malformed(PathBuf, #[source] Box<toml::de::Error>),
    /// A value that can't work.
    #[error(transparent)]
    Invalid(#[from] InvalidSetting),
}

/// A setting that can't work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct InvalidSetting {
    /// Its key in the file, such as `api.tls_key`.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl InvalidSetting {
    pub(crate) fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self {
            key,
            problem: problem.into(),
        }
    }
}

impl Config {
    /// Reads the file that the flags name, lays environment and flags over it, and checks the whole.
    pub fn load(flags: &ServeFlags) -> Result<Self, ConfigError> {
        let mut config = match &flags.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        flags.lay_over(&mut config)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks everything that can be checked without touching anything.
    pub fn validate(&self) -> Result<(), InvalidSetting> {
        self.api.validate()?;
        self.agents.validate()?;
        self.database.validate()?;
        self.queue.validate()?;
        self.work.validate()?;
        self.reconcilers.validate()?;
        self.cleanup.validate()?;
        self.verification.validate()?;
        self.health.validate()?;
        self.notifications.validate()?;
        self.protection.validate()?;
        self.access.validate()?;
        self.monitor
            .validate()
            .map_err(|error| InvalidSetting::new("monitor", error.to_string()))?;
        self.telemetry
            .validate()
            .map_err(|error| InvalidSetting::new("telemetry", error.to_string()))?;
        self.log
            .filter()
            .map(drop)
            .map_err(|error| InvalidSetting::new("log.filter", error.to_string()))
    }

    /// The data directory, as a path.
    pub fn data_dir(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(DataDir::default_path)
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable(path.to_owned(), error))?;
        toml::from_str(&text).map_err(|error| ConfigError::Malformed(path.to_owned(), Box::new(error)))
    }
}

#[cfg(test)]
mod tests;
