//! `dgctl restore`.

use std::time::Duration;

use clap::Args;
use dataguardian_proto::{convert, v1};

use super::{Context, request_id, required};
use crate::connect::Api;
use crate::error::Result;
use crate::output::{execution as shown, restored};
use crate::progress;
use crate::values::{Mapping, length};

/// How many executions are looked at for how long restores take.
const EARLIER: i32 = 200;

/// `dgctl restore`
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Which backup: an id, or `latest` with --datasource
    #[arg(long, value_name = "ID")]
    backup: String,
    /// The datasource that the backup is of; name or id
    #[arg(long, value_name = "DATASOURCE", required_if_eq("backup", "latest"))]
    datasource: Option<String>,
    /// Restore into this datasource [else: the backup's own]
    #[arg(long, value_name = "DATASOURCE")]
    to: Option<String>,
    /// Only this database, and its new name; may be given several times [else: all, under their own names]
    #[arg(long = "database", value_name = "OLD[=NEW]")]
    databases: Vec<Mapping>,
    /// Only this schema: SCHEMA or DATABASE.SCHEMA; may be given several times. A name in double quotes is taken as it stands, else
    /// * stands for any characters
    #[arg(long = "schema", value_name = "SCHEMA", conflicts_with = "replace")]
    schemas: Vec<String>,
    /// Only this table, with what belongs to it: TABLE, SCHEMA.TABLE or DATABASE.SCHEMA.TABLE (MySQL and MariaDB: TABLE or
    /// DATABASE.TABLE); may be given several times
    #[arg(long = "table", value_name = "TABLE", conflicts_with = "replace")]
    tables: Vec<String>,
    /// Add the chosen schemas or tables of one database to this one, in which nothing else is changed; refused if it has one of
    /// the names already
    #[arg(long, value_name = "DATABASE", conflicts_with_all = ["replace", "scratch"])]
    into: Option<String>,
    /// Restore beside the live databases, compare, and swap them in one short moment
    #[arg(long, conflicts_with = "scratch")]
    replace: bool,
    /// Restore under fresh names, compare, and drop them again
    #[arg(long)]
    scratch: bool,
    /// With --scratch: leave the databases there
    #[arg(long, requires = "scratch")]
    keep: bool,
    /// Let everything belong to the restoring user, and leave grants out
    #[arg(long)]
    no_owner: bool,
    /// Create the roles that the target lacks, without a password and unable to log in [else: refuse, naming them]
    #[arg(long)]
    create_missing_roles: bool,
    /// If it fails, leave what was made so far for a person to look into, and say what it is called
    #[arg(long)]
    keep_unfinished: bool,
    /// How many tables and indexes are restored at the same time, 1 to 16 [else: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    jobs: Option<u32>,
    /// The longest that it may take, as in 6h [else: 7d]
    #[arg(long, value_name = "TIME", value_parser = length)]
    max_duration: Option<Duration>,
    /// It ends when nothing moves for this long, as in 45m; building indexes does not count [else: 30m]
    #[arg(long, value_name = "TIME", value_parser = length)]
    no_progress_timeout: Option<Duration>,
    /// Restore nothing: look whether it could be restored and say what would be, and how long that would take; waits for the end
    #[arg(long)]
    plan: bool,
    /// Wait for the end; exit status 1 unless the restore completed
    #[arg(long)]
    wait: bool,
    /// Do not ask before --replace; needed where there is no terminal
    #[arg(long)]
    yes: bool,
}

impl Restore {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        if self.replace && !self.plan {
            let question =
                "Replace the live databases by those of the backup? What was written since is lost.";
            context.confirm(self.yes, question)?;
        }
        let (wait, plan) = (self.wait, self.plan);
        let api = context.api().await?;
        let mut reply = api
            .restores()
            .start_restore(self.into_request())
            .await?
            .into_inner();
        let execution = required(reply.execution.clone(), "execution")?;
        if !wait && !plan {
            return context.output.show(&reply, |_, _| shown::queued(&execution));
        }
        let ended = progress::wait(&api, &execution.id).await?;
        reply.execution = Some(ended.clone());
        let Some(planned) = ended.restore_report.clone().filter(|report| report.planned) else {
            return progress::conclude(&context.output, &reply, ended);
        };
        let earlier = earlier(&api, &ended.datasource).await?;
        context.output.show(&reply, |_, look| {
            shown::outcome(&ended, look) + &restored::estimate(&planned, &earlier)
        })?;
        progress::must_have_completed(ended)
    }

    fn into_request(self) -> v1::StartRestoreRequest {
        let mode = match (self.replace, self.scratch) {
            (true, _) => v1::RestoreMode::Replace,
            (false, true) => v1::RestoreMode::Scratch,
            (false, false) if self.into.is_some() => v1::RestoreMode::Into,
            (false, false) => v1::RestoreMode::Create,
        };
        v1::StartRestoreRequest {
            backup: self.backup,
            datasource: self.datasource.unwrap_or_default(),
            target_datasource: self.to.unwrap_or_default(),
            mode: mode.into(),
            databases: self
                .databases
                .into_iter()
                .map(|Mapping(mapping)| mapping)
                .collect(),
            no_owner: self.no_owner,
            create_missing_roles: self.create_missing_roles,
            keep_unfinished: self.keep_unfinished,
            parallelism: self.jobs.unwrap_or_default(),
            keep_scratch: self.keep,
            schemas: self.schemas,
            tables: self.tables,
            into_database: self.into.unwrap_or_default(),
            plan_only: self.plan,
            request_id: request_id(),
            max_duration: self.max_duration.map(convert::duration),
            no_progress_timeout: self.no_progress_timeout.map(convert::duration),
        }
    }
}

/// What completed on that datasource lately.
async fn earlier(api: &Api, datasource: &str) -> Result<Vec<v1::Execution>> {
    let request = v1::ListExecutionsRequest {
        page_size: EARLIER,
        datasource: datasource.to_owned(),
        states: vec![v1::ExecutionState::Completed.into()],
        ..Default::default()
    };
    let reply = api.executions().list_executions(request).await?;
    Ok(reply.into_inner().executions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        restore: Restore,
    }

    fn parse(line: &str) -> Result<v1::StartRestoreRequest, clap::error::ErrorKind> {
        let words = std::iter::once("restore").chain(line.split_whitespace());
        let parsed = Line::try_parse_from(words).map_err(|error| error.kind())?;
        Ok(v1::StartRestoreRequest {
            request_id: String::new(),
            ..parsed.restore.into_request()
        })
    }

    #[test]
    fn a_restore_reads_as_written() {
        let request = parse(
            "--backup latest --datasource main --database shop=shop_restored --database crm --jobs 4 --schema s --table a.b",
        );
        insta::assert_debug_snapshot!(request.unwrap());
    }

    #[test]
    fn modes_are_told_apart() {
        let mode = |line: &str| parse(line).map(|request| request.mode());
        assert_eq!(mode("--backup 1"), Ok(v1::RestoreMode::Create));
        assert_eq!(mode("--backup 1 --replace"), Ok(v1::RestoreMode::Replace));
        assert_eq!(mode("--backup 1 --scratch --keep"), Ok(v1::RestoreMode::Scratch));
    }

    #[test]
    fn contradictions_are_wrong_usage() {
        for line in [
            "",
            "--backup latest",
            "--backup 1 --replace --scratch",
            "--backup 1 --keep",
            "--backup 1 --replace --table t",
            "--backup 1 --jobs 17",
            "--backup 1 --database a=b=c",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
