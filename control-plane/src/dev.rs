//! `dataguardian dev`: a control plane and an agent on this machine, for trying out and developing.
//!
//! The agent is its own program, found beside this one, and enrolls like any other.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, StartError};
use crate::config::{Config, DataDir, InvalidSetting};

/// The agent's program.
const AGENT: &str = "dataguardian-agent";

/// `dev` does not work here.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The control plane does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The agent's program is not there.
    #[error("{} is not there: build it, or use --no-agent", .0.display())]
    NoAgent(PathBuf),
    /// The agent's program can't be run.
    #[error("the agent can't be run")]
    Run(#[from] std::io::Error),
    /// The agent does not enroll.
    #[error("the agent could not enroll ({0})")]
    Enroll(ExitStatus),
}

/// The settings of `dev`: on loopback alone, in a directory of its own unless one is named.
pub fn defaults(mut config: Config) -> Result<Config, InvalidSetting> {
    for (key, listen) in [
        ("api.listen", config.api.listen),
        ("agents.listen", config.agents.listen),
    ] {
        if !listen.ip().is_loopback() {
            let problem = format!("is {listen}, and `dev` is for loopback only");
            return Err(InvalidSetting { key, problem });
        }
    }
    config
        .data_dir
        .get_or_insert_with(|| DataDir::default_path().with_file_name("dataguardian-dev"));
    Ok(config)
}

/// Runs both until told to stop, or until the agent ends.
pub async fn run(app: App, with_agent: bool, stop: CancellationToken) -> Result<(), DevError> {
    if !with_agent {
        return Ok(Box::pin(app.run(stop)).await?);
    }
    let program = beside_us()?;
    let agent = DevAgent {
        state_dir: app.data_dir().join("agent"),
        server: format!("https://{}", app.api_address()?),
        pin: app.pin(),
        program,
    };
    let join = if agent.is_enrolled() {
        None
    } else {
        Some(app.create_join_token("dev").await?)
    };
    let tasks = TaskTracker::new();
    let stopping = stop.clone();
    tasks.spawn(Box::pin(app.run(stopping)));
    tasks.close();
    let ran = async {
        if let Some(join) = join {
            agent.enroll(join.token.expose()).await?;
        }
        agent.run(&stop).await
    };
    let ran = ran.await;
    stop.cancel();
    tasks.wait().await;
    ran
}

struct DevAgent {
    program: PathBuf,
    state_dir: PathBuf,
    server: String,
    pin: String,
}

impl DevAgent {
    fn is_enrolled(&self) -> bool {
        self.state_dir.join("identity.json").exists()
    }

    async fn enroll(&self, token: &str) -> Result<(), DevError> {
        let mut child = Command::new(&self.program)
            .args([
                "enroll",
                "--server",
                &self.server,
                "--ca-pin",
                &self.pin,
                "--token-file",
                "-",
                "--state-dir",
            ])
            .arg(&self.state_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(token.as_bytes()).await?;
        }
        let ended = child.wait().await?;
        if ended.success() {
            Ok(())
        } else {
            Err(DevError::Enroll(ended))
        }
    }

    async fn run(&self, stop: &CancellationToken) -> Result<(), DevError> {
        let mut child = Command::new(&self.program)
            .arg("run")
            .arg("--state-dir")
            .arg(&self.state_dir)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        tokio::select! {
            ended = child.wait() => tracing::error!(status = %ended?, "the agent ended"),
            () = stop.cancelled() => terminate(&mut child).await?,
        }
        Ok(())
    }
}

/// Asks the agent to end, and waits for it: it has things to write down.
async fn terminate(child: &mut Child) -> Result<(), DevError> {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid
        && let Err(error) = kill(Pid::from_raw(pid), Signal::SIGTERM)
    {
        tracing::debug!(%error, "the agent had ended already");
    }
    child.wait().await?;
    Ok(())
}

fn beside_us() -> Result<PathBuf, DevError> {
    let ours = std::env::current_exe()?;
    let program = ours.parent().unwrap_or(Path::new(".")).join(AGENT);
    if program.exists() {
        Ok(program)
    } else {
        Err(DevError::NoAgent(program))
    }
}
