//! What an engine tells while it works: the stage it is in, and lines for the execution's log.

use std::fmt;

use dataguardian_core::size::ByteSize;

/// Whoever wants to know how far a dump or restore is. Called from several tasks; must not block.
pub trait Progress: Send + Sync {
    /// A stage has begun.
    fn stage(&self, stage: Stage);

    /// A line for the execution's log. Never holds a secret or a row's contents.
    fn log(&self, severity: Severity, line: &str);

    /// A process was started, the leader of a group of its own, that must not outlive the run.
    fn process_started(&self, _leader: u32) {}
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For the record.
    Info,
    /// Worth a look.
    Warning,
}

/// The stages of a dump or restore, in the order in which one database goes through them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Looking at the server: version, privileges, what is there.
    Probing,
    /// Reading what belongs to no database.
    Globals,
    /// Taking locks and the snapshot.
    Locking {
        /// The database.
        database: String,
    },
    /// Reading or creating what comes before the rows.
    Schema {
        /// The database.
        database: String,
    },
    /// Copying rows.
    Rows {
        /// The database.
        database: String,
        /// How many tables.
        tables: usize,
        /// The tables' size on the source's disk, in bytes; for a restore, the streams' length.
        bytes: u64,
    },
    /// Copying large objects.
    LargeObjects {
        /// The database.
        database: String,
    },
    /// Reading the part of the schema that comes after the rows.
    Finishing {
        /// The database.
        database: String,
    },
    /// Building indexes and constraints, gathering statistics.
    Indexing {
        /// The database.
        database: String,
    },
    /// Counting what was restored.
    Comparing {
        /// The database.
        database: String,
    },
    /// Putting the restored database in the place of the old one.
    Swapping {
        /// The database.
        database: String,
    },
}

/// How a stage shows that it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It moves bytes, rows or objects.
    Measured,
    /// It waits for locks, and has a limit of its own for that.
    Locking,
    /// It works inside the database server and moves nothing that could be counted here.
    Unmeasured,
}

impl Stage {
    /// How it shows that it goes on.
    pub const fn pace(&self) -> Pace {
        match self {
            Self::Locking { .. } => Pace::Locking,
            Self::Indexing { .. } | Self::Comparing { .. } => Pace::Unmeasured,
            Self::Probing
            | Self::Globals
            | Self::Schema { .. }
            | Self::Rows { .. }
            | Self::LargeObjects { .. }
            | Self::Finishing { .. }
            | Self::Swapping { .. } => Pace::Measured,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probing => f.write_str("probing the server"),
            Self::Globals => f.write_str("globals"),
            Self::Locking { database } => write!(f, "taking locks and the snapshot of {database}"),
            Self::Schema { database } => write!(f, "schema of {database}"),
            Self::Rows {
                database,
                tables,
                bytes,
                ..
            } => {
                let size = ByteSize::bytes(*bytes);
                write!(f, "rows of {tables} tables of {database}, about {size}")
            }
            Self::LargeObjects { database } => write!(f, "large objects of {database}"),
            Self::Finishing { database } => write!(f, "the rest of the schema of {database}"),
            Self::Indexing { database } => write!(f, "indexes, constraints and statistics of {database}"),
            Self::Comparing { database } => write!(f, "counting the rows of {database}"),
            Self::Swapping { database } => write!(f, "putting {database} in place"),
        }
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn stage(&self, _: Stage) {}
    fn log(&self, _: Severity, _: &str) {}
}
