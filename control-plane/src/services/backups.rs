//! Backups.

use super::{Context, Error};
use crate::domain::backup::{Backup, BackupFilter, SignedManifest};
use crate::domain::page::{Page, PageRequest};
use crate::domain::restore::BackupChoice;
use dataguardian_core::ids::BackupId;

/// Backups.
#[derive(Debug, Clone)]
pub struct Backups {
    context: Context,
}

impl Backups {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// One backup; with [`BackupChoice::Latest`] the newest of a datasource.
    pub async fn get(&self, choice: &BackupChoice) -> Result<Backup, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// Backups, the newest first.
    pub async fn list(&self, filter: &BackupFilter, page: &PageRequest) -> Result<Page<Backup>, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// The manifest as it stands in every storage.
    pub async fn manifest(&self, id: BackupId) -> Result<SignedManifest, Error> {
        Err(Error::Internal("not built yet".into()))
    }

    /// What is in a backup, stream by stream, in the order in which a restore needs them.
    pub async fn streams(
        &self,
        id: BackupId,
        page: &PageRequest,
    ) -> Result<Page<crate::domain::backup::BackupStream>, Error> {
        Err(Error::Internal("not built yet".into()))
    }
}
