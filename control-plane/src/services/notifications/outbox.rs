//! Deliveries and pings: claimed, and closed with what came of them.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::NotificationChannelId;

use super::Notifications;
use crate::domain::notification::channel::{Channel, OpenChannel};
use crate::domain::notification::delivery::{
    Delivery, DeliveryEvent, DeliveryState, Fault, claim_life, next_attempt,
};
use crate::domain::notification::{Notification, Told};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::reference::Reference;
use crate::services::Error;
use crate::store::notification_channels::{
    channel_get, channel_ping_again_in_tx, channel_ping_claim_in_tx, channel_pings_due,
    channel_standing_in_tx,
};
use crate::store::notification_deliveries::{deliveries_due, delivery_claim_in_tx, delivery_close_in_tx};
use crate::store::notifications::{notification_get, notification_list};

/// Deliveries that one replica is at work on at the same time.
const AT_ONCE: u64 = 32;
/// A ping that did not arrive is tried again after this long, if the next would not be due sooner.
const PING_AGAIN: TimeDelta = TimeDelta::seconds(30);

/// A delivery that is this replica's for a while.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The delivery, with the attempt that begins.
    pub delivery: Delivery,
    /// What is delivered.
    pub notification: Notification,
    /// The channel's name.
    pub channel: String,
    /// Where it goes.
    pub to: OpenChannel,
}

/// A ping that is this replica's to send.
#[derive(Debug, Clone)]
pub struct DuePing {
    /// The channel.
    pub id: NotificationChannelId,
    /// Its name.
    pub channel: String,
    /// Where it goes.
    pub to: OpenChannel,
    /// When the next one is due if this one arrives.
    next: DateTime<Utc>,
}

/// What an attempt came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It arrived.
    Delivered,
    /// It is tried again.
    Retried,
    /// It is not.
    GivenUp,
    /// Its claim ran out before, and it is somebody else's.
    Lost,
}

impl Notifications {
    /// What was told, the newest first.
    pub async fn list(&self, page: &PageRequest, with: Option<DeliveryState>) -> Result<Page<Told>, Error> {
        let limit = u64::from(page.size) + 1;
        let told = notification_list(&self.context.store, page.after_id()?, with, limit).await?;
        Ok(Page::from_overfull(told, page.size, |told| {
            Cursor::Id(*told.notification.id.as_uuid())
        }))
    }

    /// Claims deliveries that are due.
    pub async fn claim(&self) -> Result<Vec<Claim>, Error> {
        let (store, now) = (&self.context.store, self.context.now());
        let due = deliveries_due(store, now, AT_ONCE).await?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let until = now + claim_life(self.context.notifications.timeout);
        let mut claimed = Vec::new();
        let tx = store.begin().await?;
        for delivery in &due {
            claimed.extend(delivery_claim_in_tx(&tx, delivery, now, until).await?);
        }
        tx.commit().await?;
        let mut claims = Vec::with_capacity(claimed.len());
        for delivery in claimed {
            let channel = channel_get(store, &Reference::Id(delivery.channel)).await?;
            let notification = notification_get(store, delivery.notification).await?;
            // What was deleted meanwhile took its deliveries along.
            let Some((channel, notification)) = channel.zip(notification) else {
                continue;
            };
            let to = match self.open(&channel) {
                Ok(to) => to,
                // The others are not to wait for a channel whose secrets can't be read.
                Err(error) => {
                    tracing::error!(channel.name = %channel.name, %error, "a notification channel can't be used");
                    let kind = channel.target.kind();
                    self.settle(&delivery, kind, Err(Fault::unusable())).await?;
                    continue;
                }
            };
            claims.push(Claim {
                to,
                channel: channel.name.to_string(),
                delivery,
                notification,
            });
        }
        Ok(claims)
    }

    /// Closes the attempt that a claim stands for.
    pub async fn close(&self, claim: &Claim, outcome: Result<(), Fault>) -> Result<Sent, Error> {
        self.settle(&claim.delivery, claim.to.target.kind(), outcome)
            .await
    }

