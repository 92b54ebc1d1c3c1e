//! The replicas that there are, by what each writes down of itself.
//!
//! Only for asking each other what each sees: who may do what is a matter of leases ([`super::leadership`]), and of nothing here.

use chrono::TimeDelta;
use dataguardian_core::ids::ReplicaId;

use super::{Context, Error};
use crate::store::Backend;
use crate::store::replicas::{
    replica_delete_in_tx, replica_seen_in_tx, replicas_forget_in_tx, replicas_seen,
};

/// One that was silent for longer than this is not asked.
const AWAY_AFTER: TimeDelta = TimeDelta::seconds(15);
/// What is left of one that was killed goes after this.
const KEPT: TimeDelta = TimeDelta::hours(1);

/// The replicas that there are.
#[derive(Debug, Clone)]
pub struct Replicas {
    context: Context,
}

impl Replicas {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Whether there may be others.
    fn has_others(&self) -> bool {
        self.context.store.backend() == Backend::Postgres
    }

    /// This one.
    pub fn me(&self) -> ReplicaId {
        self.context.replica
    }

    /// This one is there.
    pub async fn say_here(&self) -> Result<(), Error> {
        if !self.has_others() {
            return Ok(());
        }
        let tx = self.context.store.begin().await?;
        replica_seen_in_tx(&tx, self.me(), self.context.now()).await?;
        Ok(tx.commit().await?)
    }

    /// This one leaves.
    pub async fn say_gone(&self) -> Result<(), Error> {
        if !self.has_others() {
            return Ok(());
        }
        let tx = self.context.store.begin().await?;
        replica_delete_in_tx(&tx, self.me()).await?;
        Ok(tx.commit().await?)
    }

    /// The others that were there lately, the one that started first first. One that was killed or frozen is among them for a while.
    pub async fn others(&self) -> Result<Vec<ReplicaId>, Error> {
        if !self.has_others() {
            return Ok(Vec::new());
        }
        let mut replicas = replicas_seen(&self.context.store, self.context.now() - AWAY_AFTER).await?;
        replicas.retain(|replica| *replica != self.me());
        Ok(replicas)
    }

    /// Forgets those that were killed; says how many.
    pub async fn forget(&self) -> Result<u64, Error> {
        let tx = self.context.store.begin().await?;
        let forgotten = replicas_forget_in_tx(&tx, self.context.now() - KEPT).await?;
        tx.commit().await?;
        Ok(forgotten)
    }
}
