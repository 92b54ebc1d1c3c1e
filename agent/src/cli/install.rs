//! `dataguardian-agent install`: one line that makes a host an agent whose service runs, and shows what it could back up.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, ensure};
use clap::Args;
use dataguardian_agent::enroll::CaPin;
use dataguardian_agent::identity::{Identity, IdentityError};
use dataguardian_agent::install::{Account, Edited, Installation, Layout, Manager, Outcome, Step, USER, Way};
use dataguardian_core::secret::Secret;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::{propose, read_secret};

/// `dataguardian-agent install`
#[derive(Debug, Args)]
pub(crate) struct InstallArgs {
    /// The control plane's API: https://HOST:PORT
    #[arg(long, env = "DATAGUARDIAN_SERVER", value_name = "URL")]
    server: Option<String>,
    /// Whom to trust: sha256:… as printed with the token
    #[arg(long, value_name = "PIN", requires = "token_file")]
    ca_pin: Option<CaPin>,
    /// A file with the join token; - for standard input
    #[arg(long, value_name = "FILE", requires_all = ["ca_pin", "server"])]
    token_file: Option<PathBuf>,
    /// The agent's name, if the token leaves it open
    #[arg(long)]
    name: Option<String>,
    /// A folder of a local storage, made for the agent and opened to it; may be given several times
    #[arg(long = "storage-dir", value_name = "DIR")]
    storage_dirs: Vec<PathBuf>,
    /// The system to install to, such as an image that is being built
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Show the unit and do nothing
    #[arg(long)]
    print_unit: bool,
    /// Replace units that were edited
    #[arg(long)]
    force: bool,
    /// Do not start the service now
    #[arg(long)]
    no_start: bool,
    /// Take the service away again; the agent's identity, its settings and all backups stay
    #[arg(long, conflicts_with_all = ["token_file", "storage_dirs", "print_unit", "no_start"])]
    remove: bool,
}

