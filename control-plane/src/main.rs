//! `dataguardian`: the control plane's program.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use dataguardian_control_plane::app::{self, App};
use dataguardian_control_plane::config::{Command, CommandLine, Config, ServeFlags};
use dataguardian_control_plane::dev;
use dataguardian_core::causes;
use dataguardian_core::secret::Secret;
use dataguardian_telemetry::otlp::{Exporting, Service, TelemetryConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// How this program is called where traces and log lines are collected.
const SERVICE: Service = Service {
    name: "dataguardian",
    version: env!("CARGO_PKG_VERSION"),
};

fn main() -> ExitCode {
    if rustls::crypto::ring::default_provider()
        .install_default()
        .is_err()
    {
        eprintln!("error: a TLS provider was installed twice");
        return ExitCode::FAILURE;
    }
    raise_open_files();
    match start(CommandLine::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", causes::in_a_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// Each connection is an open file, and the usual limit of 1,024 is for programs that can't do with more: the system's
/// hard limit holds. If that can't be had, the listeners wait for files like for anything else.
fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok();
    }
}

#[tokio::main]
async fn start(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(flags) => Box::pin(serve(&flags)).await,
        Command::Migrate(flags) => {
            app::migrate(&configure_alone(&flags)?).await?;
            println!("The metadata database's schema is up to date.");
            Ok(())
        }
        Command::ResetAdmin(flags) => {
            let config = configure_alone(&flags.serve)?;
            let reset = app::reset_admin(&config, password(&flags.password_file)?).await?;
            let (name, ended) = (&reset.user.username, reset.tokens_ended);
            println!("{name} has the new password; {ended} sign-ins were ended.");
            Ok(())
        }
        Command::Dev(flags) => {
            let (config, exporting) = configure(&flags.serve)?;
            let config = dev::defaults(config)?;
            let stop = stop_on_signals()?;
            let app = App::build(config).await?;
            announce(&app)?;
            Box::pin(dev::run(app, !flags.no_agent, stop)).await?;
            end(exporting).await;
            Ok(())
        }
    }
}

async fn serve(flags: &ServeFlags) -> anyhow::Result<()> {
    let (config, exporting) = configure(flags)?;
    let stop = stop_on_signals()?;
    let app = App::build(config).await?;
    announce(&app)?;
    Box::pin(app.run(stop)).await?;
    end(exporting).await;
    Ok(())
}

/// The first line of a file, or of standard input. It never comes as an argument, which every user of the machine can read.
fn password(file: &Path) -> anyhow::Result<Secret> {
    const LONGEST: u64 = 64 << 10;
    let mut text = Zeroizing::new(String::new());
    let read = if file == Path::new("-") {
        std::io::stdin().take(LONGEST).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text))
    };
    read.with_context(|| format!("the password can't be read from {}", file.display()))?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}

/// The settings, with logging set up and traces on their way if they are wanted.
fn configure(flags: &ServeFlags) -> anyhow::Result<(Config, Option<Exporting>)> {
    let config = Config::load(flags)?;
    let exporting = config.log.install(&config.telemetry, SERVICE)?;
    Ok((config, exporting))
}

/// The same for what is soon done, and sends nothing.
fn configure_alone(flags: &ServeFlags) -> anyhow::Result<Config> {
    let config = Config::load(flags)?;
    config.log.install(&TelemetryConfig::default(), SERVICE)?;
    Ok(config)
}

async fn end(exporting: Option<Exporting>) {
    if let Some(exporting) = exporting {
        exporting.end().await;
    }
}

fn announce(app: &App) -> anyhow::Result<()> {
    let (api, agents) = (app.api_address()?, app.agent_address()?);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), %api, %agents, "the control plane starts");
    if let Some(path) = app.ca_file() {
        tracing::info!(path = %path.display(), "clients of the API trust this authority");
    }
    if let Some(path) = app.setup_token() {
        let path = path.display();
        tracing::info!(%path, "there is no administrator yet: `dgctl setup --setup-token-file {path}` makes one");
    }
    Ok(())
}

/// A token that SIGTERM and SIGINT cancel; a second signal ends the process at once.
fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be listened to")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT can't be listened to")?;
    let stop = CancellationToken::new();
    let cancelled = stop.clone();
    tokio_util::task::TaskTracker::new().spawn(async move {
        for signals in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if signals > 0 {
                std::process::exit(130);
            }
            cancelled.cancel();
        }
    });
    Ok(stop)
}
