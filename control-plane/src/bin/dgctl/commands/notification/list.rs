//! `dgctl notification list`.

use clap::{Args, ValueEnum};
use dataguardian_proto::v1;

use super::show;
use crate::commands::Context;
use crate::error::Result;
use crate::paging::Limit;

/// `dgctl notification list`
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those with a delivery in this state
    #[arg(long, value_enum, value_name = "STATE")]
    delivery: Option<StateWord>,
    #[command(flatten)]
    limit: Limit,
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateWord {
    /// It is being tried.
    Pending,
    /// It has arrived.
    Delivered,
    /// It was given up.
    Failed,
}

impl List {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let delivery_state = match self.delivery {
            None => v1::DeliveryState::Unspecified,
            Some(StateWord::Pending) => v1::DeliveryState::Pending,
            Some(StateWord::Delivered) => v1::DeliveryState::Delivered,
            Some(StateWord::Failed) => v1::DeliveryState::Failed,
        };
        let notifications = context.api().await?.notifications();
        let reply: v1::ListNotificationsResponse = self
            .limit
            .collect(|page_size, page_token| {
                let mut notifications = notifications.clone();
                let request = v1::ListNotificationsRequest {
                    page_size,
                    page_token,
                    delivery_state: delivery_state.into(),
                };
                async move { notifications.list_notifications(request).await }
            })
            .await?;
        context.output.page(&reply, |reply, look| {
            show::notifications(&reply.notifications, look)
        })
    }
}
