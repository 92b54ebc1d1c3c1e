//! What must hold of every history, whatever happened: read from the metadata database and the storages alone.
//!
//! Of the database: every execution's events follow the state machine, nothing follows an end, attempts only rise, no lease
//! comes twice, nobody works on one datasource at the same time, and a backup exists for each execution that completed and
//! for no other. Of the storages: at most one manifest per execution, each of an execution that was countersigned, and every
//! object that one names is there and unchanged.
//!
//! The checker knows the schema and the format, and nothing of the code that wrote them.

mod catalogue;
mod lives;
mod rows;
mod storages;

use std::path::PathBuf;

use anyhow::{Result, ensure};

use rows::History;

/// How things stand when the check is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Moment {
    /// Work may be going on.
    Busy,
    /// Whatever was begun should have ended.
    Quiet,
}

/// What is checked, and how strictly.
#[derive(Clone, Debug)]
pub struct Invariants {
    /// The metadata database: `sqlite://…` or `postgresql://…`.
    pub database: String,
    /// How things stand.
    pub moment: Moment,
    /// Backups that one agent may have at work at the same time.
    pub backups_per_agent: usize,
    /// Whether storages are looked into, where the database says that they are: not if those paths were made up.
    pub storages: Storages,
}

/// Which storages are looked into.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Storages {
    /// None.
    None,
    /// All but these folders, which the test has damaged on purpose.
    AllBut(Vec<PathBuf>),
}

impl Invariants {
    /// Everything, on a database, after whatever was begun has ended.
    #[must_use]
    pub fn of(database: &str) -> Self {
        Self {
            database: database.to_owned(),
            moment: Moment::Quiet,
            backups_per_agent: 1,
            storages: Storages::AllBut(Vec::new()),
        }
    }

    /// Everything that does not hold, in words.
    ///
    /// # Errors
    /// If the database or a storage can't be read.
    pub async fn violations(&self) -> Result<Vec<String>> {
        let history = History::read(&self.database).await?;
        let mut found = lives::violations(&history, self);
        found.extend(catalogue::violations(&history));
        if let Storages::AllBut(left_out) = &self.storages {
            for storage in history
                .storages
                .iter()
                .filter(|storage| !left_out.contains(&storage.path))
            {
                found.extend(storages::violations(&history, storage, self.moment).await?);
            }
        }
        Ok(found)
    }

    /// Checks everything.
    ///
    /// # Errors
    /// If something does not hold, with all that does not.
    pub async fn check(&self) -> Result<()> {
        let found = self.violations().await?;
        ensure!(
            found.is_empty(),
            "invariants are violated:\n  {}",
            found.join("\n  ")
        );
        Ok(())
    }
}
