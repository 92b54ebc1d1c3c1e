//! `dgctl audit`.

use clap::{Args, Subcommand};
use dataguardian_proto::v1;

use super::Context;
use crate::error::{Error, Result};
use crate::output::json;
use crate::output::table::{Field, List, Look, Tone, details};
use crate::output::text;
use crate::paging::Limit;

/// `dgctl audit …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List what was done, tried and denied, the newest first
    List(Listed),
    /// Show one row, with what was asked and what it changed
    Get(Named),
    /// Write all rows that fit as JSON Lines, the oldest first
    Export(Filter),
    /// Look whether every row is there and as it was; status 1 if not
    Verify,
}

/// `dgctl audit list`
#[derive(Debug, Args)]
pub(crate) struct Listed {
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    limit: Limit,
}

/// `dgctl audit get`
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The row's number, as `audit list` shows it
    #[arg(value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    number: u64,
}

/// Which rows.
#[derive(Debug, Args)]
pub(crate) struct Filter {
    /// Only those of this user, by name or id, or of user, agent, system or anonymous
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Only those of methods with this in their path, as in JobService/ or /DeleteBackup
    #[arg(long, value_name = "PART")]
    method: Option<String>,
    /// Only those that concern this
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,
    /// Only those that ended so: ok, or a reason
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<String>,
    /// Not before this: 2026-11-24, or 2026-11-24T18:30:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<prost_types::Timestamp>,
    /// Before this
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<prost_types::Timestamp>,
}

const ROWS: List<7> = List {
    titles: ["row", "at", "who", "what", "on", "outcome", "from"],
    spare: &["from", "row", "on"],
    none: "No such rows.",
};

impl Command {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        match self {
            Self::List(listed) => listed.run(context).await,
            Self::Get(named) => named.run(context).await,
            Self::Export(filter) => export(filter, context).await,
            Self::Verify => verify(context).await,
        }
    }
}

impl Filter {
    fn message(self) -> v1::AuditFilter {
        v1::AuditFilter {
            actor: self.actor.unwrap_or_default(),
            method: self.method.unwrap_or_default(),
            resource: self.resource.unwrap_or_default(),
            outcome: self.outcome.unwrap_or_default(),
            since: self.since,
            until: self.until,
            number: 0,
        }
    }
}

impl Listed {
    async fn run(self, context: &Context) -> Result<()> {
        let audit = context.api().await?.audit();
        let filter = self.filter.message();
        let reply: v1::ListAuditLogsResponse = self
            .limit
            .collect(|page_size, page_token| {
                let mut audit = audit.clone();
                let request = v1::ListAuditLogsRequest {
                    filter: Some(filter.clone()),
                    page_size,
                    page_token,
                };
                async move { audit.list_audit_logs(request).await }
            })
            .await?;
        context
            .output
            .page(&reply, |reply, look| table(&reply.audit_logs, look))
    }
}

async fn export(filter: Filter, context: &Context) -> Result<()> {
    let mut audit = context.api().await?.audit();
    let request = v1::ExportAuditLogsRequest {
        filter: Some(filter.message()),
    };
    let mut rows = audit.export_audit_logs(request).await?.into_inner();
    while let Some(row) = rows.message().await? {
        let row = super::required(row.audit_log, "audit_log")?;
        context.output.line(&json::compact(&row)?)?;
    }
    Ok(())
}

async fn verify(context: &Context) -> Result<()> {
    let mut audit = context.api().await?.audit();
    let reply = audit.verify_audit(v1::VerifyAuditRequest {}).await?.into_inner();
    context.output.show(&reply, |reply, _| checked(reply))?;
    match reply.faults.is_empty() {
        true => Ok(()),
        false => Err(Error::TestFailed("the audit log is not as it was".to_owned())),
    }
}

fn checked(reply: &v1::VerifyAuditResponse) -> String {
    let rows = text::counted(reply.rows, "row is", "rows are");
    let days = text::counted(reply.days.into(), "day", "days");
    let mut told = format!("{rows} as written, of {days}.");
    for fault in &reply.faults {
        let row = match fault.number {
            0 => String::new(),
            number => format!(", row {number}"),
        };
        told += &format!(
            "\n{}{row}: {}",
            text::cell(&fault.day),
            text::cell(&fault.problem)
        );
    }
    told
}

