//! An attempt's log: lines gather here and go to the control plane in batches, in order, each exactly once.
//!
//! Logging never waits. If the control plane is away for long, the newest lines beyond the limit are left out and a line
//! says how many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dataguardian_core::clock::SharedClock;
use dataguardian_core::execution::Fence;
use dataguardian_proto::agent::v1;
use dataguardian_proto::convert;
use dataguardian_proto::v1::{LogLevel, LogLine};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::control_plane::{CallError, ControlPlane};

/// Lines that may wait.
const WAITING: usize = 20_000;
/// Lines in one call.
const BATCH: usize = 500;
/// The longest line, in bytes.
const LINE_LEN: usize = 4096;
/// How long lines gather before they are sent.
const GATHER: Duration = Duration::from_millis(300);

/// Where an attempt writes its log. Clones write to the same one.
#[derive(Debug, Clone)]
pub(crate) struct AttemptLog(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: SharedClock,
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<LogLine>,
    left_out: u64,
    closed: bool,
}

/// Lines on their way.
#[derive(Debug, Default)]
struct Sending {
    /// The number of the first of `lines`.
    offset: u64,
    lines: Vec<LogLine>,
}

impl Sending {
    /// The control plane wants the line of this number next. Tells whether that is any further than before.
    ///
    /// It may want one that it had already (its database was restored): that is gone here, and what follows takes its number.
    fn taken(&mut self, next: u64) -> bool {
        let stored = usize::try_from(next.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        self.lines.drain(..stored.min(self.lines.len()));
        let further = next > self.offset;
        self.offset = next;
        further
    }
}

impl AttemptLog {
    pub(crate) fn new(clock: SharedClock) -> Self {
        Self(Arc::new(Shared {
            clock,
            waiting: Mutex::default(),
            news: Notify::new(),
        }))
    }

    pub(crate) fn info(&self, message: impl Into<String>) {
        self.write(LogLevel::Info, message.into());
    }

    pub(crate) fn warn(&self, message: impl Into<String>) {
        self.write(LogLevel::Warn, message.into());
    }

    pub(crate) fn error(&self, message: impl Into<String>) {
        self.write(LogLevel::Error, message.into());
    }

    fn write(&self, level: LogLevel, mut message: String) {
        if message.len() > LINE_LEN {
            let cut = (0..=LINE_LEN)
                .rev()
                .find(|&at| message.is_char_boundary(at))
                .unwrap_or(0);
            message.truncate(cut);
            message.push('…');
        }
        let time = Some(convert::timestamp(self.0.clock.now()));
        let mut waiting = self.waiting();
        if waiting.lines.len() < WAITING {
            waiting.lines.push_back(LogLine {
                time,
                level: level.into(),
                message,
            });
        } else {
            waiting.left_out += 1;
        }
        drop(waiting);
        self.0.news.notify_one();
    }

    /// No line comes after this; [`Self::ship`] ends when all are sent.
    pub(crate) fn close(&self) {
        self.waiting().closed = true;
        self.0.news.notify_one();
    }

    /// Sends lines until the log is closed and empty, the fence is refused, or `give_up` fires. Lines stay in hand until the
    /// control plane says that it has them.
    pub(crate) async fn ship(self, control_plane: ControlPlane, fence: Fence, give_up: CancellationToken) {
        let mut sending = Sending::default();
        loop {
            if sending.lines.is_empty() {
                let (lines, closed) = self.take();
                if lines.is_empty() {
                    if closed {
                        return;
                    }
                    self.0.news.notified().await;
                    tokio::time::sleep(GATHER).await;
                    continue;
                }
                sending.lines = lines;
            }
            let request = v1::AppendLogsRequest {
                fence: Some(fence.into()),
                offset: sending.offset,
                lines: sending.lines.clone(),
            };
            let sent = control_plane
                .call(&give_up, |mut client| {
                    let request = request.clone();
                    async move { client.append_logs(request).await }
                })
                .await;
            match sent {
                Ok(reply) => {
                    if !sending.taken(reply.next_offset) {
                        tokio::time::sleep(GATHER).await;
                    }
                }
                Err(CallError::GivenUp) => return,
                Err(error) => {
                    tracing::warn!(execution.id = %fence.execution, %error, "log lines were refused");
                    return;
                }
            }
        }
    }

    fn take(&self) -> (Vec<LogLine>, bool) {
        let mut waiting = self.waiting();
        let count = waiting.lines.len().min(BATCH);
        let mut lines: Vec<_> = waiting.lines.drain(..count).collect();
        if waiting.lines.is_empty() && waiting.left_out > 0 {
            let message = format!(
                "{} lines were left out here",
                std::mem::take(&mut waiting.left_out)
            );
            let time = Some(convert::timestamp(self.0.clock.now()));
            lines.push(LogLine {
                time,
                level: LogLevel::Warn.into(),
                message,
            });
        }
        (lines, waiting.closed)
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataguardian_core::clock::SystemClock;
    use proptest::prelude::*;

    fn numbered(number: u64) -> LogLine {
        LogLine {
            message: number.to_string(),
            ..LogLine::default()
        }
    }

    proptest! {
        /// However much of each call arrives, and whether or not its answer does, each line is stored once, in its place.
        #[test]
        fn no_line_is_skipped_or_doubled(calls in prop::collection::vec((0_usize..6, any::<bool>()), 1..60)) {
            let mut stored: Vec<String> = Vec::new();
            let mut sending = Sending::default();
            let mut next = 0;
            for (arrives, answered) in calls {
                if sending.lines.is_empty() {
                    sending.lines = (next..next + 5).map(numbered).collect();
                    next += 5;
                }
                // The server takes a beginning of what is sent, and passes over what it has.
                let known = stored.len() - usize::try_from(sending.offset).unwrap();
                let taken = arrives.max(known).min(sending.lines.len());
                stored.extend(sending.lines[known.min(taken)..taken].iter().map(|line| line.message.clone()));
                if answered {
                    sending.taken(stored.len() as u64);
                }
            }
            let expected: Vec<_> = (0..stored.len()).map(|number| number.to_string()).collect();
            prop_assert_eq!(stored, expected);
        }
    }

    #[test]
    fn a_control_plane_that_lost_lines_goes_on_where_it_is() {
        let mut sending = Sending {
            offset: 10,
            lines: vec![numbered(10), numbered(11)],
        };
        assert!(!sending.taken(4));
        assert_eq!((sending.offset, sending.lines.len()), (4, 2));
        assert!(sending.taken(6));
        assert!(sending.lines.is_empty());
    }

    #[test]
    fn lines_beyond_the_limit_are_counted() {
        let log = AttemptLog::new(SystemClock::shared());
        for number in 0..WAITING + 7 {
            log.info(format!("line {number}"));
        }
        let mut all = Vec::new();
        loop {
            let (lines, _) = log.take();
            if lines.is_empty() {
                break;
            }
            all.extend(lines);
        }
        assert_eq!(all.len(), WAITING + 1);
        assert_eq!(all[WAITING].message, "7 lines were left out here");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        let log = AttemptLog::new(SystemClock::shared());
        log.info("ä".repeat(LINE_LEN));
        let (lines, _) = log.take();
        assert!(lines[0].message.len() <= LINE_LEN + 3);
    }
}
