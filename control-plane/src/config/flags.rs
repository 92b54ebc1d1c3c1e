//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use dataguardian_core::secret::Secret;
use dataguardian_telemetry::logging::LogFormat;

use super::database::has_password;
use super::{Config, InvalidSetting};

/// The control plane of DataGuardian.
#[derive(Debug, Parser)]
#[command(name = "dataguardian", version, about)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the control plane.
    Serve(Box<ServeFlags>),
    /// Bring the metadata database's schema up to date, then end.
    Migrate(Box<ServeFlags>),
    /// Give the first administrator another password and end all its sign-ins, then end. The control plane need not run; on
    /// an embedded database it must not.
    ResetAdmin(Box<ResetAdminFlags>),
    /// Run a control plane and an agent on this machine, for trying out and developing.
    Dev(Box<DevFlags>),
}

/// Settings from the command line or the environment; both win over the file.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeFlags {
    /// A TOML file with settings.
    #[arg(long, env = "DATAGUARDIAN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the control plane keeps what it writes.
    #[arg(long, env = "DATAGUARDIAN_DATA_DIR", value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Address and port for people, programs and enrolment [default: 127.0.0.1:8443].
    #[arg(long, env = "DATAGUARDIAN_API_LISTEN", value_name = "ADDR:PORT")]
    pub api_listen: Option<SocketAddr>,
    /// Address and port for agents [default: 127.0.0.1:8444].
    #[arg(long, env = "DATAGUARDIAN_AGENT_LISTEN", value_name = "ADDR:PORT")]
    pub agent_listen: Option<SocketAddr>,
    /// Where agents are told to connect to, if not where the listener is.
    #[arg(long, env = "DATAGUARDIAN_AGENT_ADDRESS", value_name = "HOST:PORT")]
    pub agent_address: Option<String>,
    /// The API's certificate chain, PEM; from our own authority if not given.
    #[arg(long, env = "DATAGUARDIAN_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// The private key to it, PEM.
    #[arg(long, env = "DATAGUARDIAN_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Another name or address for the certificate of our own authority; repeatable.
    #[arg(
        long = "api-name",
        env = "DATAGUARDIAN_API_NAMES",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub api_names: Vec<String>,
    /// Serve the API without TLS; on loopback only.
    #[arg(long, env = "DATAGUARDIAN_PLAINTEXT")]
    pub plaintext: bool,
    /// The metadata database; a URL with a password goes into DATAGUARDIAN_DATABASE_URL or the file.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
    /// Redis, for several replicas: redis:// or rediss:// (TLS); a URL with a password goes into DATAGUARDIAN_REDIS_URL or the
    /// file.
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
    /// The authority of Redis' certificate, PEM; those that browsers trust if not given.
    #[arg(long, env = "DATAGUARDIAN_REDIS_CA", value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,
    /// A file with the master key; the key itself may be in DATAGUARDIAN_MASTER_KEY.
    #[arg(long, env = "DATAGUARDIAN_MASTER_KEY_FILE", value_name = "FILE")]
    pub master_key_file: Option<PathBuf>,
    /// How log lines look: human or json.
    #[arg(long, env = "DATAGUARDIAN_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Which log lines: tracing directives such as `info,dataguardian_control_plane=debug`.
    #[arg(long, env = "DATAGUARDIAN_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// An OTLP collector's gRPC address, for traces and log lines, such as http://127.0.0.1:4317.
    #[arg(long, env = "DATAGUARDIAN_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,
    /// Milliseconds from one look at the machine to the next.
    #[arg(long, env = "SYSTEM_MONITOR_INTERVAL_MS", value_name = "MS", hide = true)]
    pub monitor_interval_ms: Option<u64>,
    /// Looks at the machine that are kept.
    #[arg(long, env = "SYSTEM_MONITOR_HISTORY_SIZE", value_name = "N", hide = true)]
    pub monitor_history_size: Option<usize>,
}

/// Settings of `reset-admin`.
#[derive(Debug, Clone, Args)]
pub struct ResetAdminFlags {
    /// The same as for `serve`.
    #[command(flatten)]
    pub serve: ServeFlags,
    /// A file with the new password; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    pub password_file: PathBuf,
}

/// Settings of `dev`.
#[derive(Debug, Clone, Args)]
pub struct DevFlags {
    /// The same as for `serve`.
    #[command(flatten)]
    pub serve: ServeFlags,
    /// Run the control plane alone.
    #[arg(long)]
    pub no_agent: bool,
}

impl ServeFlags {
    pub(super) fn lay_over(&self, config: &mut Config) -> Result<(), InvalidSetting> {
        fn set<T: Clone>(setting: &mut T, given: Option<&T>) {
            if let Some(given) = given {
                setting.clone_from(given);
            }
        }
        set(&mut config.api.listen, self.api_listen.as_ref());
        set(&mut config.agents.listen, self.agent_listen.as_ref());
        set(&mut config.log.format, self.log_format.as_ref());
        set(&mut config.log.filter, self.log.as_ref());
        set(&mut config.monitor.interval_ms, self.monitor_interval_ms.as_ref());
        set(
            &mut config.monitor.history_size,
            self.monitor_history_size.as_ref(),
        );
        let telemetry = &mut config.telemetry;
        telemetry.otlp_endpoint = self
            .otlp_endpoint
            .clone()
            .or_else(|| telemetry.otlp_endpoint.take());
        *telemetry = std::mem::take(telemetry).or_from_environment();
        config.data_dir = self.data_dir.clone().or_else(|| config.data_dir.take());
        config.agents.address = self
            .agent_address
            .clone()
            .or_else(|| config.agents.address.take());
        config.api.tls_cert = self.tls_cert.clone().or_else(|| config.api.tls_cert.take());
        config.api.tls_key = self.tls_key.clone().or_else(|| config.api.tls_key.take());
        config.api.plaintext |= self.plaintext;
        config.api.names.extend_from_slice(&self.api_names);
        if let Ok(url) = std::env::var("DATAGUARDIAN_DATABASE_URL") {
            config.database.url = Some(Secret::new(url));
        }
        if let Ok(key) = std::env::var("DATAGUARDIAN_MASTER_KEY") {
            config.secrets.master_key = Some(Secret::new(key));
        }
        config.secrets.master_key_file = self
            .master_key_file
            .clone()
            .or_else(|| config.secrets.master_key_file.take());
        if let Ok(url) = std::env::var("DATAGUARDIAN_REDIS_URL") {
            config.queue.redis_url = Some(Secret::new(url));
        }
        if let Some(url) = open_url(
            self.database_url.as_ref(),
            "--database-url",
            "DATAGUARDIAN_DATABASE_URL",
        )? {
            config.database.url = Some(url);
        }
        if let Some(url) = open_url(self.redis_url.as_ref(), "--redis-url", "DATAGUARDIAN_REDIS_URL")? {
            config.queue.redis_url = Some(url);
        }
        config.queue.redis_ca = self.redis_ca.clone().or_else(|| config.queue.redis_ca.take());
        Ok(())
    }
}

/// A URL from the command line: no password may be in it.
fn open_url(
    given: Option<&String>,
    flag: &'static str,
    variable: &str,
) -> Result<Option<Secret>, InvalidSetting> {
    match given {
        Some(url) if has_password(url) => Err(InvalidSetting::new(
            flag,
            format!(
                "has a password in it, which every user of this machine could read: \
                 put the URL into {variable} or the configuration file"
            ),
        )),
        given => Ok(given.map(|url| Secret::new(url.clone()))),
    }
}
