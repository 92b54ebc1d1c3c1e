//! What an error of the driver means. Decided by SQLSTATE and by types, never by a text.
//!
//! Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>. A server's DETAIL and CONTEXT may quote rows, so
//! only its message and hint are handed on.

use std::io;

use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::postgres::PgDatabaseError;

pub(super) use crate::engines::failure::{cancelled, local};

/// The relation that was named is not there (any more).
pub(super) const UNDEFINED_TABLE: &str = "42P01";
/// The schema that was named is not there (any more).
pub(super) const INVALID_SCHEMA: &str = "3F000";
/// A lock could not be had in time, or at once.
pub(super) const LOCK_NOT_AVAILABLE: &str = "55P03";
/// Two sessions wait for each other, and this one gives way.
pub(super) const DEADLOCK_DETECTED: &str = "40P01";
/// A privilege is missing.
pub(super) const INSUFFICIENT_PRIVILEGE: &str = "42501";
/// The object is in use: a database with sessions, say.
pub(super) const OBJECT_IN_USE: &str = "55006";
/// A check said no, or a row does not belong to the partition.
pub(super) const CHECK_VIOLATION: &str = "23514";
/// A database of that name exists.
pub(super) const DUPLICATE_DATABASE: &str = "42P04";
/// The other side does not take what was said. Poolers say so of settings that come with a connection.
const PROTOCOL_VIOLATION: &str = "08P01";

/// An error while a connection was being made. `what` names server and database.
pub(super) fn connecting(what: &str, error: &sqlx::Error) -> Failure {
    let kind = match error {
        sqlx::Error::Database(_) => match code(error).as_deref() {
            Some(PROTOCOL_VIOLATION) => return refused_settings(what, error),
            Some(state) if state.starts_with("08") || state.starts_with("57P") || state.starts_with("53") => {
                FailureKind::DatabaseUnreachable
            }
            Some(state) => kind_of(state),
            None => FailureKind::DatabaseError,
        },
        sqlx::Error::Tls(_) => FailureKind::DatabaseTls,
        sqlx::Error::Io(io) if is_tls(io) => FailureKind::DatabaseTls,
        sqlx::Error::Configuration(_) => FailureKind::DatabaseError,
        _ => FailureKind::DatabaseUnreachable,
    };
    Failure::new(kind, format!("{what}: {}", told(error)))
}

/// PostgreSQL itself takes every setting that we send; PgBouncer takes none that it does not know.
fn refused_settings(what: &str, error: &sqlx::Error) -> Failure {
    let message = format!(
        "{what}: {}; if a connection pooler is in between, name the server itself: the sessions of a backup share a \
         snapshot and have settings of their own, which a pooler does not hand on",
        told(error)
    );
    Failure::new(FailureKind::DatabaseError, message)
}

/// An error on a connection in use. `what` names the statement's purpose.
pub(super) fn working(what: &str, error: &sqlx::Error) -> Failure {
    let kind = match error {
        sqlx::Error::Database(_) => code(error).as_deref().map_or(FailureKind::DatabaseError, kind_of),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
            FailureKind::DatabaseConnectionLost
        }
        _ => FailureKind::DatabaseError,
    };
    Failure::new(kind, format!("{what}: {}", told(error)))
}

/// [`working`], for `map_err`.
pub(super) fn at(what: &str) -> impl Fn(sqlx::Error) -> Failure + '_ {
    move |error| working(what, &error)
}

/// The SQLSTATE, if the server sent the error.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(|code| code.into_owned())
}

/// Whether the server sent the error with this SQLSTATE.
pub(super) fn is(error: &sqlx::Error, state: &str) -> bool {
    code(error).as_deref() == Some(state)
}

/// The kind that an SQLSTATE belongs to.
fn kind_of(state: &str) -> FailureKind {
    match state {
        "3D000" => FailureKind::DatabaseMissing,
        INSUFFICIENT_PRIVILEGE => FailureKind::DatabasePrivilege,
        LOCK_NOT_AVAILABLE | DEADLOCK_DETECTED => FailureKind::DatabaseLockTimeout,
        // Our dumps only read, so the one serialisation failure that they can meet is a standby's recovery conflict.
        "40001" => FailureKind::DatabaseStandbyConflict,
        // Cancelled or shut down by somebody else: we set no time-out of our own.
        "57014" | "57P01" | "57P02" | "57P05" | "25P03" | "25P04" => FailureKind::DatabaseConnectionLost,
        "57P03" | "53300" => FailureKind::DatabaseUnreachable,
        _ if state.starts_with("28") => FailureKind::DatabaseAuthentication,
        _ if state.starts_with("08") => FailureKind::DatabaseConnectionLost,
        _ => FailureKind::DatabaseError,
    }
}

/// The server's message and hint, or the driver's own words.
fn told(error: &sqlx::Error) -> String {
    let Some(database) = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
    else {
        return error.to_string();
    };
    let mut told = format!("{} (SQLSTATE {})", database.message(), database.code());
    if let Some(hint) = database.hint() {
        told.push_str("; hint: ");
        told.push_str(hint);
    }
    told
}

fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_kinds() {
        use FailureKind as K;
        let table = [
            ("28P01", K::DatabaseAuthentication),
            ("28000", K::DatabaseAuthentication),
            ("3D000", K::DatabaseMissing),
            ("42501", K::DatabasePrivilege),
            ("55P03", K::DatabaseLockTimeout),
            ("40001", K::DatabaseStandbyConflict),
            ("57P01", K::DatabaseConnectionLost),
            ("08006", K::DatabaseConnectionLost),
            ("57P03", K::DatabaseUnreachable),
            ("XX001", K::DatabaseError),
        ];
        for (state, kind) in table {
            assert_eq!(kind_of(state), kind, "{state}");
        }
    }

    #[test]
    fn a_refused_connection_is_unreachable_and_a_broken_one_is_lost() {
        let error = || sqlx::Error::Io(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(connecting("db", &error()).kind, FailureKind::DatabaseUnreachable);
        assert_eq!(
            working("copy", &error()).kind,
            FailureKind::DatabaseConnectionLost
        );
    }

    #[test]
    fn a_bad_certificate_is_a_matter_of_tls() {
        let inner = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = sqlx::Error::Io(io::Error::new(io::ErrorKind::InvalidData, inner));
        assert_eq!(connecting("db", &error).kind, FailureKind::DatabaseTls);
    }
}