impl InstallArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let root = std::path::absolute(&self.root).context("--root")?;
        ensure!(root.is_dir(), "there is no folder {}", root.display());
        let installation = Installation {
            root,
            storage_dirs: self.storage_dirs.clone(),
            way: if self.dry_run { Way::Tell } else { Way::Do },
            edited: if self.force { Edited::Replace } else { Edited::Keep },
        };
        if self.print_unit {
            print!("{}", installation.unit());
            return Ok(());
        }
        installation.permitted()?;
        if self.dry_run {
            println!("Nothing is done; this is what would be:");
        }
        if self.remove {
            tell(&installation.remove()?, installation.way);
            println!("{}", what_stays(&installation.layout()));
            return Ok(());
        }
        self.install(&installation).await
    }

    async fn install(&self, installation: &Installation) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("this program's own path")?;
        // Before anything is made: a token that can't be read, or none at all, leaves the host as it was.
        let way_in = self.way_in(&installation.layout())?;
        // What is done is said as soon as it is, so that whoever sees a later step fail knows what there is.
        let (account, prepared) = installation.prepare(&program)?;
        tell(&prepared, installation.way);
        let (enrolled, name) = self.become_agent(installation, &account, way_in).await?;
        let enrolled = [enrolled];
        tell(&enrolled, installation.way);
        let units = installation.write_units()?;
        tell(&units, installation.way);
        let units_changed = units.iter().any(Step::is_done);
        let changed = prepared.iter().chain(&enrolled).any(Step::is_done) || units_changed;
        self.start(installation, units_changed, changed)?;
        if self.dry_run || !installation.is_this_host() {
            return Ok(());
        }
        println!();
        propose::after_installing(name).await
    }

    /// The service, from now on and with the host.
    fn start(&self, installation: &Installation, units_changed: bool, changed: bool) -> anyhow::Result<()> {
        let (manager, way) = (Manager::of(installation), installation.way);
        if units_changed {
            tell(manager.reload(way)?.as_slice(), way);
        }
        if units_changed && way == Way::Tell {
            // There is no unit yet that could be asked about.
            println!("  to do  the service starts with the host");
        } else {
            tell(&[manager.enable(way)?], way);
        }
        if self.no_start {
            return Ok(());
        }
        if manager.is_running() {
            tell(&[manager.start(changed, way)?], way);
        } else {
            println!("{}", without_systemd(installation));
        }
        Ok(())
    }

    /// The host is an agent afterwards; of which name, unless that was only to be told.
    async fn become_agent(
        &self,
        installation: &Installation,
        account: &Account,
        way_in: WayIn,
    ) -> anyhow::Result<(Step, Option<String>)> {
        let step = |outcome, what: String| Step { outcome, what };
        Ok(match way_in {
            WayIn::Enrolled(name) => (
                step(Outcome::Present, format!("agent {name} is enrolled")),
                Some(name),
            ),
            WayIn::Token(..) if self.dry_run => {
                (step(Outcome::Done, "enrolled with the token".to_owned()), None)
            }
            WayIn::Token(pin, token) => {
                self.enroll(installation, account, pin, &token).await?;
                let name = Identity::look(&installation.layout().state_dir())?.agent_name;
                (step(Outcome::Done, format!("agent {name} enrolled")), Some(name))
            }
        })
    }

    /// How the host becomes an agent, or that it is one.
    fn way_in(&self, layout: &Layout) -> anyhow::Result<WayIn> {
        match Identity::look(&layout.state_dir()) {
            Ok(identity) => return Ok(WayIn::Enrolled(identity.agent_name)),
            Err(IdentityError::NotEnrolled) => {}
            Err(error) => return Err(error.into()),
        }
        let (Some(pin), Some(file)) = (self.ca_pin, &self.token_file) else {
            anyhow::bail!(
                "this host has not enrolled yet: run `dgctl agent token create` where dgctl is set up, and paste here the line that it \
                 prints (--server, --ca-pin and --token-file belong together)"
            );
        };
        Ok(WayIn::Token(pin, read_secret(file, "join token")?))
    }

    /// Enrolls as the agent's own user, so that its keys are nobody else's from the beginning.
    async fn enroll(
        &self,
        installation: &Installation,
        account: &Account,
        pin: CaPin,
        token: &Secret,
    ) -> anyhow::Result<()> {
        let layout = installation.layout();
        let mut command = if installation.is_this_host() {
            let mut command = Command::new(layout.program_inside());
            if let Some((user, group)) = account.ids() {
                command.uid(user).gid(group);
            }
            command
        } else {
            Command::new(std::env::current_exe()?)
        };
        command
            .args(["enroll", "--token-file", "-", "--ca-pin"])
            .arg(pin.to_string());
        command
            .arg("--server")
            .arg(self.server.as_deref().unwrap_or_default());
        command.arg("--state-dir").arg(layout.state_dir());
        if let Some(name) = &self.name {
            command.arg("--name").arg(name);
        }
        let mut child = command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the program can't be started as the agent's user")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(token.expose().as_bytes()).await?;
        }
        let ended = child.wait_with_output().await?;
        if !installation.is_this_host() {
            account.own_all(&layout.state_dir())?;
        }
        let said = String::from_utf8_lossy(&ended.stderr);
        let said = said.trim();
        ensure!(
            ended.status.success(),
            "{}",
            said.strip_prefix("error: ").unwrap_or(said)
        );
        Ok(())
    }
}

/// How the host becomes an agent.
enum WayIn {
    /// It is that one already.
    Enrolled(String),
    /// By a token, at whom the pin names.
    Token(CaPin, Secret),
}

fn tell(steps: &[Step], way: Way) {
    for step in steps {
        match way {
            Way::Tell if step.is_done() => println!("  to do  {}", step.what),
            _ => println!("{step}"),
        }
    }
}

fn what_stays(layout: &Layout) -> String {
    format!(
        "These stay: {} with the agent's identity, {}, the user {USER}, and every folder of backups. `dgctl agent revoke` ends the \
         identity for good.",
        layout.state_dir().display(),
        layout.config().parent().unwrap_or(Path::new("/etc")).display()
    )
}

/// What is to be done where nobody starts services by units.
fn without_systemd(installation: &Installation) -> String {
    let program = installation.layout().program_inside();
    if !installation.is_this_host() {
        return "The service starts when that system does.".to_owned();
    }
    format!(
        "systemd does not run here, so nothing was started. Have whatever starts services here run this, and start it again when it \
         ends:\n\n  runuser -u {USER} -- {} run --state-dir {}",
        program.display(),
        installation.layout().state_dir().display()
    )
}
