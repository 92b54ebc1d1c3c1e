//! `target/queue.md`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::calls::Measured;

/// What is written to `target/queue.md`.
pub(crate) struct Report(String);

impl Report {
    pub(crate) fn begin() -> Self {
        Self(
            "# The queue while Redis is away\n\nWritten by the test `redis`. Times in milliseconds.\n"
                .to_owned(),
        )
    }

    pub(crate) fn condition(&mut self, title: &str, measured: &[Measured]) -> Result<()> {
        let ms = |took: Duration| took.as_secs_f64() * 1e3;
        let text = &mut self.0;
        writeln!(
            text,
            "\n## {title}\n\n| call | answer | median | longest |\n|---|---|---:|---:|"
        )?;
        for line in measured {
            let (call, answer) = (line.call, &line.answer);
            let (median, longest) = (ms(line.median), ms(line.longest));
            writeln!(text, "| {call:?} | {answer} | {median:.1} | {longest:.1} |")?;
        }
        self.write()
    }

    pub(crate) fn say(&mut self, sentence: &str) -> Result<()> {
        writeln!(self.0, "\n{sentence}")?;
        self.write()
    }

    fn write(&self) -> Result<()> {
        std::fs::write(target()?.join("queue.md"), &self.0)?;
        Ok(())
    }
}

/// The build's target directory: the test's own program is in `target/PROFILE/deps`.
fn target() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    Ok(test
        .ancestors()
        .nth(3)
        .context("the target directory")?
        .to_owned())
}
