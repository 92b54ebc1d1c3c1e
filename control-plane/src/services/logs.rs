//! The logs of executions.
//!
//! Appending is idempotent by (attempt, offset). Of each attempt the first 10 MiB are kept, and after that the newest 1 MiB.

use std::time::Duration;

use dataguardian_core::execution::{ExecutionState, Fence};
use dataguardian_core::ids::{AgentId, ExecutionId};

use super::{Context, Error, lookup};
use crate::domain::field::BadField;
use crate::domain::logs::{Append, KEPT_HEAD, KEPT_TAIL, LogChunk, LogLine, MAX_LINES, left_out, place};
use crate::queue::{Listener, Signal};
use crate::store::attempts::{attempt_get, attempt_is_last, attempt_log_grow_in_tx};
use crate::store::executions::execution_get;
use crate::store::logs::{LogPart, log_insert_in_tx, log_read, log_trim_tail_in_tx};

/// A lost signal costs at most this.
const PASS: Duration = Duration::from_secs(5);
/// Batches that are read at a time.
const READ_BATCHES: u64 = 1;

/// The logs of executions.
#[derive(Debug, Clone)]
pub struct Logs {
    context: Context,
}

impl Logs {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// Adds lines from number `offset` (within the attempt) on. Gives the number of the line that is wanted next: lines that
    /// are there already are passed over, and none is stored after a gap. Also right after the attempt's end its last lines
    /// are taken.
    pub async fn append(
        &self,
        agent: AgentId,
        fence: Fence,
        offset: u64,
        mut lines: Vec<LogLine>,
    ) -> Result<u64, Error> {
        if lines.len() > MAX_LINES {
            return Err(BadField::new("lines", format!("has more than {MAX_LINES} lines")).into());
        }
        let tx = self.context.store.begin().await?;
        let execution = execution_get(&tx, fence.execution).await?;
        let own = execution
            .as_ref()
            .is_some_and(|execution| execution.agent == agent);
        let begun = match execution.map(|execution| execution.state) {
            Some(ExecutionState::Leased) if own => {
                self.context.begin_if_leased_in_tx(&tx, agent, fence).await?
            }
            _ => None,
        };
        let attempt = attempt_get(&tx, fence).await?.filter(|_| own);
        let attempt = attempt.ok_or(Error::StaleFence)?;
        if !attempt_is_last(&tx, fence).await? {
            return Err(Error::StaleFence);
        }
        let Append::Skip(skip) = place(offset, lines.len(), attempt.log_lines) else {
            return Ok(attempt.log_lines);
        };
        let lines: Vec<_> = lines.drain(skip..).map(LogLine::kept).collect();
        let (count, bytes) = (lines.len() as u64, lines.iter().map(LogLine::weight).sum());
        if !attempt_log_grow_in_tx(&tx, fence, attempt.log_lines, count, bytes).await? {
            // The same lines came twice at the same time: the agent asks again from where the log is then.
            return Ok(attempt.log_lines);
        }
        let chunk = LogChunk {
            offset: attempt.log_first_line + attempt.log_lines,
            lines,
        };
        let part = if attempt.log_bytes < KEPT_HEAD {
            LogPart::Head
        } else {
            LogPart::Tail
        };
        log_insert_in_tx(&tx, fence.execution, fence.attempt, part, &chunk).await?;
        if part == LogPart::Tail {
            log_trim_tail_in_tx(&tx, fence.execution, fence.attempt, KEPT_TAIL).await?;
        }
        tx.commit().await?;
        if let Some(execution) = &begun {
            self.context.changed(execution);
        }
        self.context.signal(Signal::LogsAppended(fence.execution));
        Ok(attempt.log_lines + count)
    }

    /// Follows a log from line number `offset` (over all attempts) on.
    pub async fn tail(&self, execution: ExecutionId, offset: u64, follow: Follow) -> Result<Tail, Error> {
        let listener = self.context.queue.listen();
        lookup::execution(&self.context.store, execution).await?;
        Ok(Tail {
            context: self.context.clone(),
            execution,
            offset,
            follow,
            listener,
            ended: false,
        })
    }
}

/// Whether a tail waits for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// It ends where the log ends now.
    No,
    /// It ends where the log of the ended execution ends.
    UntilEnded,
}

/// Follows one log.
#[derive(Debug)]
pub struct Tail {
    context: Context,
    execution: ExecutionId,
    offset: u64,
    follow: Follow,
    listener: Listener,
    ended: bool,
}

impl Tail {
    /// The next lines; none at the end. Where lines were not kept, one says how many, under the number of the last of them.
    /// Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<LogChunk>, Error> {
        loop {
            let store = &self.context.store;
            let found = log_read(store, self.execution, self.offset, READ_BATCHES).await?;
            if let Some(chunk) = found.into_iter().next() {
                if let Some(gap) = left_out(self.offset, &chunk) {
                    self.offset = gap.end();
                    return Ok(Some(gap));
                }
                self.offset = chunk.end();
                return Ok(Some(chunk));
            }
            if self.ended || self.follow == Follow::No {
                return Ok(None);
            }
            // Once it has ended the log is read once more: its last lines came before its end.
            self.ended = lookup::execution(store, self.execution)
                .await?
                .state
                .is_terminal();
            if !self.ended {
                let (logs, change) = (
                    Signal::LogsAppended(self.execution),
                    Signal::ExecutionChanged(self.execution),
                );
                self.listener
                    .wait_for(PASS, |signal| signal == logs || signal == change)
                    .await;
            }
        }
    }
}
