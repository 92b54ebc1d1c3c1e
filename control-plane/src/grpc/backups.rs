//! BackupService.

use dataguardian_core::ids::BackupId;
use dataguardian_core::stream::{StreamHeader, StreamRole};
use dataguardian_failpoints::failpoint;
use dataguardian_proto::v1;
use dataguardian_proto::v1::backup_service_server::BackupService;
use tonic::{Request, Response, Status};

use super::call::{caller, concerns, mandate};
use super::error::bad_request;
use super::stream::{Messages, Reader};
use super::{Shared, decode, encode};
use crate::domain::backup::{BackupFilter, BackupStream, StreamFilter};
use crate::domain::deletion::{LastBackup, pin_reason};
use crate::domain::field::{BadField, Checks};
use crate::domain::page::PageRequest;
use crate::domain::reference::Reference;
use crate::domain::restore::BackupChoice;
use crate::domain::verification::NewVerification;
use crate::services::deletion::DeletionRequest;

mod download;

pub(super) struct Handler(pub(super) Shared);

#[tonic::async_trait]
impl BackupService for Handler {
    type DownloadBackupStream = Messages<v1::DownloadBackupResponse>;

    async fn get_backup(
        &self,
        request: Request<v1::GetBackupRequest>,
    ) -> Result<Response<v1::GetBackupResponse>, Status> {
        let mandate = mandate(&request)?;
        let request = request.into_inner();
        let choice = BackupChoice::parse(&request.backup, &request.datasource)?;
        let choice = self.0.services.reach.chosen(&mandate, choice).await?;
        let backup = self.0.services.backups.get(&choice).await?;
        Ok(Response::new(v1::GetBackupResponse {
            backup: Some(encode::backup(backup)),
        }))
    }

    async fn list_backups(
        &self,
        request: Request<v1::ListBackupsRequest>,
    ) -> Result<Response<v1::ListBackupsResponse>, Status> {
        let mandate = mandate(&request)?;
        let request = request.into_inner();
        let mut checks = Checks::new();
        let filter = BackupFilter {
            datasource: checks
                .take(decode::optional("datasource", &request.datasource))
                .flatten(),
            job: checks.take(decode::optional("job", &request.job)).flatten(),
            with_deleting: request.show_deleting,
            ..BackupFilter::default()
        };
        let page = checks.take(PageRequest::parse(request.page_size, &request.page_token));
        let page = decode::checked(checks, page).map_err(bad_request)?;
        let filter = self.0.services.reach.listed_backups(&mandate, filter).await?;
        let page = self.0.services.backups.list(&filter, &page).await?;
        Ok(Response::new(v1::ListBackupsResponse {
            backups: page.items.into_iter().map(encode::backup).collect(),
            next_page_token: page.next_page_token,
        }))
    }

