//! `agent.toml`: what the host's owner lets the control plane ask of this agent, and how much of the host it may use.
//!
//! The file belongs to the host. Nothing that comes over the network can change it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::target::ConnectionTarget;
use dataguardian_repository::storage::s3;
use dataguardian_telemetry::otlp::TelemetryConfig;
use dataguardian_telemetry::system_monitor::MonitorConfig;
use serde::Deserialize;

use crate::connections::{self, CredentialConfig};
use crate::local_place;

/// Where the file is looked for when none is named.
pub const DEFAULT_PATH: &str = "/etc/dataguardian/agent.toml";

/// The agent's configuration. Every key may be left out; a key that is not known is refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AgentConfig {
    /// Folders in which local storages may lie; with none given, any absolute path may be named.
    pub local_roots: Vec<PathBuf>,
    /// Whether backups may be restored on this host at all.
    pub allow_restore: bool,
    /// Whether backups that this host reaches may be downloaded through the control plane.
    pub allow_download: bool,
    /// The database servers that may be named, as `host:port` or a socket directory; with none given, any.
    pub allowed_databases: BTreeSet<String>,
    /// Passwords that are kept on this host, by the names that datasources give.
    pub credentials: BTreeMap<String, CredentialConfig>,
    /// PostgreSQL's connection services; where `psql` looks for them if none is named.
    pub service_file: Option<PathBuf>,
    /// Folders with client programs, looked at before the usual ones.
    pub client_directories: Vec<PathBuf>,
    /// Dumps or restores at the same time.
    pub slots: u32,
    /// Threads for compression, hashing and sealing; half the processors, at least one, if 0.
    pub cpu_threads: usize,
    /// Packs of 16 MiB that may be on their way into storages at the same time.
    pub packs_in_flight: usize,
    /// Seconds that one of several storages of a backup may be away before it falls out; the only one, and the one that a
    /// restore reads from, may be away for five times as long.
    pub storage_patience_seconds: u64,
    /// Seconds that nothing at all may move on the line to a bucket before that counts as away.
    pub storage_stall_seconds: u64,
    /// Seconds that a client program which was asked to stop may take before it is killed.
    pub client_grace_seconds: u64,
    /// Seconds that running attempts have to end by themselves when the agent is asked to stop. The service manager must wait
    /// longer: half a minute more for programs to be ended and reports to be delivered.
    pub stop_grace_seconds: u64,
    /// Looking for what earlier backups stored.
    pub reuse: ReuseConfig,
    /// Looking at the machine.
    pub monitor: MonitorConfig,
    /// Where traces and log lines go besides.
    pub telemetry: TelemetryConfig,
}

/// How chunks that are stored already are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReuseConfig {
    /// MiB of memory for each backup that runs. More of it finds more where tables are read in another order each time.
    pub memory_mib: usize,
}

impl Default for ReuseConfig {
    fn default() -> Self {
        Self { memory_mib: 16 }
    }
}

impl ReuseConfig {
    /// The same in bytes.
    pub const fn memory(self) -> usize {
        self.memory_mib << 20
    }
}

impl Default for AgentConfig {
    fn default() -> Self {
        Self {
            local_roots: Vec::new(),
            allow_restore: true,
            allow_download: true,
            allowed_databases: BTreeSet::new(),
            credentials: BTreeMap::new(),
            service_file: None,
            client_directories: Vec::new(),
            slots: 1,
            cpu_threads: 0,
            packs_in_flight: 2,
            storage_patience_seconds: 60,
            storage_stall_seconds: s3::STALL.as_secs(),
            client_grace_seconds: 30,
            // systemd kills after 90 seconds by itself.
            stop_grace_seconds: 45,
            reuse: ReuseConfig::default(),
            monitor: MonitorConfig::default(),
            telemetry: TelemetryConfig::default(),
        }
    }
}

/// The configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It can't be read.
    #[error("the configuration {} can't be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may change it.
    #[error("the configuration {} can be changed by others (mode {mode:03o}): run `chmod go-w` on it", path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not what it should be.
    #[error("the configuration {} is not valid: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The key, and what is wrong with it.
        message: String,
    },
}

