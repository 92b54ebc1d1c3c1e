//! `dgctl backup`.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::verify::Verify;
use super::{Context, required};
use crate::error::{Error, Result};
use crate::paging::Limit;

mod delete;
mod download;
mod show;

/// `dgctl backup …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List backups, newest first
    List(ListArgs),
    /// Show a backup
    Get(Get),
    /// Show what is in a backup, stream by stream
    Contents(Contents),
    /// Write a database of a backup as one SQL script, to load with the database's own client
    Download(download::Download),
    /// Have a backup copied into one more storage, in the background
    Copy(Copy),
    /// Look whether a backup is still whole in its storages, without restoring it
    Verify(Verify),
    /// Delete backups: they can't be restored from then on, and what no other backup needs goes after the grace
    Delete(delete::Delete),
    /// Keep a backup from being deleted, by hand or by retention
    Pin(delete::Pin),
    /// Take a backup's pin away
    Unpin(delete::Unpin),
}

/// `dgctl backup copy`
#[derive(Debug, Args)]
pub(crate) struct Copy {
    #[command(flatten)]
    backup: Get,
    /// The storage that it is to be in too; name or id
    #[arg(long, value_name = "STORAGE")]
    to: String,
}

/// `dgctl backup list`
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only those of this datasource; name or id
    #[arg(long, value_name = "DATASOURCE")]
    datasource: Option<String>,
    /// Only those of this job; name or id
    #[arg(long, value_name = "JOB")]
    job: Option<String>,
    /// Those too that are being deleted
    #[arg(long)]
    deleting: bool,
    #[command(flatten)]
    limit: Limit,
}

/// `dgctl backup get`
#[derive(Debug, Args)]
pub(crate) struct Get {
    /// An id; or `latest`, with --datasource
    backup: String,
    /// Whose latest backup; name or id
    #[arg(long, value_name = "DATASOURCE", required_if_eq("backup", "latest"))]
    datasource: Option<String>,
}

/// `dgctl backup contents`
#[derive(Debug, Args)]
pub(crate) struct Contents {
    #[command(flatten)]
    backup: Get,
    /// Only what is of this database
    #[arg(long, value_name = "DATABASE")]
    database: Option<String>,
    /// Only the tables of this schema
    #[arg(long, value_name = "SCHEMA")]
    schema: Option<String>,
    #[command(flatten)]
    limit: Limit,
}

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(list) => list.run(context).await,
            Self::Get(get) => {
                let reply = get.fetch(context).await?;
                let backup = required(reply.backup.clone(), "backup")?;
                context
                    .output
                    .show(&reply, |_, look| show::describe(&backup, look))
            }
            Self::Contents(contents) => contents.run(context).await,
            Self::Download(download) => Box::pin(download.run(context)).await,
            Self::Copy(copy) => copy.run(context).await,
            Self::Verify(verify) => verify.run(context).await,
            Self::Delete(delete) => delete.run(context).await,
            Self::Pin(pin) => pin.run(context).await,
            Self::Unpin(unpin) => unpin.run(context).await,
        }
    }
}

impl ListArgs {
    async fn run(self, context: &Context) -> Result<()> {
        let backups = context.api().await?.backups();
        let datasource = self.datasource.unwrap_or_default();
        let job = self.job.unwrap_or_default();
        let reply: v1::ListBackupsResponse = self
            .limit
            .collect(|page_size, page_token| {
                let mut backups = backups.clone();
                let request = v1::ListBackupsRequest {
                    page_size,
                    page_token,
                    datasource: datasource.clone(),
                    job: job.clone(),
                    show_deleting: self.deleting,
                };
                async move { backups.list_backups(request).await }
            })
            .await?;
        context
            .output
            .page(&reply, |reply, look| show::table(&reply.backups, look))
    }
}

impl Get {
    async fn fetch(self, context: &Context) -> Result<v1::GetBackupResponse> {
        let request = v1::GetBackupRequest {
            backup: self.backup,
            datasource: self.datasource.unwrap_or_default(),
        };
        Ok(context
            .api()
            .await?
            .backups()
            .get_backup(request)
            .await?
            .into_inner())
    }
}

impl Copy {
    async fn run(self, context: &Context) -> Result<()> {
        let request = v1::CopyBackupRequest {
            backup: self.backup.backup,
            datasource: self.backup.datasource.unwrap_or_default(),
            storage: self.to,
        };
        let mut backups = context.api().await?.backups();
        let reply = backups.copy_backup(request).await?.into_inner();
        let backup = required(reply.backup.clone(), "backup")?;
        context
            .output
            .show(&reply, |_, look| show::describe(&backup, look))
    }
}

impl Contents {
    async fn run(self, context: &Context) -> Result<()> {
        let backup_id = match self.backup.backup.as_str() {
            "latest" => required(self.backup.fetch(context).await?.backup, "backup")?.id,
            _ if self.backup.datasource.is_some() => {
                return Err(Error::usage("--datasource goes with `latest`"));
            }
            id => id.to_owned(),
        };
        let backups = context.api().await?.backups();
        let (database, schema) = (self.database.unwrap_or_default(), self.schema.unwrap_or_default());
        let reply: v1::ListBackupStreamsResponse = self
            .limit
            .collect(|page_size, page_token| {
                let mut backups = backups.clone();
                let request = v1::ListBackupStreamsRequest {
                    backup_id: backup_id.clone(),
                    page_size,
                    page_token,
                    database: database.clone(),
                    schema: schema.clone(),
                };
                async move { backups.list_backup_streams(request).await }
            })
            .await?;
        context
            .output
            .page(&reply, |reply, look| show::contents(&reply.streams, look))
    }
}
