//! The audit log.

use super::{Context, Error};
use crate::domain::audit::{AuditEntry, AuditRecord};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::text;
use crate::store::audit::{audit_insert_in_tx, audit_list};

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
    pub async fn append(&self, mut entry: AuditEntry) -> Result<(), Error> {
        for field in [&mut entry.method, &mut entry.resource, &mut entry.outcome] {
            *field = text::kept(field, text::MAX_TEXT);
        }
        let tx = self.context.store.begin().await?;
        audit_insert_in_tx(&tx, &entry, self.context.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Entries, the newest first.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<AuditRecord>, Error> {
        let before = match page.from_number()? {
            0 => None,
            number => Some(number),
        };
        let entries = audit_list(&self.context.store, before, u64::from(page.size) + 1).await?;
        Ok(Page::from_overfull(entries, page.size, |record| {
            Cursor::Number(record.number)
        }))
    }
}
