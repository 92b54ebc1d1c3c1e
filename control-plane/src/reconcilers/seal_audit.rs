//! New rows of the audit log are chained, and its days sealed once they are over.

use serde::Serialize;

use super::{Pass, Reconcile};
use crate::services::Error;
use crate::services::audit::Audit;

/// Chains and seals the audit log.
#[derive(Debug, Clone)]
pub struct SealAudit {
    /// The log.
    pub audit: Audit,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Chained {
    /// Rows that were put into the chain.
    pub rows: u64,
}

impl Reconcile for SealAudit {
    const NAME: &'static str = "seal_audit";
    type Report = Chained;

    async fn pass(&self) -> Result<Pass<Chained>, Error> {
        let rows = self.audit.chain().await?;
        Ok(Pass::Done(Chained { rows }))
    }
}