    async fn settle(
        &self,
        delivery: &Delivery,
        channel_kind: &'static str,
        outcome: Result<(), Fault>,
    ) -> Result<Sent, Error> {
        let now = self.context.now();
        let (after, failure) = self.closed(delivery, outcome, now)?;
        let tx = self.context.store.begin().await?;
        let closed = delivery_close_in_tx(&tx, &after).await?;
        channel_standing_in_tx(&tx, after.channel, failure.as_deref(), now).await?;
        tx.commit().await?;
        if !closed {
            return Ok(Sent::Lost);
        }
        let (sent, outcome) = match after.state {
            DeliveryState::Delivered => (Sent::Delivered, "delivered"),
            DeliveryState::Pending => (Sent::Retried, "retried"),
            DeliveryState::Failed => (Sent::GivenUp, "given_up"),
        };
        self.context.notification_tally.count(channel_kind, outcome);
        Ok(sent)
    }

    /// The delivery after the attempt, and why that failed.
    fn closed(
        &self,
        delivery: &Delivery,
        outcome: Result<(), Fault>,
        now: DateTime<Utc>,
    ) -> Result<(Delivery, Option<String>), Error> {
        let mut after = delivery.clone();
        let event = match outcome {
            Ok(()) => {
                after.delivered_at = Some(now);
                after.failure = None;
                DeliveryEvent::Taken
            }
            Err(fault) => {
                after.failure = Some(fault.to_string());
                let give_up_after = self.context.notifications.give_up_after;
                match next_attempt(delivery, &fault, give_up_after, now, &mut rand::rng()) {
                    Some(at) => {
                        after.next_attempt_at = at;
                        DeliveryEvent::Refused
                    }
                    None => DeliveryEvent::GivenUp,
                }
            }
        };
        let state = delivery.state.apply(event);
        after.state = state.ok_or_else(|| Error::Internal("a closed delivery was tried".into()))?;
        let failure = after.failure.clone();
        Ok((after, failure))
    }

    /// Claims pings that are due.
    pub async fn due_pings(&self) -> Result<Vec<DuePing>, Error> {
        let (store, now) = (&self.context.store, self.context.now());
        let mut due = Vec::new();
        for channel in channel_pings_due(store, now).await? {
            let Some(interval) = channel.target.interval() else {
                continue;
            };
            let next = now + TimeDelta::from_std(interval).unwrap_or(TimeDelta::hours(24));
            let tx = store.begin().await?;
            if channel_ping_claim_in_tx(&tx, channel.id, now, next).await? {
                tx.commit().await?;
                match self.due_ping(&channel, next) {
                    Ok(ping) => due.push(ping),
                    Err(error) => {
                        tracing::error!(channel.name = %channel.name, %error, "a ping can't be sent");
                        let tx = store.begin().await?;
                        let failure = Fault::unusable().to_string();
                        channel_standing_in_tx(&tx, channel.id, Some(&failure), now).await?;
                        tx.commit().await?;
                    }
                }
            }
        }
        Ok(due)
    }

    fn due_ping(&self, channel: &Channel, next: DateTime<Utc>) -> Result<DuePing, Error> {
        Ok(DuePing {
            id: channel.id,
            channel: channel.name.to_string(),
            to: self.open(channel)?,
            next,
        })
    }

    /// Closes a ping.
    pub async fn close_ping(&self, ping: &DuePing, outcome: Result<(), Fault>) -> Result<Sent, Error> {
        let now = self.context.now();
        let failure = outcome.err().map(|fault| fault.to_string());
        let tx = self.context.store.begin().await?;
        channel_standing_in_tx(&tx, ping.id, failure.as_deref(), now).await?;
        if failure.is_some() {
            channel_ping_again_in_tx(&tx, ping.id, ping.next.min(now + PING_AGAIN)).await?;
        }
        tx.commit().await?;
        let (sent, outcome) = match failure {
            None => (Sent::Delivered, "delivered"),
            Some(_) => (Sent::Retried, "retried"),
        };
        self.context.notification_tally.count("ping", outcome);
        Ok(sent)
    }
}
