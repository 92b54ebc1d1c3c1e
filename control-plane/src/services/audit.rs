//! The audit log.

use super::{Context, Error};
use crate::domain::audit::{AuditEntry, AuditRecord};
use crate::domain::page::{Page, PageRequest};

/// The audit log.
#[derive(Debug, Clone)]
pub struct Audit {
    context: Context,
}

impl Audit {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Adds an entry.
    pub async fn append(&self, entry: AuditEntry) -> Result<(), Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Entries, the newest first.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<AuditRecord>, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
