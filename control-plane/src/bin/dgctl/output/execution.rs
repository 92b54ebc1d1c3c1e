//! An execution, as people read it.

use dataguardian_proto::v1;

use super::findings;
use super::restored::restored;
use super::schedule::gap;
use super::table::{Field, List, Look, Tone, details};
use super::text::{self, bytes, count};
use crate::values::{kind_word, state_word};

const EXECUTIONS: List<8> = List {
    titles: [
        "id",
        "kind",
        "state",
        "job",
        "datasource",
        "created",
        "took",
        "raw",
    ],
    spare: &["raw", "took", "datasource"],
    none: "No executions.",
};

const ATTEMPTS: List<4> = List {
    titles: ["attempt", "started", "took", "failure"],
    spare: &["took"],
    none: "",
};

/// Its state, with a tone.
pub(crate) fn state_field(state: v1::ExecutionState) -> Field {
    use v1::ExecutionState as S;
    let tone = match state {
        S::Completed => Tone::Good,
        S::Failed | S::RetryWait => Tone::Bad,
        S::Leased | S::Running | S::Committing | S::Cancelling => Tone::Busy,
        S::Queued | S::Cancelled | S::Skipped | S::Unspecified => Tone::Quiet,
    };
    Field::text(&state_word(state)).toned(tone)
}

/// The same, with what a glance must not miss: `completed, partial`, `running, no contact`.
fn state_with_mark(execution: &v1::Execution) -> Field {
    let word = state_word(execution.state());
    if execution.partial {
        Field::text(&format!("{word}, partial")).toned(Tone::Bad)
    } else if execution.no_contact_since.is_some() {
        Field::text(&format!("{word}, no contact")).toned(Tone::Bad)
    } else {
        state_field(execution.state())
    }
}

/// What it waits for; empty if it does not.
fn waiting(execution: &v1::Execution) -> &str {
    execution.waiting.as_ref().map_or("", |waiting| &waiting.message)
}

/// How long it has taken, or took.
pub(crate) fn took(execution: &v1::Execution) -> String {
    let took = text::between(execution.started_at.as_ref(), execution.ended_at.as_ref());
    took.map(text::length).unwrap_or_default()
}

/// That it was begun, and how to follow it.
pub(crate) fn queued(execution: &v1::Execution) -> String {
    let (kind, state, id) = (kind_word(execution), state_word(execution.state()), &execution.id);
    format!("The {kind} is {state}: {id}\nFollow it with: dgctl execution watch {id}")
}

/// One line per execution.
pub(crate) fn table(executions: &[v1::Execution], look: Look) -> String {
    let row = |execution: &v1::Execution| {
        let raw = execution
            .progress
            .as_ref()
            .map_or(0, |progress| progress.raw_bytes);
        [
            Field::id(&execution.id),
            Field::text(&kind_word(execution)),
            state_with_mark(execution),
            Field::text(&execution.job),
            Field::text(&execution.datasource),
            Field::text(&text::short_time(execution.created_at.as_ref(), look.width)),
            Field::number(text::cell(&took(execution))),
            Field::number(if raw == 0 {
                text::NONE.to_owned()
            } else {
                bytes(raw)
            }),
        ]
    };
    let waits = |execution: &v1::Execution| match waiting(execution) {
        "" => String::new(),
        message => format!("{} {}\n", execution.id, text::cell(message)),
    };
    let waiting: String = executions.iter().map(waits).collect();
    let table = EXECUTIONS.show(look, &executions.iter().map(row).collect::<Vec<_>>());
    match waiting.as_str() {
        "" => table,
        waiting => format!("{}\n\n{waiting}", table.trim_end()),
    }
}

/// All about one execution.
pub(crate) fn describe(execution: &v1::Execution, look: Look) -> String {
    let failure = execution.failure.as_ref();
    let failure = failure.map(|failure| findings::failure("failure", failure));
    with_findings(execution, &failure.unwrap_or_default(), look)
}

/// The same but for its failure: where the command's error tells of that.
pub(crate) fn outcome(execution: &v1::Execution, look: Look) -> String {
    with_findings(execution, "", look)
}

fn with_findings(execution: &v1::Execution, failure: &str, look: Look) -> String {
    let mut text = details(look, properties(execution)) + failure;
    text += &findings::missing(&execution.missing_databases);
    text += &findings::warnings(&execution.warnings);
    if execution.attempts.len() > 1 {
        text += &format!("\n{}", attempts(&execution.attempts, look));
    }
    if let Some(report) = &execution.verify_report {
        text += &format!("\n{}", super::verification::found(report, look));
    }
    if let Some(report) = &execution.restore_report {
        text += &format!("\n{}", restored(report, look));
    }
    text
}

