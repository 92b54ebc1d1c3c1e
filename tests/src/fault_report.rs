//! `target/faults.md`: what each fault came to, written by the tests that cause them, while they run.
//!
//! Tests run in processes of their own, several at once. Each writes its section as JSON below `target/faults`, and then the
//! whole report from all sections. So the report is there whatever fails, and a run of one test renews its own section only.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// What one fault came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What was done.
    pub fault: String,
    /// The state that it ended in, with its reason.
    pub outcome: String,
    /// From the fault to the end, in seconds.
    pub seconds: f64,
    /// What the next run came to.
    pub next_run: String,
}

/// The faults of one test.
#[derive(Debug)]
pub struct Section {
    file: PathBuf,
    contents: Contents,
}

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    title: String,
    at: String,
    lines: Vec<Line>,
}

impl Section {
    /// An empty section; what an earlier run wrote under this title is gone.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn begin(title: &str) -> Result<Self> {
        Self::begin_part(title, "")
    }

    /// An empty part of a section that several tests write, each its own part.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn begin_part(title: &str, part: &str) -> Result<Self> {
        let folder = target()?.join("faults");
        fs::create_dir_all(&folder)?;
        let name: String = format!("{title} {part}")
            .trim()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let section = Self {
            file: folder.join(format!("{name}.json")),
            contents: Contents {
                title: title.to_owned(),
                at: now(),
                lines: Vec::new(),
            },
        };
        section.write()?;
        Ok(section)
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn add(&mut self, line: Line) -> Result<()> {
        eprintln!(
            "{}: {} → {} after {:.1} s, next run {}",
            self.contents.title, line.fault, line.outcome, line.seconds, line.next_run
        );
        self.contents.lines.push(line);
        self.write()
    }

    fn write(&self) -> Result<()> {
        fs::write(&self.file, serde_json::to_vec_pretty(&self.contents)?)?;
        let folder = self.file.parent().context("the report's folder")?;
        write_report(folder)
    }
}

impl Line {
    /// A line for something that went as it should.
    #[must_use]
    pub fn new(
        fault: impl Into<String>,
        outcome: impl Into<String>,
        took: Duration,
        next_run: impl Into<String>,
    ) -> Self {
        Self {
            fault: fault.into(),
            outcome: outcome.into(),
            seconds: took.as_secs_f64(),
            next_run: next_run.into(),
        }
    }
}

/// Writes the report from all sections, one writer at a time.
fn write_report(folder: &Path) -> Result<()> {
    let lock = File::options()
        .create(true)
        .append(true)
        .open(folder.join("lock"))?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    let mut sections = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        // A section that somebody is just writing will write the report again.
        if path.extension().is_some_and(|extension| extension == "json")
            && let Ok(section) = serde_json::from_slice::<Contents>(&fs::read(&path)?)
        {
            sections.push(section);
        }
    }
    sections.sort_by_key(|section: &Contents| {
        let first = section.lines.first().map(|line| line.fault.clone());
        (section.title.clone(), first)
    });
    fs::write(folder.with_extension("md"), render(&sections))?;
    Ok(())
}

fn render(sections: &[Contents]) -> String {
    let mut text = "# Faults, and what became of them\n\nWritten by the tests. The time runs from the fault to the end of what it hit.\n".to_owned();
    let mut title = "";
    for section in sections {
        if section.title != title {
            title = &section.title;
            text.push_str(&format!("\n## {title} ({})\n\n", section.at));
            text.push_str("| fault | state and reason | time | next run |\n|---|---|---:|---|\n");
        }
        for line in &section.lines {
            let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
            text.push_str(&format!(
                "| {} | {} | {:.1} s | {} |\n",
                cell(&line.fault),
                cell(&line.outcome),
                line.seconds,
                cell(&line.next_run)
            ));
        }
    }
    text
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

#[expect(clippy::disallowed_methods, reason = "the report says when it was written")]
fn now() -> String {
    chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_become_one_report() {
        let section = |title: &str, fault: &str| Contents {
            title: title.to_owned(),
            at: "today".to_owned(),
            lines: vec![Line::new(
                fault,
                "failed (X | Y)",
                Duration::from_millis(1500),
                "completed",
            )],
        };
        let folder = tempfile::tempdir().unwrap();
        let faults = folder.path().join("faults");
        fs::create_dir(&faults).unwrap();
        for (name, contents) in [
            ("b.json", section("Second", "two")),
            ("a.json", section("First", "one")),
        ] {
            fs::write(faults.join(name), serde_json::to_vec(&contents).unwrap()).unwrap();
        }
        fs::write(faults.join("c.json"), "half a se").unwrap();
        write_report(&faults).unwrap();
        let report = fs::read_to_string(folder.path().join("faults.md")).unwrap();
        let (first, second) = (
            report.find("## First").unwrap(),
            report.find("## Second").unwrap(),
        );
        assert!(first < second);
        assert!(
            report.contains("| one | failed (X \\| Y) | 1.5 s | completed |"),
            "{report}"
        );
    }
}
