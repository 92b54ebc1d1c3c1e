//! `dataguardian-agent`: enrolls a host, runs the agent, says what the host lacks.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use dataguardian_agent::config::AgentConfig;
use dataguardian_agent::control_plane::ControlPlane;
use dataguardian_agent::engines::engine::RealEngines;
use dataguardian_agent::enroll::{CaPin, Enrollment, enroll};
use dataguardian_agent::host_info::HostInfo;
use dataguardian_agent::identity::{AgentKeys, Identity, IdentityError};
use dataguardian_agent::renewal::Renewal;
use dataguardian_agent::runner::{Host, Runner};
use dataguardian_agent::sending::Sending;
use dataguardian_agent::session::Sessions;
use dataguardian_agent::state::StateDir;
use dataguardian_core::causes;
use dataguardian_core::clock::SystemClock;
use dataguardian_telemetry::cpu_pool::CpuPool;
use dataguardian_telemetry::logging::LogConfig;
use dataguardian_telemetry::otlp::{Service, TelemetryConfig};
use dataguardian_telemetry::system_monitor::{MonitorConfig, SystemMonitor};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod cli;
mod shutdown;

use cli::install::InstallArgs;
use cli::propose::{BackupUserArgs, ProposeArgs};
use cli::read_secret;
use cli::rescue::Rescue;
use shutdown::StopRequests;

/// Threads for file access and sealing. Each keeps a heap of its own warm, so few of them are part of the bound on memory.
const BLOCKING_THREADS: usize = 8;

/// How this program is called where traces and log lines are collected.
const SERVICE: Service = Service {
    name: "dataguardian-agent",
    version: env!("CARGO_PKG_VERSION"),
};

#[derive(Debug, Parser)]
#[command(
    name = "dataguardian-agent",
    version,
    about = "Backs up the databases of this host for DataGuardian"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this host an agent, with a join token from `dgctl agent token create`
    Enroll(EnrollArgs),
    /// Make this host an agent whose service runs: enrolls, and sets the service up; what is there already stays
    Install(InstallArgs),
    /// Run the agent
    Run(RunArgs),
    /// Look which client programs and database servers this host has, and what it lacks
    Doctor(ConfigArgs),
    /// Find the database servers of this host, and write a file for `dgctl apply` that backs them up
    Propose(ProposeArgs),
    /// Print the statements that make a user for backups, for the client of that server; its password stays on this host
    BackupUser(BackupUserArgs),
    /// Restore with nothing but a storage and the recovery kit: no control plane, no enrolment
    #[command(subcommand)]
    Rescue(Rescue),
}

#[derive(Debug, Args)]
struct EnrollArgs {
    /// The control plane's API: https://HOST:PORT
    #[arg(long, env = "DATAGUARDIAN_SERVER", value_name = "URL")]
    server: String,
    /// Whom to trust: sha256:… as printed with the token
    #[arg(long, value_name = "PIN")]
    ca_pin: CaPin,
    /// A file with the join token; - for standard input
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
    /// Where the agent keeps its keys and its journal
    #[arg(long, value_name = "DIR", default_value = "/var/lib/dataguardian-agent")]
    state_dir: PathBuf,
    /// The agent's name, if the token leaves it open
    #[arg(long)]
    name: Option<String>,
    /// Be the agent again that the state directory belongs to; its journal and its keys stay
    #[arg(long)]
    again: bool,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Where the agent keeps its keys and its journal
    #[arg(long, value_name = "DIR", default_value = "/var/lib/dataguardian-agent")]
    state_dir: PathBuf,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    log: LogArgs,
    #[command(flatten)]
    monitor: MonitorArgs,
    /// An OTLP collector's gRPC address, for traces and log lines, such as http://127.0.0.1:4317
    #[arg(long, env = "DATAGUARDIAN_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
}

impl RunArgs {
    fn telemetry(&self, config: &AgentConfig) -> anyhow::Result<TelemetryConfig> {
        let mut telemetry = config.telemetry.clone();
        telemetry.otlp_endpoint = self.otlp_endpoint.clone().or(telemetry.otlp_endpoint);
        let telemetry = telemetry.or_from_environment();
        telemetry.validate()?;
        Ok(telemetry)
    }
}

/// The same as `[monitor]` of the configuration, and wins over it.
#[derive(Debug, Args)]
struct MonitorArgs {
    /// Milliseconds from one look at the machine to the next
    #[arg(long, env = "SYSTEM_MONITOR_INTERVAL_MS", value_name = "MS", hide = true)]
    monitor_interval_ms: Option<u64>,
    /// Looks at the machine that are kept until the control plane is told
    #[arg(long, env = "SYSTEM_MONITOR_HISTORY_SIZE", value_name = "N", hide = true)]
    monitor_history_size: Option<usize>,
}

impl MonitorArgs {
    fn over(&self, config: MonitorConfig) -> MonitorConfig {
        MonitorConfig {
            interval_ms: self.monitor_interval_ms.unwrap_or(config.interval_ms),
            history_size: self.monitor_history_size.unwrap_or(config.history_size),
        }
    }
}

