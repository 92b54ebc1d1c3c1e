//! `dgctl storage import`.

use clap::Args;
use dataguardian_proto::v1;

use super::Context;
use crate::error::{Error, Result};
use crate::output::table::{Field, List, Look, Tone};
use crate::output::text;

/// `dgctl storage import`
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// Name or id
    storage: String,
    /// Look, and enter nothing
    #[arg(long)]
    dry_run: bool,
}

const FOUND: List<4> = List {
    titles: ["backup", "datasource", "started", "problem"],
    spare: &[],
    none: "No manifest that the catalogue does not know.",
};

impl Import {
    pub(super) async fn run(self, context: &Context) -> Result<()> {
        let mut storages = context.api().await?.storages();
        let mut all = v1::ImportBackupsResponse::default();
        loop {
            let request = v1::ImportBackupsRequest {
                storage: self.storage.clone(),
                validate_only: self.dry_run,
                page_token: std::mem::take(&mut all.next_page_token),
            };
            let reply = storages.import_backups(request).await?.into_inner();
            if all.found.is_empty() {
                all.known = reply.known;
            }
            all.found.extend(reply.found);
            all.next_page_token = reply.next_page_token;
            if all.next_page_token.is_empty() {
                break;
            }
        }
        context
            .output
            .show(&all, |all, look| describe(all, self.dry_run, look))?;
        let left = all.found.iter().filter(|found| found.problem.is_some()).count();
        match left {
            0 => Ok(()),
            left => Err(Error::TestFailed(format!(
                "{} could not be entered; while they are there nothing is collected beside them",
                text::counted(left as u64, "manifest", "manifests")
            ))),
        }
    }
}

fn describe(reply: &v1::ImportBackupsResponse, dry_run: bool, look: Look) -> String {
    let row = |found: &v1::FoundBackup| {
        let problem = match (&found.problem, found.missing_objects) {
            (Some(problem), _) => Field::text(&problem.message).toned(Tone::Bad),
            (None, 0) => Field::text(if dry_run {
                "none: it would be entered"
            } else {
                "none: entered"
            }),
            (None, missing) => Field::text(&format!("{missing} of its objects are missing")).toned(Tone::Bad),
        };
        let datasource = match found.datasource.as_str() {
            "" => &found.datasource_id,
            name => name,
        };
        [
            Field::id(&found.backup_id),
            Field::text(datasource),
            Field::text(&text::time(found.started_at.as_ref())),
            problem,
        ]
    };
    let found = FOUND.show(look, &reply.found.iter().map(row).collect::<Vec<_>>());
    let known = text::counted(reply.known, "manifest was", "manifests were");
    format!("{known} known already.\n{found}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_told_with_what_stands_in_its_way() {
        let found = |problem: Option<&str>, missing_objects| v1::FoundBackup {
            datasource_id: "0192f3a4".into(),
            backup_id: "0192f3a9".into(),
            datasource: if problem.is_some() {
                String::new()
            } else {
                "main".into()
            },
            problem: problem.map(|message| v1::Failure {
                message: message.into(),
                ..Default::default()
            }),
            missing_objects,
            ..Default::default()
        };
        let reply = v1::ImportBackupsResponse {
            known: 3,
            found: vec![found(None, 0), found(None, 2), found(Some("it is another's"), 0)],
            ..Default::default()
        };
        insta::assert_snapshot!(describe(&reply, false, Look::PLAIN));
    }
}
