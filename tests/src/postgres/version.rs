//! The major versions that the tests run against.

use std::{fmt, path::PathBuf};

use anyhow::Result;

use crate::cache;

/// A major version that `tests/parts/install.sh` provides. What each build can do is told at the top of that script.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// Debian's own: everything built in, all contrib extensions, the only one with TLS.
    V15,
    /// 16.2: no contrib extensions, no XML, and a `pg_dump` that does not know `--restrict-key`.
    V16,
    /// 18: most contrib extensions, no XML.
    V18,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 3] = [Self::V15, Self::V16, Self::V18];

    /// The number, such as 15.
    #[must_use]
    pub fn major(self) -> u32 {
        match self {
            Self::V15 => 15,
            Self::V16 => 16,
            Self::V18 => 18,
        }
    }

    /// The part that `tests/parts/install.sh` installs it as.
    #[must_use]
    pub fn part(self) -> String {
        format!("postgres-{}", self.major())
    }

    /// The folder of its programs.
    ///
    /// # Errors
    /// Says what to install if it is not there.
    pub fn bin_dir(self) -> Result<PathBuf> {
        Ok(cache::part(&self.part())?.join("bin"))
    }

    /// The folder of its data files, such as extensions.
    ///
    /// # Errors
    /// Says what to install if it is not there.
    pub fn share_dir(self) -> Result<PathBuf> {
        let below = match self {
            Self::V15 => "../../../share/postgresql/15",
            Self::V16 => "share/postgresql",
            Self::V18 => "share",
        };
        Ok(cache::part(&self.part())?.join(below))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgreSQL {}", self.major())
    }
}
