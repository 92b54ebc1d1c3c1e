//! `dgctl backup delete`, `pin` and `unpin`.

use clap::Args;
use dataguardian_proto::v1;

use super::show::describe;
use super::{Context, required};
use crate::error::{Error, Result};
use crate::output::text::{self, bytes};

/// The most backups that one command deletes.
const MOST: usize = 1000;

/// `dgctl backup delete`
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Ids
    #[arg(required = true, value_name = "ID")]
    backups: Vec<String>,
    /// Even the newest complete backup of its datasource
    #[arg(long)]
    last: bool,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
    /// Change nothing: print what would be lost and what would remain
    #[arg(long)]
    dry_run: bool,
}

/// `dgctl backup pin`
#[derive(Debug, Args)]
pub(crate) struct Pin {
    /// Id
    backup: String,
    /// Why, for whoever wants to delete it
    #[arg(long)]
    reason: String,
}

/// `dgctl backup unpin`
#[derive(Debug, Args)]
pub(crate) struct Unpin {
    /// Id
    backup: String,
}

impl Delete {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        if self.backups.len() > MOST {
            return Err(Error::usage(format!("at most {MOST} backups at a time")));
        }
        let api = context.api().await?;
        let request = |backup: &str, validate_only, etag| v1::DeleteBackupRequest {
            backup_id: backup.to_owned(),
            allow_last: self.last,
            etag,
            validate_only,
        };
        let many = self.backups.len() > 1;
        // All are checked before any is deleted.
        let mut checked = Vec::with_capacity(self.backups.len());
        for backup in &self.backups {
            let request = request(backup, true, String::new());
            checked.push(api.backups().delete_backup(request).await?.into_inner());
        }
        if self.dry_run {
            return checked.iter().try_for_each(|reply| {
                let told = |reply: &v1::DeleteBackupResponse| {
                    format!(
                        "Would be lost: {}\nWould remain: {}",
                        lost(reply),
                        remaining(reply)
                    )
                };
                show(context, reply, many, told)
            });
        }
        let told = checked
            .iter()
            .map(|reply| format!("{}; {}", lost(reply), remaining(reply)));
        let told: Vec<_> = told.collect();
        let question = format!(
            "{}\nDelete {}? It can't be undone.",
            told.join("\n"),
            text::counted(self.backups.len() as u64, "backup", "backups")
        );
        context.confirm(self.yes, &question)?;
        for reply in checked {
            // What was pinned or changed in the meantime is not what was asked about.
            let seen = required(reply.backup, "backup")?;
            let request = request(&seen.id, false, seen.etag);
            let reply = api.backups().delete_backup(request).await?.into_inner();
            show(context, &reply, many, |reply| {
                format!("Being deleted: {}", lost(reply))
            })?;
        }
        Ok(())
    }
}

/// One answer, or one of many.
fn show(
    context: &Context,
    reply: &v1::DeleteBackupResponse,
    many: bool,
    told: impl Fn(&v1::DeleteBackupResponse) -> String,
) -> Result<()> {
    match many {
        true => context.output.stream(reply, |reply, _| told(reply)),
        false => context.output.show(reply, |reply, _| told(reply)),
    }
}

/// `backup ID of main (shop), completed 2026-11-24 …, 12.0 MiB, in vault, spare`.
fn lost(reply: &v1::DeleteBackupResponse) -> String {
    let Some(backup) = &reply.backup else {
        return text::NONE.to_owned();
    };
    let copies: Vec<_> = backup.copies.iter().map(|copy| copy.storage.as_str()).collect();
    let line = format!(
        "backup {} of {} ({}), completed {}, {}, in {}",
        backup.id,
        backup.datasource,
        backup.databases.join(", "),
        text::time_and_distance(backup.completed_at.as_ref()),
        bytes(backup.raw_bytes),
        copies.join(", ")
    );
    text::cell(&line)
}

/// `2 other backups of main, the newest ID, completed …`.
fn remaining(reply: &v1::DeleteBackupResponse) -> String {
    let datasource = reply.backup.as_ref().map(|backup| backup.datasource.as_str());
    let others = text::counted(reply.remaining, "other backup", "other backups");
    let of = format!("{others} of {}", datasource.unwrap_or_default());
    let line = match &reply.newest_remaining {
        Some(newest) => format!(
            "{of}, the newest {}, completed {}",
            newest.id,
            text::time_and_distance(newest.completed_at.as_ref())
        ),
        None => format!("no other backup of {}", datasource.unwrap_or_default()),
    };
    text::cell(&line)
}

impl Pin {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let request = v1::PinBackupRequest {
            backup_id: self.backup,
            reason: self.reason,
            etag: String::new(),
        };
        let mut backups = context.api().await?.backups();
        let reply = backups.pin_backup(request).await?.into_inner();
        let backup = required(reply.backup.clone(), "backup")?;
        context.output.show(&reply, |_, look| describe(&backup, look))
    }
}

impl Unpin {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let request = v1::UnpinBackupRequest {
            backup_id: self.backup,
            etag: String::new(),
        };
        let mut backups = context.api().await?.backups();
        let reply = backups.unpin_backup(request).await?.into_inner();
        let backup = required(reply.backup.clone(), "backup")?;
        context.output.show(&reply, |_, look| describe(&backup, look))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(id: &str) -> v1::Backup {
        v1::Backup {
            id: id.into(),
            datasource: "main".into(),
            databases: vec!["shop".into(), "odd\u{1b}name".into()],
            raw_bytes: 12 << 20,
            copies: ["vault", "spare"]
                .map(|storage| v1::BackupCopy {
                    storage: storage.into(),
                    ..Default::default()
                })
                .into(),
            ..Default::default()
        }
    }

    #[test]
    fn who_deletes_reads_what_is_lost_and_what_remains() {
        let reply = v1::DeleteBackupResponse {
            backup: Some(backup("0192f3a4")),
            remaining: 2,
            newest_remaining: Some(backup("0192f3a9")),
        };
        let shown = lost(&reply);
        assert!(shown.starts_with("backup 0192f3a4 of main (shop, odd"), "{shown}");
        assert!(shown.ends_with("12.0 MiB, in vault, spare"), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown}");
        let shown = remaining(&reply);
        assert!(
            shown.starts_with("2 other backups of main, the newest 0192f3a9"),
            "{shown}"
        );
        let last = v1::DeleteBackupResponse {
            remaining: 0,
            newest_remaining: None,
            ..reply
        };
        assert_eq!(remaining(&last), "no other backup of main");
    }
}
