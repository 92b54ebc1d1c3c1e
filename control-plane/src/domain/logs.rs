//! The log of an execution: numbered lines, the beginning and the end of which are kept.
//!
//! Lines are counted from 0 within an attempt by the agent, and from 0 over all attempts by readers. What is appended again
//! is passed over; a gap is not filled: the agent is told which line is wanted next.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::text;

/// So many bytes from the beginning of an attempt's log are kept.
pub const KEPT_HEAD: u64 = 10 << 20;
/// After that, so many bytes from its end.
pub const KEPT_TAIL: u64 = 1 << 20;
/// The most lines in one append.
pub const MAX_LINES: usize = 10_000;
/// The most bytes of one line that are kept.
pub const MAX_LINE: usize = 16 << 10;

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What goes on.
    Info,
    /// What somebody should look at.
    Warn,
    /// What failed.
    Error,
}

/// A line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, by the agent's clock.
    pub time: DateTime<Utc>,
    /// How much it matters.
    pub level: LogLevel,
    /// What.
    pub message: String,
}

impl LogLine {
    /// What is kept of a line.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.message = text::kept(&self.message, MAX_LINE);
        self.time = text::kept_time(self.time);
        self
    }

    /// How much it counts against the limits, in bytes.
    pub fn weight(&self) -> u64 {
        self.message.len() as u64 + 48
    }
}

/// Consecutive lines of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// The number of the first line, over all attempts. Greater than asked for where lines were not kept.
    pub offset: u64,
    /// The lines.
    pub lines: Vec<LogLine>,
}

impl LogChunk {
    /// The number of the line after these.
    pub fn end(&self) -> u64 {
        self.offset + self.lines.len() as u64
    }
}

/// The line that stands for those that were not kept before `next`, where `wanted` was to come. It takes the number of the last
/// of them, so that every number is given once and whoever goes on reads on where he was.
pub fn left_out(wanted: u64, next: &LogChunk) -> Option<LogChunk> {
    let count = next.offset.checked_sub(wanted).filter(|count| *count > 0)?;
    let first = next.lines.first()?;
    let message = format!(
        "{count} lines were left out here: of an attempt's log the first {} MiB and the newest {} MiB are kept",
        KEPT_HEAD >> 20,
        KEPT_TAIL >> 20
    );
    Some(LogChunk {
        offset: next.offset - 1,
        lines: vec![LogLine {
            time: first.time,
            level: LogLevel::Warn,
            message,
        }],
    })
}

/// What to do with an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// Everything in it is there already.
    Known,
    /// Lines are missing before it.
    Gap,
    /// Store it without its first so many lines, which are there already.
    Skip(usize),
}

/// Compares an append of `count` lines from number `offset` on with the number that is wanted next.
pub fn place(offset: u64, count: usize, wanted: u64) -> Append {
    if offset > wanted {
        return Append::Gap;
    }
    match usize::try_from(wanted - offset) {
        Ok(skip) if skip < count => Append::Skip(skip),
        Ok(_) | Err(_) => Append::Known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_passed_over() {
        assert_eq!(place(0, 5, 0), Append::Skip(0));
        assert_eq!(place(0, 5, 3), Append::Skip(3));
        assert_eq!(place(0, 5, 5), Append::Known);
        assert_eq!(place(0, 5, 9), Append::Known);
        assert_eq!(place(6, 5, 5), Append::Gap);
        assert_eq!(place(5, 0, 5), Append::Known);
        assert_eq!(place(u64::MAX, 1, 5), Append::Gap);
    }
}
