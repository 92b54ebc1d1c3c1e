//! `dgctl backup verify`, and what backups show of their checks.

use clap::Args;
use dataguardian_proto::v1;

use super::{Context, request_id, required};
use crate::error::Result;
use crate::output::execution as shown;
use crate::output::text;
use crate::output::verification::line;
use crate::progress;

/// `dgctl backup verify`
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// An id; or `latest`, with --datasource
    backup: String,
    /// Whose latest backup; name or id
    #[arg(long, value_name = "DATASOURCE", required_if_eq("backup", "latest"))]
    datasource: Option<String>,
    /// 0: all is there, with its size. 1: all stored bytes are right too. 2: all can be opened and read back too
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=2))]
    level: u32,
    /// Only in this storage; may be given several times; name or id [else: in all that the datasource's agent reaches]
    #[arg(long = "storage", value_name = "STORAGE")]
    storages: Vec<String>,
    /// Wait for the end; exit status 1 unless every copy is whole
    #[arg(long)]
    wait: bool,
}

impl Verify {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let wait = self.wait;
        let api = context.api().await?;
        let request = v1::VerifyBackupRequest {
            backup: self.backup,
            datasource: self.datasource.unwrap_or_default(),
            level: Some(self.level),
            storages: self.storages,
            request_id: request_id(),
        };
        let mut reply = api.backups().verify_backup(request).await?.into_inner();
        let execution = required(reply.execution.clone(), "execution")?;
        if !wait {
            return context.output.show(&reply, |_, _| shown::queued(&execution));
        }
        let ended = progress::wait(&api, &execution.id).await?;
        reply.execution = Some(ended.clone());
        progress::conclude(&context.output, &reply, ended)
    }
}

/// When each copy was last looked into and what came of it, and what is damaged.
pub(super) fn checks(copies: &[v1::BackupCopy]) -> String {
    let mut lines = String::new();
    for copy in copies {
        let checks: Vec<_> = copy.checks.iter().map(check).collect();
        if !checks.is_empty() {
            lines += &format!(
                "checked in {}: {}\n",
                text::cell(&copy.storage),
                checks.join(", ")
            );
        }
        lines.extend(copy.damage.iter().map(|fault| line(&copy.storage, fault)));
    }
    lines
}

/// `level 1 good 2026-11-24 10:00:00`.
fn check(check: &v1::CopyCheck) -> String {
    let outcome = match check.outcome() {
        v1::CheckOutcome::Good => "good",
        v1::CheckOutcome::Damaged => "damaged",
        v1::CheckOutcome::Mended => "damaged, mended since",
        v1::CheckOutcome::Unspecified => "unknown",
    };
    format!(
        "level {} {outcome} {}",
        check.level,
        text::time(check.checked_at.as_ref())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_shows_its_checks_and_its_damage() {
        let copy = v1::BackupCopy {
            storage: "vault".into(),
            complete: true,
            damaged: true,
            checks: vec![v1::CopyCheck {
                level: 1,
                checked_at: None,
                outcome: v1::CheckOutcome::Damaged.into(),
                faults: 1,
            }],
            damage: vec![v1::ObjectFault {
                object: "d/packs/00/x".into(),
                problem: "it is missing".into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let shown = checks(&[copy]);
        assert!(shown.starts_with("checked in vault: level 1 damaged"), "{shown}");
        assert!(shown.ends_with("vault: d/packs/00/x: it is missing\n"), "{shown}");
    }
}
