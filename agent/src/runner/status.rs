//! What a running attempt shows of itself, and how it is told to stop.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dataguardian_core::execution::Fence;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::size::ByteSize;
use dataguardian_proto::v1;
use tokio_util::sync::CancellationToken;

use super::leftovers;
use super::logs::AttemptLog;
use crate::engines::progress::{Pace, Progress, Severity, Stage};
use crate::journal::{AttemptStage, Journal, JournalEntry, ProcessGroup};
use crate::pipeline::counters::{Counters, Counts};

/// Why an attempt has to stop before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// A person wants it.
    Cancelled,
    /// It is another attempt's now: delete nothing, report nothing.
    Abandoned,
    /// It took longer than it may.
    TimedOut,
    /// Nothing moved for longer than allowed.
    NoProgress,
    /// The agent is asked to stop.
    AgentStops,
}

/// Tells an attempt to stop, once, with the first reason.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopSignal {
    token: CancellationToken,
    reason: Arc<OnceLock<(StopReason, String)>>,
}

impl StopSignal {
    pub(crate) fn stop(&self, reason: StopReason) {
        self.stop_because(reason, String::new());
    }

    /// The same, with the particulars for the failure.
    pub(super) fn stop_because(&self, reason: StopReason, particulars: String) {
        if self.reason.set((reason, particulars)).is_ok() {
            self.token.cancel();
        }
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        self.reason.get().map(|(reason, _)| *reason)
    }

    /// The failure that a stopped attempt reports; none where it was not stopped, or reports something else or nothing.
    pub(super) fn failure(&self) -> Option<Failure> {
        let (reason, particulars) = self.reason.get()?;
        let kind = match reason {
            StopReason::Cancelled | StopReason::Abandoned => return None,
            StopReason::TimedOut => FailureKind::TimedOut,
            StopReason::NoProgress => FailureKind::NoProgress,
            StopReason::AgentStops => FailureKind::AgentRestarted,
        };
        Some(Failure::new(kind, particulars.clone()))
    }

    /// Comes back when the attempt is somebody else's; never, if it was stopped for another reason.
    pub(crate) async fn abandoned(&self) {
        self.token.cancelled().await;
        if self.reason() != Some(StopReason::Abandoned) {
            std::future::pending::<()>().await;
        }
    }
}

/// How far an attempt is: counts without locks, and the stage in words. The engine tells it here.
#[derive(Debug)]
pub(crate) struct AttemptStatus {
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: AttemptLog,
    stage: Mutex<StageInWords>,
    fence: Fence,
    journal: Journal,
    processes: Mutex<Vec<ProcessGroup>>,
}

#[derive(Debug)]
struct StageInWords {
    words: String,
    /// Rises with each stage.
    number: u64,
    pace: Pace,
    expected_raw: Option<u64>,
}

/// What shows whether an attempt goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) counts: Counts,
    /// The number of the stage.
    pub(crate) stage: u64,
    pub(crate) pace: Pace,
}

impl AttemptStatus {
    pub(crate) fn new(log: AttemptLog, fence: Fence, journal: Journal) -> Self {
        Self {
            counters: Arc::default(),
            log,
            stage: Mutex::new(StageInWords {
                words: String::new(),
                number: 0,
                pace: Pace::Measured,
                expected_raw: None,
            }),
            fence,
            journal,
            processes: Mutex::default(),
        }
    }

    /// Names the stage, and writes it into the log.
    pub(crate) fn enter(&self, words: impl Into<String>) {
        self.enter_at(words.into(), Pace::Measured);
    }

    /// The same for a stage that waits for others and moves nothing.
    pub(crate) fn wait_for(&self, words: impl Into<String>) {
        self.enter_at(words.into(), Pace::Unmeasured);
    }

    fn enter_at(&self, words: String, pace: Pace) {
        self.log.info(words.clone());
        let mut stage = self.stage();
        stage.words = words;
        stage.number += 1;
        stage.pace = pace;
    }

    /// What shows whether the attempt goes on.
    pub(crate) fn sample(&self) -> Sample {
        let stage = self.stage();
        Sample {
            counts: self.counters.counts(),
            stage: stage.number,
            pace: stage.pace,
        }
    }

    /// What goes on, and how far it is, in a line.
    pub(crate) fn in_words(&self) -> String {
        let counts = self.counters.counts();
        format!(
            "{} ({} read, {} stored, {} rows, {} streams done)",
            self.stage().words,
            ByteSize::bytes(counts.raw_bytes),
            ByteSize::bytes(counts.stored_bytes),
            counts.rows,
            counts.streams_done
        )
    }

    /// Tells how many bytes are expected on top of those expected so far.
    pub(crate) fn expect_raw(&self, bytes: u64) {
        let mut stage = self.stage();
        stage.expected_raw = Some(stage.expected_raw.unwrap_or(0).saturating_add(bytes));
    }

    /// For the session.
    pub(crate) fn snapshot(&self) -> v1::Progress {
        let counts = self.counters.counts();
        let stage = self.stage();
        v1::Progress {
            stage: stage.words.clone(),
            raw_bytes: counts.raw_bytes,
            stored_bytes: counts.stored_bytes,
            // A guess that was exceeded was too small.
            expected_raw_bytes: stage.expected_raw.map(|expected| expected.max(counts.raw_bytes)),
            rows: counts.rows,
            streams_done: counts.streams_done,
            streams_total: None,
            unmeasured: stage.pace != Pace::Measured,
            reused_bytes: counts.reused_bytes,
        }
    }

    fn stage(&self) -> std::sync::MutexGuard<'_, StageInWords> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for AttemptStatus {
    fn stage(&self, stage: Stage) {
        if let Stage::Rows { bytes, .. } = &stage {
            self.expect_raw(*bytes);
        }
        self.enter_at(stage.to_string(), stage.pace());
    }

    fn log(&self, severity: Severity, line: &str) {
        match severity {
            Severity::Info => self.log.info(line),
            Severity::Warning => self.log.warn(line),
        }
    }

    /// Into the journal, so that an agent that is started after this one was killed can kill it.
    fn process_started(&self, leader: u32) {
        let Some(group) = i32::try_from(leader).ok().and_then(leftovers::identify) else {
            return;
        };
        let mut processes = self.processes.lock().unwrap_or_else(PoisonError::into_inner);
        processes.retain(|known| leftovers::identify(known.id) == Some(*known));
        processes.push(group);
        let entry = JournalEntry {
            fence: self.fence,
            stage: AttemptStage::Running,
            process_groups: processes.clone(),
        };
        if let Err(error) = self.journal.write(&entry) {
            tracing::warn!(%error, "the journal could not note a process");
        }
    }
}