fn properties(execution: &v1::Execution) -> Vec<(&'static str, Field)> {
    let optional = |number: u64, text: String| Field::text(if number == 0 { "" } else { &text });
    let progress = execution.progress.clone().unwrap_or_default();
    let counted_rows = count(progress.rows);
    vec![
        ("Execution", Field::text(&execution.id)),
        ("Kind", Field::text(&kind_word(execution))),
        ("State", state_with_mark(execution)),
        ("Waiting", Field::text(waiting(execution))),
        (
            "No contact since",
            Field::text(&text::time(execution.no_contact_since.as_ref())).toned(Tone::Bad),
        ),
        (
            "Stage",
            Field::text(if execution.ended_at.is_some() {
                ""
            } else {
                &progress.stage
            }),
        ),
        ("Job", Field::text(&execution.job)),
        ("Datasource", Field::text(&execution.datasource)),
        ("Agent", Field::text(&execution.agent)),
        ("Backup", Field::text(&execution.backup_id)),
        (
            "Scheduled for",
            Field::text(&text::time(execution.scheduled_for.as_ref())),
        ),
        (
            "Stands for",
            Field::text(&execution.schedule_gap.as_ref().map(gap).unwrap_or_default()),
        ),
        ("Created", Field::text(&text::time(execution.created_at.as_ref()))),
        ("Started", Field::text(&text::time(execution.started_at.as_ref()))),
        ("Ended", Field::text(&text::time(execution.ended_at.as_ref()))),
        ("Took", Field::text(&took(execution))),
        (
            "Raw",
            optional(
                progress.raw_bytes,
                bytes(progress.raw_bytes) + &rate(execution, progress.raw_bytes),
            ),
        ),
        (
            "Stored",
            optional(progress.stored_bytes, bytes(progress.stored_bytes)),
        ),
        ("Reused", optional(progress.reused_bytes, reused(&progress))),
        ("Rows", optional(progress.rows, counted_rows)),
    ]
}

/// `9.0 MiB (75 % of raw)`.
fn reused(progress: &v1::Progress) -> String {
    text::share(progress.reused_bytes, progress.raw_bytes)
}

/// ` (12.0 MiB/s)`, once it has ended.
fn rate(execution: &v1::Execution, raw_bytes: u64) -> String {
    let took = text::between(execution.started_at.as_ref(), execution.ended_at.as_ref());
    match (execution.ended_at.is_some(), took.map(|took| took.as_millis())) {
        (true, Some(millis)) if millis > 0 => {
            let per_second = u128::from(raw_bytes) * 1000 / millis;
            format!(" ({}/s)", bytes(u64::try_from(per_second).unwrap_or(u64::MAX)))
        }
        _ => String::new(),
    }
}

fn attempts(attempts: &[v1::Attempt], look: Look) -> String {
    let row = |attempt: &v1::Attempt| {
        let took = text::between(attempt.started_at.as_ref(), attempt.ended_at.as_ref());
        let failure = attempt.failure.as_ref();
        let outcome = failure.map(|failure| format!("{}: {}", failure.reason, failure.message));
        [
            Field::number(attempt.number.to_string()),
            Field::text(&text::time(attempt.started_at.as_ref())),
            Field::number(text::cell(&took.map(text::length).unwrap_or_default())),
            Field::text(&outcome.unwrap_or_default()),
        ]
    };
    ATTEMPTS.show(look, &attempts.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp {
            seconds: 1_795_482_000 + seconds,
            nanos: 0,
        })
    }

    fn restore() -> v1::Execution {
        let table = |name: &str, expected_rows, restored_rows| v1::RestoredTable {
            database: "shop".into(),
            schema: "public".into(),
            name: name.into(),
            expected_rows,
            restored_rows,
        };
        v1::Execution {
            id: "0192f3a4".into(),
            kind: v1::ExecutionKind::Restore.into(),
            state: v1::ExecutionState::Completed.into(),
            datasource: "main".into(),
            started_at: at(0),
            ended_at: at(75),
            progress: Some(v1::Progress {
                raw_bytes: 150 << 20,
                rows: 1_200_000,
                ..Default::default()
            }),
            warnings: vec![v1::Warning {
                database: "shop".into(),
                message: "an unlogged table".into(),
            }],
            restore_report: Some(v1::RestoreReport {
                databases: vec![v1::RestoredDatabase {
                    from: "shop".into(),
                    to: "shop_restored".into(),
                    dropped: false,
                    tables: 2,
                    rows: 1_200_000,
                    bytes: 150 << 20,
                }],
                tables: vec![
                    table("orders", 1_000_000, 1_000_000),
                    table("items", 200_000, 200_000),
                ],
                rows: 1_200_000,
                planned: false,
            }),
            ..Default::default()
        }
    }

    /// The reader's time zone is not the test's business.
    fn shown(execution: &v1::Execution) -> String {
        let text = describe(execution, Look::PLAIN);
        let timeless = |line: &&str| {
            !["Started", "Ended", "Created"]
                .iter()
                .any(|name| line.starts_with(name))
        };
        text.lines()
            .filter(timeless)
            .map(|line| format!("{line}\n"))
            .collect()
    }

    #[test]
    fn a_restore_shows_what_came_back() {
        insta::assert_snapshot!(shown(&restore()));
    }

    #[test]
    fn tables_that_differ_are_named() {
        let mut restore = restore();
        if let Some(report) = &mut restore.restore_report {
            report.tables[1].restored_rows = 199_999;
            report.databases[0].rows = 1_199_999;
        }
        insta::assert_snapshot!(shown(&restore));
    }

    #[test]
    fn a_failure_shows_its_attempts() {
        let failure = v1::Failure {
            reason: "DATABASE_CONNECTION_LOST".into(),
            message: "server closed the connection unexpectedly".into(),
            advice: "look into the database server's log".into(),
        };
        let attempt = |number| v1::Attempt {
            number,
            started_at: None,
            ended_at: None,
            failure: Some(failure.clone()),
        };
        let execution = v1::Execution {
            id: "0192f3a4".into(),
            kind: v1::ExecutionKind::Backup.into(),
            state: v1::ExecutionState::Failed.into(),
            job: "nightly".into(),
            attempt: 2,
            attempts: vec![attempt(1), attempt(2)],
            failure: Some(failure.clone()),
            ..Default::default()
        };
        insta::assert_snapshot!(shown(&execution));
    }
}
