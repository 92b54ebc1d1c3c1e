//! Tokens, marks, questions and replicas whose time is over are gone.

use serde::Serialize;

use super::{Pass, Reconcile};
use crate::services::Error;
use crate::services::auth::Auth;
use crate::services::relay::Relay;
use crate::services::replicas::Replicas;

/// Deletes what expired.
#[derive(Debug, Clone)]
pub struct ForgetExpired {
    /// Knows which tokens and marks expired.
    pub auth: Auth,
    /// Knows which questions nobody waits for.
    pub relay: Relay,
    /// Knows which replicas were killed.
    pub replicas: Replicas,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// Rows deleted.
    pub rows: u64,
}

impl Reconcile for ForgetExpired {
    const NAME: &'static str = "forget_expired";
    type Report = Forgotten;

    async fn pass(&self) -> Result<Pass<Forgotten>, Error> {
        let rows =
            self.auth.forget_expired().await? + self.relay.forget().await? + self.replicas.forget().await?;
        Ok(Pass::Done(Forgotten { rows }))
    }
}
