//! How answers reach standard output: as a table for people, as one message in JSON or YAML for programs.

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
use serde::Serialize;

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
    /// The same fields in the same shape, as YAML.
    Yaml,
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
            Format::Yaml => self.line(json::yaml(reply)?.trim_end_matches('\n')),
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
            // Documents of one stream.
            Format::Yaml => self.line(&format!("---\n{}", json::yaml(reply)?.trim_end_matches('\n'))),
            Format::Table => self.line(text(reply, self.look).trim_end_matches('\n')),
        }
    }

    /// An answer for programs that is no message of the API.
    pub(crate) fn value(&self, value: &impl Serialize) -> Result<()> {
        match self.format {
            Format::Yaml => self.line(json::yaml_of(value)?.trim_end_matches('\n')),
            Format::Json | Format::Table => {
                let json =
                    serde_json::to_string_pretty(value).map_err(|error| Error::Json(error.to_string()))?;
                self.line(&json)
            }
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
