//! Backups.

use dataguardian_core::ids::BackupId;
use dataguardian_repository::keys::Protection;
use dataguardian_repository::manifest::Payload;

use super::verifications::found::{MOST, needed};
use super::{Context, Error, Noun, lookup};
use crate::domain::backup::{Backup, BackupFilter, BackupStream, SignedManifest, StreamFilter};
use crate::domain::deletion::BackupState;
use crate::domain::field::BadField;
use crate::domain::job::Encryption;
use crate::domain::page::{Cursor, Page, PageRequest};
use crate::domain::restore::BackupChoice;
use crate::store::Connected;
use crate::store::backups::{BackupQuery, backup_get, backup_get_any, backup_list, manifest_get};
use crate::store::object_checks::objects_damaged;

/// Damaged objects that are shown of one copy.
const DAMAGE_SHOWN: usize = 20;

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

    /// One backup, also one that is being deleted; with [`BackupChoice::Latest`] the newest of a datasource.
    pub async fn get(&self, choice: &BackupChoice) -> Result<Backup, Error> {
        let store = &self.context.store;
        let mut backup = match choice {
            BackupChoice::Id(id, None) => {
                let found = backup_get_any(store, *id).await?;
                found.ok_or_else(|| Error::not_found(Noun::Backup, id))?
            }
            BackupChoice::Id(..) | BackupChoice::Latest(_) => choose(store, choice).await?,
        };
        self.name_damage(&mut backup).await?;
        Ok(backup)
    }

    /// Names the first objects of its copies that are damaged.
    async fn name_damage(&self, backup: &mut Backup) -> Result<(), Error> {
        if backup.copies.iter().all(|copy| copy.damaged_at.is_none()) {
            return Ok(());
        }
        let store = &self.context.store;
        let needed = needed(store, backup.datasource, backup.id).await?;
        for copy in backup.copies.iter_mut().filter(|copy| copy.damaged_at.is_some()) {
            let damaged = objects_damaged(store, copy.storage, backup.datasource, MOST).await?;
            let ours = damaged.into_iter().filter(|object| needed.contains(&object.key));
            copy.damage = ours.take(DAMAGE_SHOWN).collect();
        }
        Ok(())
    }

    /// Backups, the newest first.
    pub async fn list(&self, filter: &BackupFilter, page: &PageRequest) -> Result<Page<Backup>, Error> {
        let store = &self.context.store;
        let mut query = BackupQuery {
            within: filter.within.clone(),
            before: page.after_id()?,
            limit: u64::from(page.size) + 1,
            with_deleting: filter.with_deleting,
            ..BackupQuery::default()
        };
        if let Some(datasource) = &filter.datasource {
            query.datasource = Some(lookup::datasource(store, datasource).await?.id);
        }
        if let Some(job) = &filter.job {
            query.job = Some(lookup::job(store, job).await?.id);
        }
        let backups = backup_list(store, &query).await?;
        Ok(Page::from_overfull(backups, page.size, |backup| {
            Cursor::Id(*backup.id.as_uuid())
        }))
    }

    /// The manifest as it stands in every storage.
    pub async fn manifest(&self, id: BackupId) -> Result<SignedManifest, Error> {
        let store = &self.context.store;
        let not_found = || Error::not_found(Noun::Backup, id);
        backup_get(store, id).await?.ok_or_else(not_found)?;
        manifest_get(store, id).await?.ok_or_else(not_found)
    }

    /// What is in a backup, stream by stream, in the order in which a restore needs them.
    pub async fn streams(
        &self,
        id: BackupId,
        filter: StreamFilter,
        page: &PageRequest,
    ) -> Result<Page<BackupStream>, Error> {
        let first = page.from_number()?;
        let backup = self.get(&BackupChoice::Id(id, None)).await?;
        let manifest = self.manifest(id).await?;
        let protection = match backup.encryption {
            Encryption::Plain => Protection::Plain,
            Encryption::Sealed => {
                let store = &self.context.store;
                Protection::encrypted(self.context.datasource_keys(store, backup.datasource).await?)
            }
        };
        let size = page.size;
        // A payload can have megabytes: off the runtime.
        tokio::task::spawn_blocking(move || {
            page_of_streams(&manifest.payload, &protection, &filter, (first, size))
        })
        .await
        .map_err(|error| Error::Internal(error.to_string()))?
    }
}

fn page_of_streams(
    payload: &[u8],
    protection: &Protection,
    filter: &StreamFilter,
    (first, size): (u64, u32),
) -> Result<Page<BackupStream>, Error> {
    let payload = Payload::decode(payload, protection)
        .map_err(|error| Error::Internal(format!("a stored manifest {error}")))?;
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let wanted = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
    let numbered: Vec<_> = (0_u64..)
        .zip(payload.contents.streams)
        .skip(first)
        .filter(|(_, stream)| filter.admits(&stream.header))
        .take(wanted)
        .collect();
    let page = Page::from_overfull(numbered, size, |(number, _)| Cursor::Number(number + 1));
    let has_schemas = payload.outline.engine.has_schemas();
    let stream = |(_, mut stream): (u64, dataguardian_repository::manifest::Stream)| {
        // Manifests of MySQL and MariaDB name the database in its place.
        if let (false, Some(object)) = (has_schemas, &mut stream.header.object) {
            object.schema.clear();
        }
        BackupStream {
            header: stream.header,
            bytes: stream.bytes,
            rows: stream.rows,
        }
    };
    Ok(Page {
        items: page.items.into_iter().map(stream).collect(),
        next_page_token: page.next_page_token,
    })
}

/// The backup that is meant, if it can be used.
pub(super) async fn choose(on: &impl Connected, choice: &BackupChoice) -> Result<Backup, Error> {
    match choice {
        BackupChoice::Latest(of) => {
            let datasource = lookup::datasource(on, of).await?;
            let query = BackupQuery {
                datasource: Some(datasource.id),
                limit: 1,
                ..BackupQuery::default()
            };
            let newest = backup_list(on, &query).await?.pop();
            newest.ok_or_else(|| Error::not_found(Noun::Backup, format!("of datasource {}", datasource.name)))
        }
        BackupChoice::Id(id, of) => {
            let backup = backup_get_any(on, *id).await?;
            let backup = backup.ok_or_else(|| Error::not_found(Noun::Backup, id))?;
            if backup.state != BackupState::Complete {
                let message = format!("backup {id} is being deleted: choose another");
                return Err(Error::precondition("BACKUP_DELETING", message));
            }
            if let Some(of) = of {
                let datasource = lookup::datasource(on, of).await?;
                if datasource.id != backup.datasource {
                    let message = format!("the backup is of {}", backup.datasource_name);
                    return Err(BadField::new("datasource", message).into());
                }
            }
            Ok(backup)
        }
    }
}
