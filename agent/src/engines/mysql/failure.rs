//! What an error of the server or of a client program means. Decided by the server's numbers and by types, never by words.
//!
//! Numbers: <https://dev.mysql.com/doc/mysql-errors/8.4/en/>, <https://mariadb.com/kb/en/mariadb-error-code-reference/>.

use std::io;

use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::mysql::MySqlDatabaseError;

pub(super) use crate::engines::failure::{cancelled, local};

/// A database of that name exists.
pub(super) const DATABASE_EXISTS: u16 = 1007;
/// The connection that is to be ended is gone.
pub(super) const NO_SUCH_THREAD: u16 = 1094;
/// The account that is asked about is not known: the server's tables have it and the server itself does not.
pub(super) const ACCOUNT_UNKNOWN: [u16; 3] = [1133, 1141, 1396];
/// Numbers whose messages quote values of rows, or the statement.
const QUOTING: [u16; 10] = [1062, 1064, 1264, 1265, 1292, 1366, 1367, 1411, 3140, 4025];

/// An error while a connection was being made. `what` names the server.
pub(super) fn connecting(what: &str, error: &sqlx::Error) -> Failure {
    let kind = match error {
        sqlx::Error::Database(_) => number(error).map_or(FailureKind::DatabaseError, kind_of),
        sqlx::Error::Tls(_) => FailureKind::DatabaseTls,
        sqlx::Error::Io(io) if is_tls(io) => FailureKind::DatabaseTls,
        sqlx::Error::Configuration(_) => FailureKind::DatabaseError,
        // The driver does not know the plug-in that the server asks for.
        sqlx::Error::Protocol(_) => FailureKind::DatabaseAuthentication,
        _ => FailureKind::DatabaseUnreachable,
    };
    Failure::new(kind, format!("{what}: {}", told(error)))
}

/// An error on a connection in use. `what` names the statement's purpose.
pub(super) fn working(what: &str, error: &sqlx::Error) -> Failure {
    let kind = match error {
        sqlx::Error::Database(_) => number(error).map_or(FailureKind::DatabaseError, kind_of),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) | sqlx::Error::WorkerCrashed => {
            FailureKind::DatabaseConnectionLost
        }
        _ => FailureKind::DatabaseError,
    };
    Failure::new(kind, format!("{what}: {}", told(error)))
}

/// The server's number, if it sent the error.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    let database = error.as_database_error()?;
    database
        .try_downcast_ref::<MySqlDatabaseError>()
        .map(MySqlDatabaseError::number)
}

/// A client program that ended badly: the number in its words says why, if there is one.
pub(super) fn of_client(failure: Failure) -> Failure {
    if failure.kind != FailureKind::ClientFailed {
        return failure;
    }
    let failure = Failure::new(failure.kind, without_statement(&failure.message));
    let Some(number) = number_in(&failure.message) else {
        return failure;
    };
    let kind = match kind_of(number) {
        FailureKind::DatabaseError => FailureKind::ClientFailed,
        kind => kind,
    };
    let message = if QUOTING.contains(&number) {
        without_quotes(&failure.message)
    } else {
        failure.message
    };
    Failure::new(kind, message)
}

/// MariaDB's client shows the statement that failed between two lines of dashes, rows and all.
fn without_statement(message: &str) -> String {
    const DASHES: &str = "--------------";
    match (message.split_once(DASHES), message.rsplit_once(DASHES)) {
        (Some((before, _)), Some((_, after))) => format!(
            "{} {}",
            before.trim_end(),
            after.trim_start_matches("; ").trim_end()
        ),
        _ => message.to_owned(),
    }
}

/// What a dump's client program says while others change the tables under it: gone, or not what they were.
pub(super) fn of_dump(failure: Failure) -> Failure {
    match number_in(&failure.message) {
        Some(1412 | 1146 | 1049 | 1051) if failure.kind == FailureKind::ClientFailed => Failure::new(
            FailureKind::DatabaseSchemaChanged,
            format!(
                "a table was altered, truncated, renamed or dropped during the dump: {}",
                failure.message
            ),
        ),
        _ => of_client(failure),
    }
}

