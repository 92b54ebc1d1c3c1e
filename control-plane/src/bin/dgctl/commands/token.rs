//! `dgctl token`: API tokens for programs.

use std::time::Duration;

use clap::{Args, Subcommand};
use dataguardian_proto::convert::duration;
use dataguardian_proto::v1;

use super::role::{Over, of_binding};
use super::{Context, required};
use crate::error::Result;
use crate::output::table::{Field, List};
use crate::output::text;
use crate::values::length;

/// `dgctl token …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an API token of yours for a program; it is shown this once
    Create(Create),
    /// List your API tokens
    List,
    /// End an API token
    Revoke(Revoke),
}

/// `dgctl token create`
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// What it is for
    #[arg(long, value_name = "NAME")]
    name: String,
    /// A role that it has; may be given again. It never may more than you
    #[arg(long, value_name = "ROLE", required = true)]
    role: Vec<String>,
    /// How long it is good, as in 12h or 30d
    #[arg(long, value_name = "TIME", value_parser = length, default_value = "90d")]
    ttl: Duration,
    #[command(flatten)]
    over: Over,
}

/// `dgctl token revoke`
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    /// Its id, as `token list` shows it
    token: String,
}

const TOKENS: List<5> = List {
    titles: ["id", "name", "roles", "last used", "until"],
    spare: &["last used"],
    none: "You have no API tokens.",
};

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List => list(context).await,
            Self::Revoke(revoke) => revoke.run(context).await,
        }
    }
}

impl Create {
    async fn run(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::CreateApiTokenRequest {
            name: self.name,
            ttl: Some(duration(self.ttl)),
            roles: self.role,
            scope: self.over.scope(),
        };
        let reply = access.create_api_token(request).await?.into_inner();
        let token = required(reply.token.clone(), "token")?;
        context.output.show(&reply, |reply, _| {
            format!(
                "{}\nGood until {}. Keep it: it is shown this once.",
                text::cell(&reply.secret),
                text::time(token.expires_at.as_ref())
            )
        })
    }
}

async fn list(context: &Context) -> Result<()> {
    let mut access = context.api().await?.access();
    let reply = access
        .list_api_tokens(v1::ListApiTokensRequest {})
        .await?
        .into_inner();
    context.output.show(&reply, |reply, look| {
        let row = |token: &v1::ApiToken| {
            let roles: Vec<_> = token.bindings.iter().map(of_binding).collect();
            [
                Field::id(&token.id),
                Field::text(&token.name),
                Field::text(&roles.join(", ")),
                Field::text(&text::short_time(token.last_used_at.as_ref(), look.width)),
                Field::text(&text::short_time(token.expires_at.as_ref(), look.width)),
            ]
        };
        TOKENS.show(look, &reply.tokens.iter().map(row).collect::<Vec<_>>())
    })
}

impl Revoke {
    async fn run(self, context: &Context) -> Result<()> {
        let mut access = context.api().await?.access();
        let request = v1::RevokeApiTokenRequest {
            api_token_id: self.token.clone(),
        };
        let reply = access.revoke_api_token(request).await?.into_inner();
        context
            .output
            .show(&reply, |_, _| format!("API token {} is ended.", self.token))
    }
}
