//! `dgctl agent`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use dataguardian_proto::{convert, v1};

use super::{Context, required};
use crate::error::Result;
use crate::output::table::{Field, Look, details};
use crate::output::text;
use crate::paging::Limit;
use crate::profile::write_private;
use crate::values::length;

mod drain;
mod identity;
mod show;

use show::{describe, table};

/// `dgctl agent …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Join tokens: each lets one agent enroll once
    #[command(subcommand)]
    Token(TokenCommand),
    /// List agents
    List(Limit),
    /// Show an agent
    Get(Named),
    /// End an agent's identity for good and close its connections
    Revoke(Revoke),
    /// Give an agent no new work; what it is at work on goes on
    Lock(Named),
    /// Give an agent no new work, and wait for what it is at work on: before its host or the agent is stopped
    Drain(Named),
    /// Give a locked agent work again
    Unlock(Named),
    /// Let an agent that was away for more than 30 days fetch a new certificate, within 24 hours
    Approve(Named),
    /// Take away the alert about a second holder of an agent's identity, once it was looked into
    ClearAlert(Named),
}

/// `dgctl agent token …`
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a join token
    Create(CreateToken),
}

/// `dgctl agent token create`
#[derive(Debug, Args)]
pub(crate) struct CreateToken {
    /// The name the agent will have [else: its host's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// An agent whose host was rebuilt: the new host becomes that agent, and the old one is out at once
    #[arg(long = "for", value_name = "AGENT", conflicts_with = "name")]
    for_agent: Option<String>,
    /// How long the token is good for, as in 30m, 1h or 7d [else: 1h]
    #[arg(long, value_name = "TIME", value_parser = length)]
    ttl: Option<Duration>,
    /// Write the token to this file, for its owner alone to read, instead of showing it
    #[arg(long, value_name = "FILE")]
    save_token: Option<PathBuf>,
}

/// An agent.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    agent: String,
}

/// `dgctl agent revoke`
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Name or id
    agent: String,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Token(TokenCommand::Create(create)) => create.run(context).await,
            Self::List(limit) => list_agents(limit, context).await,
            Self::Get(Named { agent }) => {
                let mut agents = context.api().await?.agents();
                let reply = agents
                    .get_agent(v1::GetAgentRequest { agent })
                    .await?
                    .into_inner();
                let agent = required(reply.agent.clone(), "agent")?;
                context.output.show(&reply, |_, look| describe(&agent, look))
            }
            Self::Revoke(revoke) => revoke.run(context).await,
            Self::Lock(named) => identity::lock(named.agent, context).await,
            Self::Drain(named) => Box::pin(drain::drain(named.agent, context)).await,
            Self::Unlock(named) => identity::unlock(named.agent, context).await,
            Self::Approve(named) => identity::approve(named.agent, context).await,
            Self::ClearAlert(named) => identity::clear_alert(named.agent, context).await,
        }
    }
}

impl CreateToken {
    async fn run(self, context: &Context) -> Result<()> {
        let request = v1::CreateJoinTokenRequest {
            name: self.name.unwrap_or_default(),
            for_agent: self.for_agent.unwrap_or_default(),
            ttl: self.ttl.map(convert::duration),
        };
        let mut reply = context
            .api()
            .await?
            .agents()
            .create_join_token(request)
            .await?
            .into_inner();
        if let Some(path) = &self.save_token {
            write_private(path, format!("{}\n", reply.token).as_bytes())?;
            reply.token.clear();
        }
        context.output.show(&reply, |reply, look| {
            describe_token(reply, self.save_token.as_ref(), look)
        })
    }
}

async fn list_agents(limit: Limit, context: &Context) -> Result<()> {
    let agents = context.api().await?.agents();
    let reply: v1::ListAgentsResponse = limit
        .collect(|page_size, page_token| {
            let mut agents = agents.clone();
            async move {
                agents
                    .list_agents(v1::ListAgentsRequest {
                        page_size,
                        page_token,
                    })
                    .await
            }
        })
        .await?;
    context
        .output
        .page(&reply, |reply, look| table(&reply.agents, look))
}

impl Revoke {
    async fn run(self, context: &Context) -> Result<()> {
        let question = format!(
            "Revoke agent {} for good? It will have to enroll anew.",
            self.agent
        );
        context.confirm(self.yes, &question)?;
        let mut agents = context.api().await?.agents();
        let reply = agents
            .revoke_agent(v1::RevokeAgentRequest { agent: self.agent })
            .await?
            .into_inner();
        let agent = required(reply.agent.clone(), "agent")?;
        context.output.show(&reply, |_, _| {
            format!(
                "Agent {} is revoked. What it had goes to another agent with `dgctl datasource update NAME --agent NEW` and \
                 `dgctl storage update NAME --agent NEW`.",
                text::cell(&agent.name)
            )
        })
    }
}

fn describe_token(reply: &v1::CreateJoinTokenResponse, saved: Option<&PathBuf>, look: Look) -> String {
    let token = match saved {
        Some(path) => format!("in {}", path.display()),
        None => reply.token.clone(),
    };
    let properties = details(
        Look { width: None, ..look },
        vec![
            ("Token", Field::text(&token)),
            (
                "Good until",
                Field::text(&text::time_and_distance(reply.expires_at.as_ref())),
            ),
            ("CA pin", Field::text(&reply.ca_pin)),
        ],
    );
    let (how, command) = match saved {
        None => (
            "To make a host that agent, paste this line there, where dataguardian-agent is:",
            from_standard_input(reply),
        ),
        Some(_) => (
            "To make a host that agent, bring that file to it, and run this there, where dataguardian-agent is:",
            format!(
                "sudo {}",
                reply
                    .install_command
                    .replace("--token-file -", "--token-file FILE")
            ),
        ),
    };
    let what = "It enrolls the host, sets up the service and starts it, and shows how to back up the databases that it finds. To \
                enroll and no more:";
    format!(
        "{properties}\n{how}\n\n  {}\n\n{what}\n\n  {}\n",
        text::printable(&command),
        text::printable(&reply.enroll_command)
    )
}

/// The line with the token. `printf` is the shell's own in every shell, so that no list of processes ever shows the token, and a
/// line that begins with a blank is not kept by shells that are set so (Debian's are); once used, the token is worth nothing.
fn from_standard_input(reply: &v1::CreateJoinTokenResponse) -> String {
    format!("printf %s '{}' | sudo {}", reply.token, reply.install_command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_token_comes_with_the_line_to_paste() {
        let reply = v1::CreateJoinTokenResponse {
            token: "dgj_0192_secret".into(),
            ca_pin: "sha256:00ff".into(),
            enroll_command:
                "dataguardian-agent enroll --server https://dg:8443 --ca-pin sha256:00ff --token-file -"
                    .into(),
            install_command:
                "dataguardian-agent install --server https://dg:8443 --ca-pin sha256:00ff --token-file -"
                    .into(),
            ..Default::default()
        };
        insta::assert_snapshot!(describe_token(&reply, None, Look::PLAIN));
        let saved = describe_token(&reply, Some(&"/etc/token".into()), Look::PLAIN);
        assert!(
            !saved.contains("secret") && saved.contains("sudo dataguardian-agent install"),
            "{saved}"
        );
    }
}
