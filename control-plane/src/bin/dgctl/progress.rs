//! Waiting for an execution, with something to look at: a bar on a terminal, plain lines elsewhere. All on standard error.

use std::time::Duration;

use dataguardian_proto::v1;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::Instant;

use crate::connect::Api;
use crate::error::{Error, Result};
use crate::output::json::Reply;
use crate::output::text::{bytes, cell, count};
use crate::output::{Output, colours_are_welcome, execution as shown, progress_can_move};
use crate::values::{kind_word, state_word};
use crate::watch::{News, Watch};

/// Between two plain lines about the same stage.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Two lines at most: what goes on, cut to the terminal's width, and how far it is.
const WAITING: &str = "{spinner} {elapsed} {wide_msg}";
const COUNTED: &str = "{spinner} {elapsed} {wide_msg}\n  {binary_bytes} {binary_bytes_per_sec} {prefix}";
const MEASURED: &str = "{spinner} {elapsed} {wide_msg}\n  {bar:24.cyan/dim} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} about {eta} left, {prefix}";
const MEASURED_PLAIN: &str = "{spinner} {elapsed} {wide_msg}\n  {bar:24} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} about {eta} left, {prefix}";

/// Follows the execution to its end and gives it as it is then, however it ended.
pub(crate) async fn wait(api: &Api, id: &str) -> Result<v1::Execution> {
    // Whoever stops waiting needs it to look again, or to cancel.
    eprintln!("execution {id}");
    let mut watch = Watch::new(api, id);
    let mut display = Display::new();
    let mut last = None;
    while let Some(news) = watch.next().await? {
        match news {
            News::Changed(execution) => {
                display.show(&execution);
                last = Some(*execution);
            }
            News::OutOfSight => display.out_of_sight(),
        }
    }
    display.finish();
    last.ok_or(Error::Incomplete("execution"))
}

/// Shows how an execution that was waited for ended; it is an error unless it completed, and the error tells why.
pub(crate) fn conclude<R: Reply>(output: &Output, reply: &R, execution: v1::Execution) -> Result<()> {
    output.show(reply, |_, look| shown::outcome(&execution, look))?;
    must_have_completed(execution)
}

/// An execution that was waited for is an error unless it completed, a backup with all its databases.
pub(crate) fn must_have_completed(execution: v1::Execution) -> Result<()> {
    match execution.state() {
        v1::ExecutionState::Completed if execution.partial => Err(Error::Partial(lacks(&execution))),
        v1::ExecutionState::Completed => Ok(()),
        _ => Err(Error::NotCompleted(Box::new(execution))),
    }
}

/// `it lacks shop (DATABASE_MISSING), crm (DATABASE_PRIVILEGE)`.
fn lacks(execution: &v1::Execution) -> String {
    let named = |missing: &v1::MissingDatabase| {
        let reason = missing
            .failure
            .as_ref()
            .map_or("", |failure| failure.reason.as_str());
        format!("{} ({})", cell(&missing.name), cell(reason))
    };
    let names: Vec<String> = execution.missing_databases.iter().map(named).collect();
    format!("it lacks {}", names.join(", "))
}

/// Shows how much of a known number of bytes came; nothing where it can't be drawn.
pub(crate) struct Transferred(Option<ProgressBar>);

impl Transferred {
    /// Nothing came yet.
    pub(crate) fn begin(total: u64, headline: String) -> Self {
        if !progress_can_move() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        set_template(
            &bar,
            if colours_are_welcome() {
                MEASURED
            } else {
                MEASURED_PLAIN
            },
        );
        bar.set_message(headline);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(Some(bar))
    }

    /// So much came.
    pub(crate) fn at(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.set_position(bytes);
        }
    }
}

