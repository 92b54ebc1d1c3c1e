//! Somebody outside is told from time to time that the control plane works well, and notices when nobody tells it any more: that a whole
//! control plane is gone it can't tell itself.

use futures::StreamExt as _;
use serde::Serialize;

use super::{LoopReport, Pass, Reconcile, Reconcilers};
use crate::domain::notification::Notification;
use crate::notify::Sender;
use crate::queue::Queue;
use crate::services::Error;
use crate::services::notifications::{DuePing, Notifications, Sent};
use dataguardian_core::clock::SharedClock;

/// Pings at the same time.
const AT_ONCE: usize = 8;

/// Sends pings.
#[derive(Debug, Clone)]
pub struct Ping {
    /// Knows which are due.
    pub notifications: Notifications,
    /// Sends.
    pub sender: Sender,
    /// The loops, all of which have to work.
    pub loops: Reconcilers,
    /// The queue, which has to be online.
    pub queue: Queue,
    /// The time.
    pub clock: SharedClock,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Pinged {
    /// Pings that arrived.
    pub pings: usize,
    /// Pings that did not.
    pub failed: usize,
}

impl Reconcile for Ping {
    const NAME: &'static str = "ping";
    type Report = Pinged;

    async fn pass(&self) -> Result<Pass<Pinged>, Error> {
        if !self.queue.is_online() {
            return Ok(Pass::Paused {
                reason: "the queue is offline, so nobody is told that all is well",
            });
        }
        // Its own failure keeps nobody from telling: it would never end.
        let fails = |report: &LoopReport| report.has_failed() && report.name != Self::NAME;
        if self.loops.report().iter().any(fails) {
            return Ok(Pass::Paused {
                reason: "a loop fails, so nobody is told that all is well",
            });
        }
        let due = self.notifications.due_pings().await?;
        let pings: Vec<_> = due.iter().map(|ping| self.ping(ping)).collect();
        let outcomes: Vec<_> = futures::stream::iter(pings)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut report = Pinged::default();
        for outcome in outcomes {
            match outcome? {
                Sent::Delivered => report.pings += 1,
                Sent::Retried | Sent::GivenUp | Sent::Lost => report.failed += 1,
            }
        }
        Ok(Pass::Done(report))
    }
}

impl Ping {
    async fn ping(&self, ping: &DuePing) -> Result<Sent, Error> {
        let nothing = Notification::test(&ping.channel, self.clock.now());
        let outcome = self.sender.send(&ping.to, &nothing).await;
        if let Err(fault) = &outcome {
            tracing::warn!(channel = ping.channel, %fault, "a ping did not arrive");
        }
        self.notifications.close_ping(ping, outcome).await
    }
}
