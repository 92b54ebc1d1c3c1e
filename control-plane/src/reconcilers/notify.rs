//! Troubles are looked for, and what is to be told of them is written down. It needs no queue and no scheduler: that these do not work is
//! one of the things to tell.

use super::{Pass, Reconcile, Wake};
use crate::domain::leadership::Duty;
use crate::services::Error;
use crate::services::leadership::Leadership;
use crate::services::notifications::{Notifications, Watched};

/// Looks for troubles.
#[derive(Debug, Clone)]
pub struct TellTroubles {
    /// Knows what there is to tell.
    pub notifications: Notifications,
    /// Knows whether this replica is the one that looks.
    pub leadership: Leadership,
    /// Woken when there is something to deliver.
    pub deliver: Wake,
}

impl Reconcile for TellTroubles {
    const NAME: &'static str = "notify";
    type Report = Watched;

    async fn pass(&self) -> Result<Pass<Watched>, Error> {
        let Some(tenure) = self.leadership.tenure(Duty::Upkeep) else {
            return Ok(Pass::Standby);
        };
        let watched = self.notifications.watch(tenure).await?;
        if watched != Watched::default() {
            self.deliver.wake();
        }
        Ok(Pass::Done(watched))
    }
}