impl Drop for Transferred {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

enum Display {
    Bar(Box<ProgressBar>),
    Lines(Lines),
}

/// What was last said, and when.
#[derive(Default)]
struct Lines {
    said: Option<(String, Instant)>,
    out_of_sight: bool,
}

impl Display {
    fn new() -> Self {
        if !progress_can_move() {
            return Self::Lines(Lines::default());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        set_template(&bar, WAITING);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self::Bar(Box::new(bar))
    }

    fn show(&mut self, execution: &v1::Execution) {
        match self {
            Self::Bar(bar) => show_bar(bar, execution),
            Self::Lines(lines) => lines.show(execution),
        }
    }

    fn out_of_sight(&mut self) {
        match self {
            Self::Bar(bar) => bar.set_message("connection lost, trying again"),
            Self::Lines(lines) => {
                if !lines.out_of_sight {
                    eprintln!("connection lost, trying again");
                }
                lines.out_of_sight = true;
            }
        }
    }

    fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn show_bar(bar: &ProgressBar, execution: &v1::Execution) {
    let progress = execution.progress.clone().unwrap_or_default();
    let expected = progress
        .expected_raw_bytes
        .filter(|expected| *expected >= progress.raw_bytes && *expected > 0);
    let template = match expected {
        Some(_) if colours_are_welcome() => MEASURED,
        Some(_) => MEASURED_PLAIN,
        None if progress.raw_bytes > 0 => COUNTED,
        None => WAITING,
    };
    set_template(bar, template);
    match expected {
        Some(expected) => bar.set_length(expected),
        None => bar.unset_length(),
    }
    bar.set_message(headline(execution));
    bar.set_prefix(particulars(&progress));
    bar.set_position(progress.raw_bytes);
}

/// The templates are ours, and tested: one that can't be read leaves the bar as it is.
fn set_template(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━━─"));
    }
}

impl Lines {
    fn show(&mut self, execution: &v1::Execution) {
        let headline = headline(execution);
        let now = Instant::now();
        let due = match &self.said {
            Some((said, at)) => {
                *said != headline || now.duration_since(*at) >= LINE_EVERY || self.out_of_sight
            }
            None => true,
        };
        if due {
            eprintln!("{}", line(execution));
            self.said = Some((headline, now));
            self.out_of_sight = false;
        }
    }
}

/// `backup running: copying tables`.
fn headline(execution: &v1::Execution) -> String {
    let mut text = format!("{} {}", kind_word(execution), state_word(execution.state()));
    if execution.attempt > 1 {
        text += &format!(" (attempt {})", execution.attempt);
    }
    if let Some(waiting) = &execution.waiting {
        return text + ": " + &cell(&waiting.message) + &last_failure(execution);
    }
    match &execution.progress {
        Some(progress) if !progress.stage.is_empty() && execution.state() == v1::ExecutionState::Running => {
            text + ": " + &cell(&progress.stage)
        }
        _ => text,
    }
}

/// Why another attempt is waited for.
fn last_failure(execution: &v1::Execution) -> String {
    match &execution.failure {
        Some(failure) if execution.state() == v1::ExecutionState::RetryWait => format!(
            ", since the last one failed: {} [{}]",
            cell(&failure.message),
            cell(&failure.reason)
        ),
        _ => String::new(),
    }
}

/// `1,234 rows, 3/12 streams, 1.2 MiB stored`.
fn particulars(progress: &v1::Progress) -> String {
    let mut parts = Vec::new();
    if progress.rows > 0 {
        parts.push(format!("{} rows", count(progress.rows)));
    }
    match progress.streams_total {
        Some(total) if total > 0 => parts.push(format!("{}/{total} streams", progress.streams_done)),
        _ => {}
    }
    if progress.stored_bytes > 0 {
        parts.push(format!("{} stored", bytes(progress.stored_bytes)));
    }
    if progress.reused_bytes > 0 {
        parts.push(format!("{} reused", bytes(progress.reused_bytes)));
    }
    parts.join(", ")
}

fn line(execution: &v1::Execution) -> String {
    let mut text = headline(execution);
    if let Some(progress) = execution
        .progress
        .as_ref()
        .filter(|progress| progress.raw_bytes > 0)
    {
        text += &format!(", {}", bytes(progress.raw_bytes));
        let particulars = particulars(progress);
        if !particulars.is_empty() {
            text += &format!(", {particulars}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> v1::Execution {
        v1::Execution {
            kind: v1::ExecutionKind::Backup.into(),
            state: v1::ExecutionState::Running.into(),
            attempt: 1,
            progress: Some(v1::Progress {
                stage: "copying tables".into(),
                raw_bytes: 12 << 20,
                stored_bytes: 3 << 20,
                rows: 10_000,
                streams_done: 3,
                streams_total: Some(12),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_line_tells_stage_sizes_and_rows() {
        assert_eq!(
            line(&running()),
            "backup running: copying tables, 12.0 MiB, 10,000 rows, 3/12 streams, 3.0 MiB stored"
        );
    }

    #[test]
    fn a_waiting_execution_says_no_more_than_that() {
        let queued = v1::Execution {
            state: v1::ExecutionState::Queued.into(),
            progress: None,
            ..running()
        };
        assert_eq!(line(&queued), "backup queued");
        let again = v1::Execution {
            attempt: 2,
            ..running()
        };
        assert!(line(&again).starts_with("backup running (attempt 2): copying tables"));
    }

    #[test]
    fn every_template_can_be_read() {
        for template in [WAITING, COUNTED, MEASURED, MEASURED_PLAIN] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn only_a_completed_execution_is_a_success() {
        for state in [
            v1::ExecutionState::Failed,
            v1::ExecutionState::Cancelled,
            v1::ExecutionState::Skipped,
        ] {
            let ended = v1::Execution {
                state: state.into(),
                ..running()
            };
            assert!(matches!(must_have_completed(ended), Err(Error::NotCompleted(_))));
        }
        let completed = v1::Execution {
            state: v1::ExecutionState::Completed.into(),
            ..running()
        };
        assert!(must_have_completed(completed.clone()).is_ok());
        let partial = v1::Execution {
            partial: true,
            missing_databases: vec![v1::MissingDatabase {
                name: "crm".into(),
                failure: None,
            }],
            ..completed
        };
        let error = must_have_completed(partial).unwrap_err();
        assert!(error.text().contains("crm"), "{}", error.text());
    }

    #[test]
    fn what_is_waited_for_is_told() {
        let queued = v1::Execution {
            state: v1::ExecutionState::Queued.into(),
            waiting: Some(v1::Waiting {
                reason: v1::WaitingReason::AgentSlot.into(),
                message: "waits for a free slot of agent host1".into(),
            }),
            ..running()
        };
        assert!(line(&queued).starts_with("backup queued: waits for a free slot of agent host1"));
    }

    #[test]
    fn who_waits_for_another_attempt_reads_why() {
        let again = v1::Execution {
            state: v1::ExecutionState::RetryWait.into(),
            waiting: Some(v1::Waiting {
                reason: v1::WaitingReason::Time.into(),
                message: "waits until 12:00 for the next attempt".into(),
            }),
            failure: Some(v1::Failure {
                reason: "DATABASE_UNREACHABLE".into(),
                message: "no answer".into(),
                advice: "check that the server runs".into(),
            }),
            progress: None,
            ..running()
        };
        assert_eq!(
            line(&again),
            "backup retry_wait: waits until 12:00 for the next attempt, since the last one failed: no answer [DATABASE_UNREACHABLE]"
        );
    }
}