    async fn download_backup(
        &self,
        request: Request<v1::DownloadBackupRequest>,
    ) -> Result<Response<Self::DownloadBackupStream>, Status> {
        concerns(&request, &download::subject(request.get_ref()));
        let mandate = mandate(&request)?;
        let reader = Reader::of(&request, &self.0)?;
        download::begin(&self.0, &mandate, reader, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn copy_backup(
        &self,
        request: Request<v1::CopyBackupRequest>,
    ) -> Result<Response<v1::CopyBackupResponse>, Status> {
        concerns(&request, &request.get_ref().backup);
        let mandate = mandate(&request)?;
        let request = request.into_inner();
        let mut checks = Checks::new();
        let choice = checks.take(BackupChoice::parse(&request.backup, &request.datasource));
        let storage = checks.take(Reference::parse("storage", &request.storage));
        let (choice, storage) = decode::checked(checks, choice.zip(storage)).map_err(bad_request)?;
        let reach = &self.0.services.reach;
        let choice = reach.chosen(&mandate, choice).await?;
        reach
            .named_storages(&mandate, std::slice::from_ref(&storage))
            .await?;
        let backup = self.0.services.copies.want(&choice, &storage).await?;
        Ok(Response::new(v1::CopyBackupResponse {
            backup: Some(encode::backup(backup)),
        }))
    }

    async fn verify_backup(
        &self,
        request: Request<v1::VerifyBackupRequest>,
    ) -> Result<Response<v1::VerifyBackupResponse>, Status> {
        concerns(&request, &request.get_ref().backup);
        let mandate = mandate(&request)?;
        let new = decode::new_verification(request.into_inner()).map_err(bad_request)?;
        let reach = &self.0.services.reach;
        reach.named_storages(&mandate, &new.storages).await?;
        let new = NewVerification {
            backup: reach.chosen(&mandate, new.backup).await?,
            ..new
        };
        let execution = self.0.services.verifications.start(new).await?;
        Ok(Response::new(v1::VerifyBackupResponse {
            execution: Some(encode::execution(execution)),
        }))
    }

    async fn delete_backup(
        &self,
        request: Request<v1::DeleteBackupRequest>,
    ) -> Result<Response<v1::DeleteBackupResponse>, Status> {
        concerns(&request, &request.get_ref().backup_id);
        let mandate = mandate(&request)?;
        let request = request.into_inner();
        let (backup, revision) = named(&request.backup_id, &request.etag)?;
        let backup = self.0.services.reach.backup(&mandate, backup).await?;
        let what = DeletionRequest {
            backup,
            last: match request.allow_last {
                true => LastBackup::MayGo,
                false => LastBackup::Keep,
            },
            revision,
        };
        let deletion = &self.0.services.deletion;
        let deleted = match request.validate_only {
            true => deletion.validate(what).await?,
            false => {
                let deleted = deletion.delete(what).await?;
                failpoint!(DeletionStored);
                deleted
            }
        };
        Ok(Response::new(v1::DeleteBackupResponse {
            backup: Some(encode::backup(deleted.backup)),
            remaining: deleted.remaining,
            newest_remaining: deleted.newest_remaining.map(encode::backup),
        }))
    }

    async fn pin_backup(
        &self,
        request: Request<v1::PinBackupRequest>,
    ) -> Result<Response<v1::PinBackupResponse>, Status> {
        concerns(&request, &request.get_ref().backup_id);
        let by = caller(&request)?.user.username;
        let mandate = mandate(&request)?;
        let request = request.into_inner();
        let mut checks = Checks::new();
        let backup = checks.take(id(&request.backup_id));
        let revision = checks.take(decode::revision(&request.etag));
        let reason = checks.take(pin_reason(&request.reason));
        let all = backup.zip(revision).zip(reason);
        let ((backup, revision), reason) = decode::checked(checks, all).map_err(bad_request)?;
        let backup = self.0.services.reach.backup(&mandate, backup).await?;
        let backup = self
            .0
            .services
            .deletion
            .pin(backup, revision, (by, reason))
            .await?;
        Ok(Response::new(v1::PinBackupResponse {
            backup: Some(encode::backup(backup)),
        }))
    }

    async fn unpin_backup(
        &self,
        request: Request<v1::UnpinBackupRequest>,
    ) -> Result<Response<v1::UnpinBackupResponse>, Status> {
        concerns(&request, &request.get_ref().backup_id);
        let mandate = mandate(&request)?;
        let request = request.into_inner();
        let (backup, revision) = named(&request.backup_id, &request.etag)?;
        let backup = self.0.services.reach.backup(&mandate, backup).await?;
        let backup = self.0.services.deletion.unpin(backup, revision).await?;
        Ok(Response::new(v1::UnpinBackupResponse {
            backup: Some(encode::backup(backup)),
        }))
    }

    async fn list_backup_streams(
        &self,
        request: Request<v1::ListBackupStreamsRequest>,
    ) -> Result<Response<v1::ListBackupStreamsResponse>, Status> {
        let mandate = mandate(&request)?;
        let request = request.into_inner();
        let mut checks = Checks::new();
        let id = checks.take(id(&request.backup_id));
        let page = checks.take(PageRequest::parse(request.page_size, &request.page_token));
        let filter = checks.take(StreamFilter::parse(&request.database, &request.schema));
        let wanted = id.zip(page).zip(filter);
        let ((id, page), filter) = decode::checked(checks, wanted).map_err(bad_request)?;
        let id = self.0.services.reach.backup(&mandate, id).await?;
        let page = self.0.services.backups.streams(id, filter, &page).await?;
        Ok(Response::new(v1::ListBackupStreamsResponse {
            streams: page.items.into_iter().map(encode_stream).collect(),
            next_page_token: page.next_page_token,
        }))
    }
}

fn encode_stream(stream: BackupStream) -> v1::BackupStream {
    let StreamHeader {
        role,
        database,
        object,
    } = stream.header;
    let (schema, name) = object
        .map(|object| (object.schema, object.name))
        .unwrap_or_default();
    v1::BackupStream {
        role: role_name(role).to_owned(),
        database: database.unwrap_or_default(),
        schema,
        name,
        bytes: stream.bytes,
        rows: stream.rows,
    }
}

const fn role_name(role: StreamRole) -> &'static str {
    match role {
        StreamRole::Globals => "globals",
        StreamRole::SchemaArchive => "schema-archive",
        StreamRole::SchemaBeforeData => "schema-before-data",
        StreamRole::TableData => "table-data",
        StreamRole::Sequences => "sequences",
        StreamRole::LargeObjects => "large-objects",
        StreamRole::SchemaAfterData => "schema-after-data",
    }
}

/// The backup that is meant, and the revision of it that the caller knows.
fn named(backup_id: &str, etag: &str) -> Result<(BackupId, Option<i64>), Status> {
    let mut checks = Checks::new();
    let backup = checks.take(id(backup_id));
    let revision = checks.take(decode::revision(etag));
    decode::checked(checks, backup.zip(revision)).map_err(bad_request)
}

fn id(text: &str) -> Result<BackupId, BadField> {
    text.parse()
        .map_err(|error: dataguardian_core::ids::InvalidId| BadField::new("backup_id", error.to_string()))
}
