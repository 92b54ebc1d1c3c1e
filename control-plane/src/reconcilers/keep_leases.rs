//! What only one replica does at a time has one that does it, and each finds the others.

use serde::Serialize;

use super::{Pass, Reconcile, Wake};
use crate::domain::leadership::Duty;
use crate::queue::Queue;
use crate::services::Error;
use crate::services::leadership::Leadership;
use crate::services::replicas::Replicas;

/// Takes, renews and gives up leases.
#[derive(Debug, Clone)]
pub struct KeepLeases {
    /// Knows them.
    pub leadership: Leadership,
    /// Says that this replica is there.
    pub replicas: Replicas,
    /// Jobs are fired by a replica whose queue is online.
    pub queue: Queue,
    /// Wake loops that have something to do when this replica takes over.
    pub wakes: [Wake; 3],
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Duties that this replica took on.
    pub taken: usize,
}

impl Reconcile for KeepLeases {
    const NAME: &'static str = "keep_leases";
    type Report = Kept;

    async fn pass(&self) -> Result<Pass<Kept>, Error> {
        let mut kept = Kept::default();
        for duty in Duty::ALL {
            let able = match duty {
                Duty::Schedule => self.queue.pause().is_none(),
                Duty::Upkeep => true,
            };
            if self.leadership.keep(duty, able).await? {
                kept.taken += 1;
            }
        }
        if kept.taken > 0 {
            self.wakes.iter().for_each(Wake::wake);
        }
        self.replicas.say_here().await?;
        Ok(Pass::Done(kept))
    }
}
