//! Makes the agent a service of this host: its user, its folders, its unit, and the start.
//!
//! It can be done again at any time: what is there already is left as it is and told of, and what somebody has edited is never
//! overwritten unless they say so. Everything happens below a root, `/` or another system's (an image that is built), and only
//! `/` has a service manager that can be told to start something. Private keys are made by the agent's own user, never by root.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

mod account;
mod files;
mod service;
mod unit;

pub use account::{Account, USER};
pub use files::Layout;
pub use service::Manager;
pub use unit::UnitError;

/// What is to be made of this host.
#[derive(Debug)]
pub struct Installation {
    /// The system that is changed: `/`, or another one's root.
    pub root: PathBuf,
    /// Folders of local storages, to be made and to be written to.
    pub storage_dirs: Vec<PathBuf>,
    /// Whether to do it or to say what would be done.
    pub way: Way,
    /// What becomes of a unit that somebody has edited.
    pub edited: Edited,
}

/// Whether things are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They are.
    Do,
    /// Only what would be done is said.
    Tell,
}

/// What becomes of files that somebody has edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    /// They stay.
    Keep,
    /// They are replaced.
    Replace,
}

/// One thing that was seen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What became of it.
    pub outcome: Outcome,
    /// Which thing, and what there is to say of it.
    pub what: String,
}

/// What became of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was made or changed.
    Done,
    /// It was as it should be.
    Present,
    /// It is otherwise than it should be, and stays so until a person sees to it.
    Left,
}

/// The host can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// Only root may change the system.
    #[error("setting up a service needs root: put `sudo` in front, or look at it with --dry-run")]
    NotRoot,
    /// A file or folder can't be made, read or written.
    #[error("{} can't be made or read", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder can't be named in a unit.
    #[error(transparent)]
    Unit(#[from] UnitError),
    /// A program of the system failed.
    #[error("`{program}` failed: {said}")]
    Program {
        /// What was run.
        program: String,
        /// What it said.
        said: String,
    },
    /// The user was made and can't be found.
    #[error(
        "the user {USER} is not in the system's list of users although it was made: make it by hand, and run this again"
    )]
    NoUser,
}

impl Installation {
    /// Where things are.
    pub fn layout(&self) -> Layout {
        Layout::below(&self.root)
    }

    /// Whether the system is the one that runs here.
    pub fn is_this_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Makes sure that this process may do it.
    ///
    /// # Errors
    /// [`InstallError::NotRoot`].
    pub fn permitted(&self) -> Result<(), InstallError> {
        if self.way == Way::Tell || !self.is_this_host() || geteuid().is_root() {
            return Ok(());
        }
        Err(InstallError::NotRoot)
    }

    /// Program, user, folders and configuration: what enrolling needs.
    ///
    /// # Errors
    /// At the first thing that can't be made.
    pub fn prepare(&self, program: &Path) -> Result<(Account, Vec<Step>), InstallError> {
        let layout = self.layout();
        let mut steps = vec![layout.install_program(program, self.way)?];
        let (account, step) = Account::ensure(&self.root, self.way)?;
        steps.push(step);
        steps.push(layout.ensure_folder(&layout.state_dir(), 0o700, &account, self.way)?);
        steps.push(layout.ensure_config(&self.storage_dirs, self.way)?);
        for folder in &self.storage_dirs {
            let place = layout.at(folder);
            steps.push(layout.ensure_folder(&place, 0o700, &account, self.way)?);
        }
        Ok((account, steps))
    }

    /// The unit, and what lets it write to the folders of local storages.
    ///
    /// # Errors
    /// If one can't be read or written.
    pub fn write_units(&self) -> Result<Vec<Step>, InstallError> {
        let layout = self.layout();
        let mut steps = vec![self.write_unit(&layout)?];
        for folder in &self.storage_dirs {
            let path = layout.drop_in(folder);
            steps.push(layout.put(&path, &unit::drop_in(folder)?, self.way, self.edited)?);
        }
        Ok(steps)
    }

    fn write_unit(&self, layout: &Layout) -> Result<Step, InstallError> {
        if let (Some(packaged), false) = (layout.packaged_unit(), layout.unit().exists()) {
            return Ok(Step {
                outcome: Outcome::Present,
                what: format!("unit {}, from the package", packaged.display()),
            });
        }
        layout.put(&layout.unit(), &self.unit(), self.way, self.edited)
    }

    /// The unit as it would be written.
    pub fn unit(&self) -> String {
        unit::service(&self.layout().program_inside())
    }

    /// Takes the service away; what it has backed up and who it is stay.
    ///
    /// # Errors
    /// If a file can't be removed or the service can't be stopped.
    pub fn remove(&self) -> Result<Vec<Step>, InstallError> {
        let layout = self.layout();
        let manager = Manager::of(self);
        let mut steps = manager.stop_and_disable(self.way)?;
        for path in layout.units()? {
            steps.push(layout.take_away(&path, self.way, self.edited)?);
        }
        steps.extend(manager.reload(self.way)?);
        Ok(steps)
    }
}

impl Step {
    fn new(outcome: Outcome, what: impl Into<String>) -> Self {
        Self {
            outcome,
            what: what.into(),
        }
    }

    /// Whether anything was changed.
    pub fn is_done(&self) -> bool {
        self.outcome == Outcome::Done
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.outcome {
            Outcome::Done => "done",
            Outcome::Present => "there",
            Outcome::Left => "LEFT",
        };
        write!(f, "  {mark:<6} {}", self.what)
    }
}