impl AgentConfig {
    /// Reads the file that is named, or the default one if it is there.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new(DEFAULT_PATH));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(source) => {
                return Err(ConfigError::Io {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let metadata = fs::metadata(path).map_err(|source| ConfigError::Io {
            path: path.to_owned(),
            source,
        })?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(ConfigError::Writable {
                path: path.to_owned(),
                mode,
            });
        }
        Self::parse(&text).map_err(|message| ConfigError::Invalid {
            path: path.to_owned(),
            message,
        })
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let config: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if let Some(path) = config.local_roots.iter().find(|path| !path.is_absolute()) {
            return Err(format!("local_roots: {} is not an absolute path", path.display()));
        }
        let files = config
            .credentials
            .values()
            .map(|credential| &credential.password_file);
        if let Some(path) = files.chain(&config.service_file).find(|path| !path.is_absolute()) {
            return Err(format!("{} is not an absolute path", path.display()));
        }
        if !(1..=16).contains(&config.slots) {
            return Err("slots: must be 1 to 16".to_owned());
        }
        if config.cpu_threads > 256 {
            return Err("cpu_threads: must be at most 256".to_owned());
        }
        if !(1..=16).contains(&config.packs_in_flight) {
            return Err("packs_in_flight: must be 1 to 16".to_owned());
        }
        if !(1..=600).contains(&config.client_grace_seconds) {
            return Err("client_grace_seconds: must be 1 to 600".to_owned());
        }
        if config.stop_grace_seconds > 7 * 86_400 {
            return Err("stop_grace_seconds: must be at most 604800, which is a week".to_owned());
        }
        if !(1..=3600).contains(&config.storage_patience_seconds) {
            return Err("storage_patience_seconds: must be 1 to 3600".to_owned());
        }
        if !(1..=3600).contains(&config.storage_stall_seconds) {
            return Err("storage_stall_seconds: must be 1 to 3600".to_owned());
        }
        if !(2..=4096).contains(&config.reuse.memory_mib) {
            return Err("reuse.memory_mib: must be 2 to 4096".to_owned());
        }
        config
            .monitor
            .validate()
            .map_err(|error| format!("monitor.{error}"))?;
        config
            .telemetry
            .validate()
            .map_err(|error| format!("telemetry.{error}"))?;
        Ok(config)
    }

    /// How long one of several storages of a backup may be away.
    pub const fn storage_patience(&self) -> Duration {
        Duration::from_secs(self.storage_patience_seconds)
    }

    /// How long nothing may move on the line to a bucket.
    pub const fn storage_stall(&self) -> Duration {
        Duration::from_secs(self.storage_stall_seconds)
    }

    /// How long the only storage may be away, or the one that is read from.
    pub const fn only_storage_patience(&self) -> Duration {
        Duration::from_secs(5 * self.storage_patience_seconds)
    }

    /// How long a client program that was asked to stop may take before it is killed.
    pub const fn client_grace(&self) -> Duration {
        Duration::from_secs(self.client_grace_seconds)
    }

