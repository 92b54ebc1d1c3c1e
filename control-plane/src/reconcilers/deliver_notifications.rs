//! What is to be told is delivered: claimed, sent, closed. Whoever is killed in between has claimed it for a while only, and then it is
//! sent again; see [`crate::domain::notification::delivery`].

use dataguardian_failpoints::failpoint;
use futures::StreamExt as _;
use serde::Serialize;

use super::{Pass, Reconcile, Wake};
use crate::notify::Sender;
use crate::services::Error;
use crate::services::notifications::{Claim, Notifications, Sent};

/// Deliveries at the same time.
const AT_ONCE: usize = 8;

/// Delivers.
#[derive(Debug, Clone)]
pub struct DeliverNotifications {
    /// Knows what is due.
    pub notifications: Notifications,
    /// Sends.
    pub sender: Sender,
    /// Wakes this loop again while there is more.
    pub again: Wake,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Deliveries that arrived.
    pub delivered: usize,
    /// Those that are tried again.
    pub retried: usize,
    /// Those that were given up.
    pub given_up: usize,
}

impl Reconcile for DeliverNotifications {
    const NAME: &'static str = "deliver_notifications";
    type Report = Delivered;

    async fn pass(&self) -> Result<Pass<Delivered>, Error> {
        let claims = self.notifications.claim().await?;
        if !claims.is_empty() {
            failpoint!(NotificationClaimed);
            self.again.wake();
        }
        let deliveries: Vec<_> = claims.iter().map(|claim| self.deliver(claim)).collect();
        let outcomes: Vec<_> = futures::stream::iter(deliveries)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut report = Delivered::default();
        for outcome in outcomes {
            match outcome? {
                Sent::Delivered => report.delivered += 1,
                Sent::Retried => report.retried += 1,
                Sent::GivenUp => report.given_up += 1,
                Sent::Lost => {}
            }
        }
        Ok(Pass::Done(report))
    }
}

impl DeliverNotifications {
    async fn deliver(&self, claim: &Claim) -> Result<Sent, Error> {
        let outcome = self.sender.send(&claim.to, &claim.notification).await;
        let (id, channel, attempt) = (claim.notification.id, &claim.channel, claim.delivery.attempts);
        match &outcome {
            Ok(()) => tracing::info!(notification.id = %id, channel, attempt, "a notification was delivered"),
            Err(fault) => {
                tracing::warn!(notification.id = %id, channel, attempt, %fault, "a notification was not delivered");
            }
        }
        let sent = self.notifications.close(claim, outcome).await?;
        if sent == Sent::GivenUp {
            tracing::error!(notification.id = %id, channel, "a notification is given up: nobody was told by this channel");
        }
        Ok(sent)
    }
}
