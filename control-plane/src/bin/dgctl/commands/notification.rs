//! `dgctl notification`.

mod change;
mod channel;
mod create;
mod list;
mod preset;
mod rule;
mod show;
mod words;

use clap::Subcommand;

use super::Context;
use crate::error::Result;

/// `dgctl notification …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Channels: mail, webhooks, and pings that tell somebody outside that all is well
    #[command(subcommand)]
    Channel(channel::Command),
    /// Rules: what is told to whom. While there is none, everything from a warning on goes to every channel
    #[command(subcommand)]
    Rule(rule::Command),
    /// List what was told, the newest first, and whether it arrived
    List(list::List),
    /// Send a message through a channel now, and say what came of it
    Test(channel::Named),
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Channel(command) => command.run(context).await,
            Self::Rule(command) => command.run(context).await,
            Self::List(list) => list.run(context).await,
            Self::Test(named) => named.test(context).await,
        }
    }
}
