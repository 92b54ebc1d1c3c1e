//! `dgctl agent`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use dataguardian_proto::{convert, v1};

use super::{Context, required};
use crate::ask;
use crate::error::Result;
use crate::output::table::{Field, List, Look, Tone, details};
use crate::output::text;
use crate::paging::Limit;
use crate::profile::write_private;
use crate::values::{agent_state_word, length};

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
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

const AGENTS: List<5> = List {
    titles: ["name", "state", "host", "version", "last seen"],
    spare: &["version", "host"],
    none: "No agents yet: `dgctl agent token create` makes a token to enroll one.",
};

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Token(TokenCommand::Create(create)) => create.run(context).await,
            Self::List(limit) => list_agents(limit, context).await,
            Self::Get(named) => {
                let mut agents = context.api().await?.agents();
                let reply = agents
                    .get_agent(v1::GetAgentRequest { agent: named.agent })
                    .await?
                    .into_inner();
                let agent = required(reply.agent.clone(), "agent")?;
                context.output.show(&reply, |_, look| describe(&agent, look))
            }
            Self::Revoke(revoke) => revoke.run(context).await,
        }
    }
}

impl CreateToken {
    async fn run(self, context: &Context) -> Result<()> {
        let request = v1::CreateJoinTokenRequest {
            name: self.name.unwrap_or_default(),
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
        ask::confirm(self.yes, &question)?;
        let mut agents = context.api().await?.agents();
        let reply = agents
            .revoke_agent(v1::RevokeAgentRequest { agent: self.agent })
            .await?
            .into_inner();
        let agent = required(reply.agent.clone(), "agent")?;
        context.output.show(&reply, |_, _| {
            format!("Agent {} is revoked.", text::cell(&agent.name))
        })
    }
}

fn table(agents: &[v1::Agent], look: Look) -> String {
    let row = |agent: &v1::Agent| {
        [
            Field::text(&agent.name),
            standing(agent),
            Field::text(&agent.hostname),
            Field::text(&agent.version),
            Field::text(&text::short_time(agent.last_seen_at.as_ref(), look.width)),
        ]
    };
    AGENTS.show(look, &agents.iter().map(row).collect::<Vec<_>>())
}

/// Whether it may work and does.
fn standing(agent: &v1::Agent) -> Field {
    match (agent.state(), agent.connected) {
        (v1::AgentState::Active, true) => Field::text("connected").toned(Tone::Good),
        (v1::AgentState::Active, false) => Field::text("disconnected").toned(Tone::Bad),
        (state, _) => Field::text(&agent_state_word(state)).toned(Tone::Quiet),
    }
}

fn describe(agent: &v1::Agent, look: Look) -> String {
    let client =
        |client: &v1::ClientProgram| format!("{} {} in {}", client.engine, client.version, client.directory);
    let clients: Vec<String> = agent.clients.iter().map(client).collect();
    let skew = agent
        .clock_skew
        .as_ref()
        .map(text::signed_length)
        .unwrap_or_default();
    details(
        look,
        vec![
            ("Name", Field::text(&agent.name)),
            ("Id", Field::text(&agent.id)),
            ("State", standing(agent)),
            ("Host", Field::text(&agent.hostname)),
            ("System", Field::text(&agent.operating_system)),
            ("Version", Field::text(&agent.version)),
            (
                "Enrolled",
                Field::text(&text::time_and_distance(agent.enrolled_at.as_ref())),
            ),
            (
                "Last seen",
                Field::text(&text::time_and_distance(agent.last_seen_at.as_ref())),
            ),
            (
                "Certificate until",
                Field::text(&text::time_and_distance(agent.certificate_expires_at.as_ref())),
            ),
            ("Clock", Field::text(&skew)),
            ("Clients", Field::text(&clients.join(", "))),
        ],
    )
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
    let how = "To enroll the agent, run this on its host and paste the token:";
    format!(
        "{properties}\n{how}\n\n  {}\n",
        text::printable(&reply.enroll_command)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_listed_with_their_standing() {
        let agent = |name: &str, state: v1::AgentState, connected| v1::Agent {
            name: name.into(),
            state: state.into(),
            connected,
            hostname: "db1.example".into(),
            version: "0.1.0".into(),
            ..Default::default()
        };
        let agents = [
            agent("db1", v1::AgentState::Active, true),
            agent("db2", v1::AgentState::Active, false),
            agent("old", v1::AgentState::Revoked, false),
        ];
        insta::assert_snapshot!(table(&agents, Look::PLAIN));
    }

    #[test]
    fn a_join_token_comes_with_the_line_to_paste() {
        let reply = v1::CreateJoinTokenResponse {
            token: "dgj_0192_secret".into(),
            ca_pin: "sha256:00ff".into(),
            enroll_command:
                "dataguardian-agent enroll --server https://dg:8443 --ca-pin sha256:00ff --token-file -"
                    .into(),
            ..Default::default()
        };
        insta::assert_snapshot!(describe_token(&reply, None, Look::PLAIN));
        let saved = describe_token(&reply, Some(&"/etc/token".into()), Look::PLAIN);
        assert!(!saved.contains("secret"), "{saved}");
    }
}
