//! Errors of the metadata database, told apart by type and code, never by their text.

use std::path::PathBuf;

use dataguardian_core::error_code::ErrorCode;
use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr};

/// The driver's error, kept for the log.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why the metadata database did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is such a row already.
    #[error("there is such an entry already")]
    AlreadyExists(#[source] Cause),
    /// A row that others name can't go, or a named row is not there.
    #[error("the entry is in use, or what it names is gone")]
    Referenced(#[source] Cause),
    /// The database is away or busy; trying again may help.
    #[error("the metadata database does not answer")]
    Unavailable(#[source] Cause),
    /// Its disk is full; trying again helps once somebody has made room.
    #[error("the disk of the metadata database is full")]
    Full(#[source] Cause),
    /// A row can't be what it should be.
    #[error("table {table} holds a value that can't be read: {reason}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A value does not fit the database.
    #[error("a value does not fit the database: {0}")]
    OutOfRange(&'static str),
    /// The URL is for no database that we know.
    #[error("the database URL must begin with sqlite:// or postgres://")]
    UnknownUrl,
    /// Another process uses the data directory.
    #[error("another process uses the data directory {}: SQLite means exactly one", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The data directory can't be used.
    #[error("the data directory {} can't be used", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The schema is older or newer than this version.
    #[error("the database schema lacks {missing} migrations: run `dataguardian migrate`")]
    OldSchema {
        /// How many migrations are missing.
        missing: usize,
    },
    /// The database is somebody else's.
    #[error(
        "the metadata database holds tables of somebody else, such as {one}: make one for the control plane alone (CREATE DATABASE \
         dataguardian) and name that in the URL"
    )]
    TablesOfOthers {
        /// One of them.
        one: String,
    },
    /// Something else that the driver says.
    #[error("the metadata database refuses")]
    Database(#[source] Cause),
}

impl StoreError {
    /// Its class.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::AlreadyExists(_) => ErrorCode::AlreadyExists,
            Self::Referenced(_) | Self::OldSchema { .. } | Self::TablesOfOthers { .. } => {
                ErrorCode::FailedPrecondition
            }
            Self::Unavailable(_) | Self::Full(_) | Self::Locked { .. } | Self::Directory { .. } => {
                ErrorCode::Unavailable
            }
            Self::OutOfRange(_) | Self::UnknownUrl => ErrorCode::InvalidArgument,
            Self::Unreadable { .. } => ErrorCode::DataLoss,
            Self::Database(_) => ErrorCode::Internal,
        }
    }

    /// A stable name in capitals for programs.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::AlreadyExists(_) => "ALREADY_EXISTS",
            Self::Referenced(_) => "IN_USE",
            Self::Unavailable(_) => "DATABASE_UNAVAILABLE",
            Self::Full(_) => "DATABASE_FULL",
            Self::Unreadable { .. } => "DATABASE_DAMAGED",
            Self::OutOfRange(_) => "OUT_OF_RANGE",
            Self::UnknownUrl => "DATABASE_URL",
            Self::Locked { .. } => "DATA_DIRECTORY_LOCKED",
            Self::Directory { .. } => "DATA_DIRECTORY",
            Self::OldSchema { .. } => "OLD_SCHEMA",
            Self::TablesOfOthers { .. } => "DATABASE_OF_OTHERS",
            Self::Database(_) => "DATABASE_ERROR",
        }
    }

    /// A row of `table` that can't be read.
    pub(super) fn unreadable(table: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Unreadable {
            table,
            reason: reason.to_string(),
        }
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        match classify(&error) {
            Class::Unique => Self::AlreadyExists(error.into()),
            Class::Foreign => Self::Referenced(error.into()),
            Class::Away => Self::Unavailable(error.into()),
            Class::Full => Self::Full(error.into()),
            Class::Other => Self::Database(error.into()),
        }
    }
}

enum Class {
    Unique,
    Foreign,
    Away,
    Full,
    Other,
}

fn classify(error: &DbErr) -> Class {
    match error {
        DbErr::ConnectionAcquire(_) => Class::Away,
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => classify_driver(error),
        DbErr::Conn(_) => Class::Away,
        _ => Class::Other,
    }
}

fn classify_driver(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Database(error) => match error.kind() {
            sqlx::error::ErrorKind::UniqueViolation => Class::Unique,
            sqlx::error::ErrorKind::ForeignKeyViolation => Class::Foreign,
            _ if error.code().is_some_and(|code| is_full(&code)) => Class::Full,
            _ if error.code().is_some_and(|code| passes(&code)) => Class::Away,
            _ => Class::Other,
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Class::Away,
        _ => Class::Other,
    }
}

/// SQLSTATE 53100 (disk_full) and SQLite's FULL (13).
fn is_full(code: &str) -> bool {
    ["53100", "13"].contains(&code)
}

/// SQLSTATE classes 08 (connection), 53 (resources), 57P (shutdown), 40 (rolled back: deadlock, serialization), and SQLite's
/// BUSY (5), LOCKED (6), IOERR (10), FULL (13) with their extended codes, which keep the primary code in the low byte.
fn passes(code: &str) -> bool {
    if code.len() == 5 && code.bytes().any(|byte| !byte.is_ascii_digit())
        || code.len() == 5 && !is_sqlite(code)
    {
        return ["08", "53", "57P", "40"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    code.parse::<u32>()
        .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 10 | 13))
}

/// SQLite's codes are small numbers without leading zeros; SQLSTATEs have five characters.
fn is_sqlite(code: &str) -> bool {
    !code.starts_with('0')
        && code
            .parse::<u32>()
            .is_ok_and(|code| code < 0x10000 && code.to_string().len() < 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_database_that_is_away() {
        assert!(is_full("53100") && is_full("13"));
        assert!(!is_full("53300") && !is_full("5") && !is_full("10"));
    }

    #[test]
    fn what_passes_is_known_by_its_code() {
        for away in [
            "08006", "53300", "57P01", "40P01", "40001", "5", "517", "13", "266",
        ] {
            assert!(passes(away), "{away}");
        }
        for stays in ["23505", "42601", "42P01", "1", "2067", "1299"] {
            assert!(!passes(stays), "{stays}");
        }
    }
}
