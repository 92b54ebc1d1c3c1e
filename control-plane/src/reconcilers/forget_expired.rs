//! Tokens and marks whose time is over are gone.

use serde::Serialize;

use super::{Pass, Reconcile};
use crate::services::Error;
use crate::services::auth::Auth;

/// Deletes what expired.
#[derive(Debug, Clone)]
pub struct ForgetExpired {
    /// Knows what expired.
    pub auth: Auth,
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
        Ok(Pass::Done(Forgotten {
            rows: self.auth.forget_expired().await?,
        }))
    }
}
