//! `dgctl notification channel`.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::change::Update;
use super::create::Create;
use super::show;
use crate::commands::{Context, required};
use crate::error::{Error, Result};
use crate::paging::Limit;

/// `dgctl notification channel …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a channel; `test` shows whether it works
    #[command(subcommand)]
    Create(Create),
    /// List channels, with what lately came of each
    List(Limit),
    /// Show a channel
    Get(Named),
    /// Change a channel; what is not given stays
    Update(Box<Update>),
    /// Send a message through a channel now, and say what came of it
    Test(Named),
    /// Delete a channel, and what is on its way there; refused while rules name it
    Delete(Delete),
}

/// A channel.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name or id
    channel: String,
}

/// `dgctl notification channel delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name or id
    channel: String,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Command {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::Create(create) => create.run(context).await,
            Self::List(limit) => list(limit, context).await,
            Self::Get(named) => named.get(context).await,
            Self::Update(update) => update.run(context).await,
            Self::Test(named) => named.test(context).await,
            Self::Delete(delete) => delete.run(context).await,
        }
    }
}

async fn list(limit: Limit, context: &Context) -> Result<()> {
    let notifications = context.api().await?.notifications();
    let reply: v1::ListNotificationChannelsResponse = limit
        .collect(|page_size, page_token| {
            let mut notifications = notifications.clone();
            let request = v1::ListNotificationChannelsRequest {
                page_size,
                page_token,
            };
            async move { notifications.list_notification_channels(request).await }
        })
        .await?;
    context
        .output
        .page(&reply, |reply, look| show::channels(&reply.channels, look))
}

impl Named {
    async fn get(self, context: &Context) -> Result<()> {
        let mut notifications = context.api().await?.notifications();
        let request = v1::GetNotificationChannelRequest {
            channel: self.channel,
        };
        let reply = notifications
            .get_notification_channel(request)
            .await?
            .into_inner();
        let channel = required(reply.channel.clone(), "channel")?;
        context
            .output
            .show(&reply, |_, look| show::channel(&channel, look))
    }

    pub(super) async fn test(self, context: &Context) -> Result<()> {
        let mut notifications = context.api().await?.notifications();
        let request = v1::TestNotificationChannelRequest {
            channel: self.channel.clone(),
        };
        let reply = notifications
            .test_notification_channel(request)
            .await?
            .into_inner();
        context.output.show(&reply, show::test)?;
        match reply.ok {
            true => Ok(()),
            false => Err(Error::TestFailed(format!(
                "nobody is told by channel {} as it is",
                self.channel
            ))),
        }
    }
}

impl Delete {
    async fn run(self, context: &Context) -> Result<()> {
        let question = format!("Delete channel {} and what is on its way there?", self.channel);
        context.confirm(self.yes, &question)?;
        let mut notifications = context.api().await?.notifications();
        let request = v1::DeleteNotificationChannelRequest {
            channel: self.channel.clone(),
        };
        let reply = notifications
            .delete_notification_channel(request)
            .await?
            .into_inner();
        context
            .output
            .show(&reply, |_, _| format!("Channel {} is deleted.", self.channel))
    }
}
