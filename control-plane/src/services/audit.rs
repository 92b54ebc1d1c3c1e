//! The audit log.

use super::{Context, Error};
use crate::domain::audit::{AuditEntry, AuditFilter, AuditRecord, Particulars};
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::text;
use crate::store::audit::{audit_insert_with_in_tx, audit_list, audit_list_after};

mod chain;

/// The longest request that is kept, in bytes.
pub const MAX_REQUEST: usize = 4096;
/// Rows that are exported at a time.
const EXPORTED_AT_ONCE: u64 = 500;

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

    /// Adds an entry that no request stands behind.
    pub async fn append(&self, entry: AuditEntry) -> Result<(), Error> {
        self.append_with(entry, Particulars::default()).await
    }

    /// Adds an entry, with what more is known.
    pub async fn append_with(&self, mut entry: AuditEntry, particulars: Particulars) -> Result<(), Error> {
        for field in [&mut entry.method, &mut entry.resource, &mut entry.outcome] {
            *field = text::kept(field, text::MAX_TEXT);
        }
        let tx = self.context.store.begin().await?;
        let particulars = Particulars {
            request: particulars
                .request
                .map(|request| text::kept(&request, MAX_REQUEST)),
            ..particulars
        };
        audit_insert_with_in_tx(&tx, &entry, particulars, self.context.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Entries, the newest first.
    pub async fn list(&self, page: &PageRequest) -> Result<Page<AuditRecord>, Error> {
        self.list_fitting(&AuditFilter::default(), page).await
    }

    /// Those that fit, the oldest first, from behind that number on: one part, empty at the end.
    pub async fn export(&self, filter: &AuditFilter, after: u64) -> Result<Vec<AuditRecord>, Error> {
        Ok(audit_list_after(&self.context.store, filter, after, EXPORTED_AT_ONCE).await?)
    }

    /// Those that fit, the newest first.
    pub async fn list_fitting(
        &self,
        filter: &AuditFilter,
        page: &PageRequest,
    ) -> Result<Page<AuditRecord>, Error> {
        let before = match page.from_number()? {
            0 => None,
            number => Some(number),
        };
        let entries = audit_list(&self.context.store, filter, before, u64::from(page.size) + 1).await?;
        Ok(Page::from_overfull(entries, page.size, |record| {
            Cursor::Number(record.number)
        }))
    }
}