fn table(rows: &[v1::AuditLog], look: Look) -> String {
    let row = |row: &v1::AuditLog| {
        let outcome = match row.outcome.as_str() {
            "ok" => Field::text("ok").toned(Tone::Good),
            reason => Field::text(reason).toned(Tone::Bad),
        };
        let (who, what) = (who(row), what(row));
        [
            Field::number(row.number.to_string()),
            Field::text(&text::short_time(row.at.as_ref(), look.width)),
            Field::text(who),
            Field::text(what),
            Field::text(&row.resource),
            outcome,
            Field::text(&row.remote),
        ]
    };
    ROWS.show(look, &rows.iter().map(row).collect::<Vec<_>>())
}

fn who(row: &v1::AuditLog) -> &str {
    match row.actor_name.as_str() {
        "" => &row.actor_kind,
        name => name,
    }
}

fn what(row: &v1::AuditLog) -> &str {
    row.method.trim_start_matches("/dataguardian.v1.")
}

impl Named {
    async fn run(self, context: &Context) -> Result<()> {
        let mut audit = context.api().await?.audit();
        let request = v1::ListAuditLogsRequest {
            filter: Some(v1::AuditFilter {
                number: self.number,
                ..Default::default()
            }),
            ..Default::default()
        };
        let reply = audit.list_audit_logs(request).await?.into_inner();
        let row =
            reply.audit_logs.into_iter().next().ok_or_else(|| {
                Error::TestFailed(format!("there is no row {} in the audit log", self.number))
            })?;
        context.output.show(&row, describe)
    }
}

fn describe(row: &v1::AuditLog, look: Look) -> String {
    let mut shown = details(
        look,
        vec![
            ("Row", Field::text(&row.number.to_string())),
            ("At", Field::text(&text::time_and_distance(row.at.as_ref()))),
            ("Who", Field::text(who(row))),
            ("What", Field::text(what(row))),
            ("On", Field::text(&row.resource)),
            ("Outcome", Field::text(&row.outcome)),
            ("From", Field::text(&row.remote)),
            ("Asked", Field::text(&row.request_json)),
        ],
    );
    let or_nothing = |json: &str| match json {
        "" => "nothing".to_owned(),
        json => text::cell(json),
    };
    for change in &row.changes {
        let (before, after) = (or_nothing(&change.before_json), or_nothing(&change.after_json));
        shown += &format!("  {}: {before} → {after}\n", text::cell(&change.field));
    }
    shown
}

/// A day, or a point in time (RFC 3339).
fn time(given: &str) -> std::result::Result<prost_types::Timestamp, String> {
    let day = format!("{given}T00:00:00Z");
    given
        .parse()
        .or_else(|_| day.parse())
        .map_err(|_| "expected a day as in 2026-11-24, or a time as in 2026-11-24T18:30:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_shown_with_what_it_changed() {
        let change = |field: &str, before: &str, after: &str| v1::FieldChange {
            field: field.into(),
            before_json: before.into(),
            after_json: after.into(),
        };
        let row = v1::AuditLog {
            number: 7,
            actor_kind: "user".into(),
            actor_name: "ada".into(),
            method: "/dataguardian.v1.JobService/UpdateJob".into(),
            resource: "nightly".into(),
            outcome: "ok".into(),
            changes: vec![
                change("schedule", "", r#"{"cron":"@daily"}"#),
                change("options.compressionLevel", "3", "9"),
            ],
            ..Default::default()
        };
        insta::assert_snapshot!(describe(&row, Look::PLAIN), @r#"
        Row      7
        Who      ada
        What     JobService/UpdateJob
        On       nightly
        Outcome  ok
          schedule: nothing → {"cron":"@daily"}
          options.compressionLevel: 3 → 9
        "#);
    }

    #[test]
    fn a_day_or_a_time_is_read() {
        assert_eq!(time("1970-01-02").unwrap().seconds, 86_400);
        assert_eq!(time("1970-01-01T00:00:10Z").unwrap().seconds, 10);
        assert!(time("yesterday").is_err());
    }
}
