//! Jobs, as people read them.

use dataguardian_proto::{convert, v1};

use super::kept::policy;
use super::schedule;
use crate::output::table::{Field, List, Look, details};
use crate::output::text;
use crate::values::{chunking_word, strategy_word};

const JOBS: List<7> = List {
    titles: [
        "name",
        "datasource",
        "storages",
        "strategy",
        "encrypted",
        "schedule",
        "next run",
    ],
    spare: &["strategy", "encrypted"],
    none: "No jobs yet: `dgctl job create` makes one.",
};

/// One line per job.
pub(super) fn table(jobs: &[v1::Job], look: Look) -> String {
    let row = |job: &v1::Job| {
        [
            Field::text(&job.name),
            Field::text(&job.datasource),
            Field::text(&job.storages.join(", ")),
            Field::text(&strategy_word(job.strategy())),
            Field::yes_or_no(!job.options.as_ref().is_some_and(|options| options.unencrypted)),
            Field::text(&schedule::pattern(job)),
            Field::text(&schedule::next(job)),
        ]
    };
    JOBS.show(look, &jobs.iter().map(row).collect::<Vec<_>>())
}

/// All about one.
pub(super) fn describe(job: &v1::Job, look: Look) -> String {
    let options = job.options.clone().unwrap_or_default();
    let number = |number: u32| {
        Field::text(&if number == 0 {
            String::new()
        } else {
            number.to_string()
        })
    };
    let length = |duration: Option<prost_types::Duration>| {
        let length = duration.and_then(|duration| convert::length("options", &duration).ok());
        Field::text(&length.map(text::length).unwrap_or_default())
    };
    let mut lines = vec![
        ("Name", Field::text(&job.name)),
        ("Id", Field::text(&job.id)),
        ("Datasource", Field::text(&job.datasource)),
        ("Storages", Field::text(&job.storages.join(", "))),
        ("Strategy", Field::text(&strategy_word(job.strategy()))),
        ("Encrypted", Field::yes_or_no(!options.unencrypted)),
        ("Compression level", number(options.compression_level)),
        ("Table connections", number(options.table_connections)),
        ("Lock time-out", length(options.lock_timeout)),
        ("Longest attempt", length(options.max_duration)),
        ("Longest standstill", length(options.no_progress_timeout)),
        ("Attempts", number(options.max_attempts)),
        ("Chunking", Field::text(&chunking_word(options.chunking()))),
        ("Next backup", Field::text(&next(job))),
        (
            "Kept",
            Field::text(&policy(&job.retention.clone().unwrap_or_default())),
        ),
    ];
    let left_out = [
        ("Left-out tables", &options.exclude_tables),
        ("Left-out rows", &options.exclude_table_data),
    ];
    let left_out = left_out.into_iter().filter(|(_, patterns)| !patterns.is_empty());
    lines.extend(left_out.map(|(name, patterns)| (name, Field::text(&patterns.join(", ")))));
    lines.extend(schedule::details(job));
    lines.extend([
        (
            "Created",
            Field::text(&text::time_and_distance(job.created_at.as_ref())),
        ),
        (
            "Updated",
            Field::text(&text::time_and_distance(job.updated_at.as_ref())),
        ),
    ]);
    details(look, lines)
}

/// How the next backup is cut, and why: `stream: less than 20 % of the last backups was stored already`.
fn next(job: &v1::Job) -> String {
    use v1::ChunkingReason as Reason;
    let because = match job.next_chunking_reason() {
        Reason::Unspecified => return String::new(),
        Reason::Usual => return chunking_word(job.next_chunking()),
        Reason::Job => "the job says so",
        Reason::LittleReuse => "less than 20 % of the last backups was stored already",
        Reason::Trial => "after long it is tried again",
    };
    format!("{}: {because}", chunking_word(job.next_chunking()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_shown_with_its_options() {
        let job = v1::Job {
            name: "nightly".into(),
            datasource: "main".into(),
            storages: vec!["vault".into(), "spare".into()],
            strategy: v1::Strategy::Replicate.into(),
            options: Some(v1::BackupOptions {
                compression_level: 3,
                max_duration: Some(prost_types::Duration {
                    seconds: 86_400,
                    nanos: 0,
                }),
                ..Default::default()
            }),
            retention: Some(v1::Retention {
                policy: Some(v1::retention::Policy::MaxBackups(7)),
                timezone: "UTC".into(),
                min_backups: 2,
            }),
            next_chunking: v1::Chunking::Stream.into(),
            schedule: Some(v1::Schedule {
                cron: "30 2 * * *".into(),
                timezone: "Europe/Berlin".into(),
                misfire_policy: v1::MisfirePolicy::RunOnce.into(),
                catch_up_window: Some(prost_types::Duration {
                    seconds: 86_400,
                    nanos: 0,
                }),
                jitter: None,
            }),
            next_fire_at: Some(prost_types::Timestamp {
                seconds: 1_806_195_600,
                nanos: 0,
            }),
            last_scheduled: Some(v1::LastScheduled {
                execution_id: "0198c0de".into(),
                scheduled_for: Some(prost_types::Timestamp {
                    seconds: 1_806_111_000,
                    nanos: 0,
                }),
                state: v1::ExecutionState::Skipped.into(),
            }),
            next_chunking_reason: v1::ChunkingReason::LittleReuse.into(),
            ..Default::default()
        };
        insta::assert_snapshot!(
            table(std::slice::from_ref(&job), Look::PLAIN) + "\n" + &describe(&job, Look::PLAIN)
        );
    }
}
