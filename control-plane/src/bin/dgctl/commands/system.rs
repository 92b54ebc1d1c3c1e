//! `dgctl system`.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::Context;
use super::recovery_kit::RecoveryKit;
use crate::error::Result;
use crate::output::table::{Field, Look, Tone, details};
use crate::output::text;

mod dashboard;
mod garbage;
mod health;
mod rotate_key;

/// `dgctl system …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the control plane's version, metadata database and connected agents
    Info,
    /// Show the queue and the workers of the replica that answers: which runs, which is paused, and why
    Health,
    /// Show how well everything is protected, what ran lately and how the machines are
    Dashboard,
    /// Look for what deleted, failed and cancelled backups left in the storages, and take each thing one step further on its way out
    Cleanup(Cleanup),
    /// What no backup needs in the storages: show it, and have it go
    #[command(subcommand)]
    Garbage(garbage::Command),
    /// Make a recovery kit: the file that opens every backup when the control plane is gone
    RecoveryKit(RecoveryKit),
    /// Make a new certificate authority; the old one stays trusted until no agent needs it
    RotateCa(Rotate),
    /// Make a new key for backups; what was backed up before stays readable
    RotateKey(rotate_key::RotateKey),
}

#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    /// Change nothing: print the plan
    #[arg(long)]
    dry_run: bool,
}

/// `dgctl system rotate-ca`
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Info => info(context).await,
            Self::Health => health::health(context).await,
            Self::Dashboard => dashboard::run(context).await,
            Self::Cleanup(cleanup) => cleanup.run(context).await,
            Self::Garbage(command) => command.run(context).await,
            Self::RecoveryKit(kit) => kit.run(context).await,
            Self::RotateCa(rotate) => rotate.run(context).await,
            Self::RotateKey(rotate) => rotate.run(context).await,
        }
    }
}

impl Cleanup {
    async fn run(self, context: &Context) -> Result<()> {
        let api = context.api().await?;
        let request = v1::RunCleanupRequest {
            validate_only: self.dry_run,
            storage: String::new(),
        };
        let reply = api.system().run_cleanup(request).await?.into_inner();
        context.output.show(&reply, garbage::steps)
    }
}

async fn info(context: &Context) -> Result<()> {
    let api = context.api().await?;
    let reply = api
        .system()
        .get_system_info(v1::GetSystemInfoRequest {})
        .await?
        .into_inner();
    context.output.show(&reply, describe)
}

impl Rotate {
    async fn run(self, context: &Context) -> Result<()> {
        let question = "Make a new certificate authority? The agents fetch new certificates within minutes.";
        context.confirm(self.yes, question)?;
        let reply = context
            .api()
            .await?
            .system()
            .rotate_authority(v1::RotateAuthorityRequest {})
            .await?
            .into_inner();
        context.output.show(&reply, |reply, _| {
            format!(
                "A new authority signs from now on:\n{}\n\nGive its certificate, ca.pem in the control plane's data directory, to who calls the API: \
                 the old one works for 7 days at least, and until no agent needs it.\n",
                authorities(&reply.authorities)
            )
        })
    }
}

/// One line for each authority.
fn authorities(authorities: &[v1::CertificateAuthority]) -> String {
    let line = |authority: &v1::CertificateAuthority| {
        let role = if authority.signs { "signs" } else { "trusted still" };
        let agents = text::counted(u64::from(authority.agents), "agent", "agents");
        format!("{} ({role}, {agents})", text::cell(&authority.pin))
    };
    authorities.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn kit_of(info: &v1::GetSystemInfoResponse) -> String {
    match info.recovery_kit_created_at.as_ref() {
        Some(at) => text::time_and_distance(Some(at)),
        None => "none was made: `dgctl system recovery-kit` makes one; without it encrypted backups are lost with the \
                 control plane"
            .to_owned(),
    }
}

/// What a person should see to, and what to type.
fn notices(notices: &[v1::SystemNotice]) -> String {
    let line = |notice: &v1::SystemNotice| {
        format!(
            "notice: {}\n  see: {}\n",
            text::cell(&notice.message),
            text::cell(&notice.command)
        )
    };
    notices.iter().map(line).collect()
}

/// `vault, spare (…)`; empty if nothing is held.
fn held(storages: &[String]) -> String {
    match storages {
        [] => String::new(),
        names => format!("in {}: `dgctl storage get` says why", names.join(", ")),
    }
}

fn describe(info: &v1::GetSystemInfoResponse, look: Look) -> String {
    details(
        look,
        vec![
            ("Version", Field::text(&info.version)),
            ("Control plane", Field::text(&info.control_plane_id)),
            ("Metadata", Field::text(&info.metadata_backend)),
            ("Replica", Field::text(&info.replica_id)),
            (
                "Started",
                Field::text(&text::time_and_distance(info.started_at.as_ref())),
            ),
            (
                "Agents connected",
                Field::number(info.agents_connected.to_string()),
            ),
            ("Queue", health::queue(info.queue.as_ref())),
            ("Workers", Field::text(&health::in_short(&info.workers))),
            (
                "Authorities",
                Field::text(&authorities(&info.authorities).replace('\n', ", ")),
            ),
            (
                "Keys of backups",
                Field::text(&rotate_key::keys(&info.installation_keys)),
            ),
            ("Recovery kit", Field::text(&kit_of(info))),
            (
                "Collection held",
                Field::text(&held(&info.held_storages)).toned(Tone::Bad),
            ),
            ("Server's clock", Field::text(&text::time(info.now.as_ref()))),
        ],
    ) + &notices(&info.notices)
}