    /// How long running attempts have to end by themselves when the agent is asked to stop.
    pub const fn stop_grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace_seconds)
    }

    /// Where a local storage at that path really lies, if it may lie there; use it there and nowhere else. The path must be
    /// absolute and free of `..`; it is judged by where its symbolic links lead, and so are the roots.
    pub fn permit_local_path(&self, path: &Path) -> Result<PathBuf, Failure> {
        let plain = path
            .components()
            .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        if !path.is_absolute() || !plain {
            let message = format!("the path {} must be absolute and without `..`", path.display());
            return Err(Failure::new(FailureKind::AgentPolicy, message));
        }
        let place = local_place::resolve(path)?;
        let within = |root: &PathBuf| local_place::resolve(root).is_ok_and(|root| place.starts_with(root));
        if !self.local_roots.is_empty() && !self.local_roots.iter().any(within) {
            let leads = if place == path {
                String::new()
            } else {
                format!(", which is {}", place.display())
            };
            let message = format!(
                "local_roots does not allow a storage in {}{leads}",
                path.display()
            );
            return Err(Failure::new(FailureKind::AgentPolicy, message));
        }
        Ok(place)
    }

    /// Whether that database server may be talked to.
    pub fn permit_database(&self, target: &ConnectionTarget) -> Result<(), Failure> {
        if self.allowed_databases.is_empty() || connections::names(&self.allowed_databases, target) {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::AgentPolicy,
            format!("allowed_databases does not name {}:{}", target.host, target.port),
        ))
    }

    /// Whether restores may run here.
    pub fn permit_restore(&self) -> Result<(), Failure> {
        if self.allow_restore {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::AgentPolicy,
            "allow_restore is false on this host",
        ))
    }

    /// Whether backups may be sent from here to whoever downloads them.
    pub fn permit_download(&self) -> Result<(), Failure> {
        if self.allow_download {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::AgentPolicy,
            "allow_download is false on this host",
        ))
    }

    /// The number of threads for compression, hashing and sealing.
    pub fn effective_cpu_threads(&self) -> usize {
        if self.cpu_threads > 0 {
            return self.cpu_threads;
        }
        std::thread::available_parallelism().map_or(1, |all| (all.get() / 2).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_named() {
        let message = AgentConfig::parse("local_root = ['/b']").unwrap_err();
        assert!(message.contains("local_root"), "{message}");
    }

    #[test]
    fn bad_values_are_named() {
        for (text, key) in [
            ("slots = 0", "slots"),
            ("local_roots = ['b']", "local_roots"),
            ("packs_in_flight = 99", "packs_in_flight"),
            ("client_grace_seconds = 0", "client_grace_seconds"),
            ("storage_patience_seconds = 0", "storage_patience_seconds"),
            ("storage_stall_seconds = 0", "storage_stall_seconds"),
            ("stop_grace_seconds = 604801", "stop_grace_seconds"),
            ("[reuse]\nmemory_mib = 1", "reuse.memory_mib"),
            ("[monitor]\ninterval_ms = 1", "monitor.interval_ms"),
            ("[telemetry]\notlp_endpoint = 'x:1'", "telemetry.otlp_endpoint"),
        ] {
            assert!(AgentConfig::parse(text).unwrap_err().contains(key));
        }
    }

    #[test]
    fn local_paths_stay_below_their_roots() {
        let config = AgentConfig::parse("local_roots = ['/backups']").unwrap();
        assert!(config.permit_local_path(Path::new("/backups/a")).is_ok());
        for path in ["/backups/../etc", "/etc", "backups/a", "/backupsX"] {
            assert!(config.permit_local_path(Path::new(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn links_do_not_lead_out_of_the_roots() {
        use std::os::unix::fs::symlink;
        let (roots, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (real, linked) = (roots.path().join("real"), roots.path().join("linked"));
        fs::create_dir_all(real.join("there")).unwrap();
        symlink(&real, &linked).unwrap();
        symlink(elsewhere.path(), real.join("out")).unwrap();
        symlink(elsewhere.path().join("not yet"), real.join("dangling")).unwrap();
        symlink(real.join("there"), real.join("within")).unwrap();
        for root in [&real, &linked] {
            let config = AgentConfig {
                local_roots: vec![root.clone()],
                ..AgentConfig::default()
            };
            for path in ["there", "there/new/deeper", "new", "within", "within/new"] {
                for way in [&real, &linked] {
                    let permitted = config.permit_local_path(&way.join(path));
                    assert!(permitted.is_ok(), "{path}: {permitted:?}");
                }
            }
            for path in ["out", "out/new", "out/new/deeper"] {
                let refused = config.permit_local_path(&real.join(path)).unwrap_err();
                assert_eq!(refused.kind, FailureKind::AgentPolicy, "{path}: {refused}");
            }
            for path in ["dangling", "dangling/new"] {
                let refused = config.permit_local_path(&real.join(path)).unwrap_err();
                assert_eq!(refused.kind, FailureKind::StorageUnreachable, "{path}: {refused}");
            }
        }
    }
}