#[derive(Debug, Args)]
struct LogArgs {
    /// How log lines look: human or json
    #[arg(long, env = "DATAGUARDIAN_LOG_FORMAT", default_value = "human")]
    log_format: String,
    /// What is logged, such as info,dataguardian_agent=debug
    #[arg(long, env = "DATAGUARDIAN_LOG", value_name = "FILTER")]
    log: Option<String>,
}

impl LogArgs {
    fn config(&self) -> anyhow::Result<LogConfig> {
        let defaults = LogConfig::default();
        let filter = self.log.clone().unwrap_or(defaults.filter);
        Ok(LogConfig {
            format: self.log_format.parse()?,
            filter,
        })
    }
}

#[derive(Debug, Args)]
struct ConfigArgs {
    /// What this host's owner allows; /etc/dataguardian/agent.toml if it is there
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

fn main() -> ExitCode {
    keep_files_private();
    if !dataguardian_heap::return_large_blocks() {
        eprintln!(
            "warning: the C library does not take the setting for large blocks: expect more memory in use"
        );
    }
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("error: a TLS provider was installed twice");
        return ExitCode::FAILURE;
    }
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let ended = runtime
        .context("the runtime can't be started")
        .and_then(|runtime| runtime.block_on(start(cli.command)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", causes::in_a_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Whatever this process and the programs it starts write is their user's alone: objects and folders of a storage get their
/// modes from the umask and nothing else, and an unencrypted backup is as good as the database. Before any thread starts, since
/// the umask is the whole process's.
fn keep_files_private() {
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
}

async fn start(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Enroll(args) => enroll_host(args).await,
        Command::Install(args) => Box::pin(args.run()).await,
        Command::Run(args) => run(args).await,
        Command::Doctor(args) => cli::doctor::look(&args).await,
        Command::Propose(args) => args.run().await,
        Command::BackupUser(args) => args.run().await,
        Command::Rescue(rescue) => Box::pin(rescue.run()).await,
    }
}

async fn enroll_host(args: EnrollArgs) -> anyhow::Result<()> {
    let state = StateDir::open(&args.state_dir)?;
    let _lock = state.lock()?;
    let enrollment = Enrollment {
        server: args.server,
        ca_pin: args.ca_pin,
        join_token: read_secret(&args.token_file, "join token")?,
        name: args.name,
        again: args.again,
    };
    let identity = enroll(&state, &enrollment, &HostInfo::gather(), &SystemClock::shared()).await?;
    println!(
        "This host is agent {} ({}) now.",
        identity.agent_name, identity.agent_id
    );
    println!(
        "Start it with: dataguardian-agent run --state-dir {}",
        args.state_dir.display()
    );
    Ok(())
}

async fn run(args: RunArgs) -> anyhow::Result<()> {
    let config = AgentConfig::load(args.config.config.as_deref())?;
    // What was mistyped is not made.
    anyhow::ensure!(
        args.state_dir.is_dir(),
        "there is no state directory {}: name the agent's with --state-dir, or run `dataguardian-agent enroll` first",
        args.state_dir.display()
    );
    let telemetry = args.telemetry(&config)?;
    let exporting = args.log.config()?.install(&telemetry, SERVICE)?;
    let state = StateDir::open(&args.state_dir)?;
    let _lock = state.lock()?;
    let identity = Identity::load(&state)?;
    let keys = AgentKeys::load(&state)?.ok_or(IdentityError::NotEnrolled)?;
    let control_plane = ControlPlane::prepare(&identity)?;
    let clock = SystemClock::shared();
    let (mut requests, grace) = (StopRequests::listen()?, config.stop_grace());
    tracing::info!(
        agent.id = %identity.agent_id, agent.name = identity.agent_name, version = env!("CARGO_PKG_VERSION"),
        control_plane.host = identity.endpoint.host, control_plane.port = identity.endpoint.port, "agent starts"
    );
    let monitor = SystemMonitor::new(args.monitor.over(config.monitor), clock.clone())?;
    let folders = std::iter::once(args.state_dir.clone()).chain(config.local_roots.iter().cloned());
    let monitor = Arc::new(monitor.watching(folders.collect()));
    let runner = Runner::start(Host {
        monitor: Arc::clone(&monitor),
        cpu: CpuPool::new(config.effective_cpu_threads()),
        config,
        state: state.clone(),
        agent: identity.agent_id,
        owner: identity.control_plane_id,
        signing: keys.signing,
        engine: Arc::new(RealEngines::default()),
        control_plane: control_plane.clone(),
        sending: Sending::default(),
        clock: clock.clone(),
    })?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let renewal = Renewal::new(state, identity, control_plane, clock.clone());
    let sessions = Sessions::new(runner.clone(), HostInfo::gather(), clock, renewal.call());
    tasks.spawn(sessions.run(stop.clone()));
    tasks.spawn(renewal.run(stop.clone()));
    let watching = stop.clone();
    tasks.spawn(async move { monitor.run(watching).await });
    requests.next().await;
    shutdown::stop(&runner, &mut requests, grace).await;
    runner.host().sending.stop().await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    if let Some(exporting) = exporting {
        exporting.end().await;
    }
    Ok(())
}
