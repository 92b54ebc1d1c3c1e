//! How answers reach standard output: as a table for people, as one JSON message for programs.

pub(crate) mod execution;
pub(crate) mod findings;
pub(crate) mod health;
pub(crate) mod json;
pub(crate) mod restored;
pub(crate) mod schedule;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod verification;

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;

use self::json::Reply;
use self::table::Look;
use crate::error::{Error, Result};
use crate::paging::Page;

/// For whom the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables, for people.
    Table,
    /// The API's message in proto3 JSON, for programs.
    Json,
}

/// Standard output, and how it wants to be written to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
    look: Look,
}

impl Output {
    /// Standard output as it is: its width, whether it has colours.
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            look: Look::detect(),
        }
    }

    /// For whom the output is.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// What the place of output can show.
    pub(crate) fn look(&self) -> Look {
        self.look
    }

    /// One answer: the message itself for programs, `text` of it for people.
    pub(crate) fn show<R: Reply>(&self, reply: &R, text: impl FnOnce(&R, Look) -> String) -> Result<()> {
        match self.format {
            Format::Json => self.line(&json::pretty(reply)?),
            Format::Table => self.line(text(reply, self.look).trim_end_matches('\n')),
        }
    }

    /// A list, with word of it where it was cut.
    pub(crate) fn page<P: Reply + Page>(
        &self,
        page: &P,
        text: impl FnOnce(&P, Look) -> String,
    ) -> Result<()> {
        self.show(page, text)?;
        if !page.next().is_empty() && self.format == Format::Table {
            eprintln!("There are more than these {}; --limit 0 shows all.", page.count());
        }
        Ok(())
    }

    /// One of many answers: on one line for programs.
    pub(crate) fn stream<R: Reply>(&self, reply: &R, text: impl FnOnce(&R, Look) -> String) -> Result<()> {
        match self.format {
            Format::Json => self.line(&json::compact(reply)?),
            Format::Table => self.line(text(reply, self.look).trim_end_matches('\n')),
        }
    }

    /// Writes lines; a reader that went away (`dgctl … | head`) ends the command quietly.
    pub(crate) fn line(&self, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
        written.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Error::OutputClosed,
            _ => Error::Terminal(error),
        })
    }
}

/// Whether progress can be drawn over itself.
pub(crate) fn progress_can_move() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Whether colours are welcome (<https://no-color.org>).
pub(crate) fn colours_are_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