/// The kind that a number belongs to.
fn kind_of(number: u16) -> FailureKind {
    match number {
        1045 | 1130 | 1251 | 1524 | 1698 | 1820 | 1862 | 2054 | 2059 | 2061 | 3118 | 4151 => {
            FailureKind::DatabaseAuthentication
        }
        1044 | 1095 | 1142 | 1143 | 1227 | 1370 | 1410 | 1419 | 3530 => FailureKind::DatabasePrivilege,
        1049 => FailureKind::DatabaseMissing,
        1205 | 1213 | 3572 => FailureKind::DatabaseLockTimeout,
        1412 => FailureKind::DatabaseSchemaChanged,
        1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1317 | 1927 | 2006 | 2013 | 2055 | 3032 | 3169 | 4031 => {
            FailureKind::DatabaseConnectionLost
        }
        1040 | 1203 | 1226 | 2002 | 2003 | 2005 => FailureKind::DatabaseUnreachable,
        2026 | 3159 => FailureKind::DatabaseTls,
        _ => FailureKind::DatabaseError,
    }
}

/// `Got error: 1045:`, `Error 1412:`, `ERROR 1064 (42000)`, or `(1142)` at the end.
fn number_in(words: &str) -> Option<u16> {
    let lower = words.to_ascii_lowercase();
    for (at, _) in lower.match_indices("error") {
        let rest = lower[at + 5..].trim_start_matches([':', ' ']);
        if let Some(number) = leading_number(rest) {
            return Some(number);
        }
    }
    let inner = words.trim_end().strip_suffix(')')?.rsplit_once('(')?.1;
    leading_number(inner)
}

fn leading_number(text: &str) -> Option<u16> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end >= 4).then(|| text[..end].parse().ok()).flatten()
}

/// The message without what it puts in quotes.
fn without_quotes(message: &str) -> String {
    let mut kept = String::new();
    let mut parts = message.split('\'');
    kept.push_str(parts.next().unwrap_or_default());
    let rest: Vec<&str> = parts.collect();
    if rest.len() < 2 {
        return kept + "'…'";
    }
    // From the first quote to the last one: a value may hold quotes of its own.
    kept + "'…'" + rest.last().copied().unwrap_or_default()
}

fn told(error: &sqlx::Error) -> String {
    let database = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    match database {
        Some(database) if QUOTING.contains(&database.number()) => {
            format!(
                "{} (error {})",
                without_quotes(database.message()),
                database.number()
            )
        }
        Some(database) => format!("{} (error {})", database.message(), database.number()),
        None => error.to_string(),
    }
}

fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_numbers_are_read() {
        for (words, number) in [
            (
                "mysqldump ended with status 2: mysqldump: Got error: 1045: Access denied for user",
                Some(1045),
            ),
            (
                "mariadb-dump: Error 1412: Table definition has changed, please retry transaction",
                Some(1412),
            ),
            (
                "ERROR 1064 (42000) at line 3: You have an error in your SQL syntax near 'x'",
                Some(1064),
            ),
            (
                "mysqldump: Couldn't execute 'SHOW STATUS': SELECT command denied to user (1142)",
                Some(1142),
            ),
            ("mysqldump was ended by signal 9: it said nothing", None),
        ] {
            assert_eq!(number_in(words), number, "{words}");
        }
    }

    #[test]
    fn values_of_rows_are_not_told() {
        let failure = Failure::new(
            FailureKind::ClientFailed,
            "mysql ended with status 1: ERROR 1062 (23000) at line 2: Duplicate entry 'it's secret' for key 't.PRIMARY'",
        );
        let told = of_client(failure);
        assert!(!told.message.contains("secret"), "{told}");
        assert!(told.message.contains("1062"), "{told}");
    }

    #[test]
    fn the_statement_that_failed_is_not_told() {
        let failure = Failure::new(
            FailureKind::ClientFailed,
            "mariadb ended with status 1: --------------; INSERT INTO t VALUES (1,'secret --------------'); --------------; ERROR 1054 \
             (42S22) at line 20: Unknown column 'x' in 'INSERT INTO'",
        );
        let told = of_client(failure).message;
        assert_eq!(
            told,
            "mariadb ended with status 1: ERROR 1054 (42S22) at line 20: Unknown column 'x' in 'INSERT INTO'"
        );
    }

    #[test]
    fn numbers_have_kinds() {
        assert_eq!(kind_of(1045), FailureKind::DatabaseAuthentication);
        assert_eq!(kind_of(1142), FailureKind::DatabasePrivilege);
        assert_eq!(kind_of(2013), FailureKind::DatabaseConnectionLost);
        assert_eq!(kind_of(2003), FailureKind::DatabaseUnreachable);
        assert_eq!(kind_of(1412), FailureKind::DatabaseSchemaChanged);
    }
}
