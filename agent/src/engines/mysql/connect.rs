//! Our own connections, for everything but rows.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow, MySqlSslMode};
use sqlx::{ConnectOptions, Connection, Row as _};

use super::failure;
use crate::patience;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Where systems keep the authorities that they trust; the first one there is used.
const SYSTEM_AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The socket files that servers make in a socket's directory.
const SOCKETS: [&str; 3] = ["mysqld.sock", "mysql.sock", "mariadb.sock"];

/// Opens a connection.
pub(super) async fn open(target: &ConnectionTarget) -> Result<MySqlConnection, Failure> {
    let what = format!(
        "connecting to {}:{} as {}",
        target.host, target.port, target.username
    );
    let options = options(target)?;
    let connect = || async {
        let mut connection = options.connect().await?;
        // Long waits between two statements are ours to judge, and no mode changes what we say.
        let settings =
            "SET SESSION wait_timeout = 86400, SESSION net_write_timeout = 3600, SESSION sql_mode = ''";
        sqlx::raw_sql(settings).execute(&mut connection).await?;
        Ok(connection)
    };
    match patience::timeout_afresh(CONNECT_TIMEOUT, connect).await {
        Ok(opened) => opened.map_err(|error| failure::connecting(&what, &error)),
        Err(_) => Err(Failure::new(
            FailureKind::DatabaseUnreachable,
            format!("{what}: no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        )),
    }
}

/// Says goodbye. That the server does not answer any more harms nobody.
pub(super) async fn close(connection: MySqlConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a connection ended without a goodbye");
    }
}

fn options(target: &ConnectionTarget) -> Result<MySqlConnectOptions, Failure> {
    let mut options = MySqlConnectOptions::new()
        .username(&target.username)
        .charset("utf8mb4")
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .disable_statement_logging();
    options = match socket(target) {
        Some(socket) => options.socket(socket),
        None => options.host(&target.host).port(target.port),
    };
    options = options.ssl_mode(match target.tls {
        TlsMode::Disable => MySqlSslMode::Disabled,
        TlsMode::Prefer => MySqlSslMode::Preferred,
        TlsMode::Require => MySqlSslMode::Required,
        TlsMode::VerifyCa => MySqlSslMode::VerifyCa,
        TlsMode::VerifyFull => MySqlSslMode::VerifyIdentity,
    });
    if let Some(password) = &target.password {
        options = options.password(password.expose());
    }
    if let Some(file) = authorities(target)? {
        options = options.ssl_ca(file);
    }
    Ok(options)
}

/// The Unix socket, if the host is a path: the socket itself, or the directory that it is in.
pub(super) fn socket(target: &ConnectionTarget) -> Option<PathBuf> {
    let host = Path::new(&target.host);
    if !host.is_absolute() {
        return None;
    }
    if !host.is_dir() {
        return Some(host.to_owned());
    }
    let there = SOCKETS
        .iter()
        .map(|name| host.join(name))
        .find(|path| path.exists());
    Some(there.unwrap_or_else(|| host.join(SOCKETS[0])))
}

/// The file of trusted authorities: the named one, or, where certificates must be verified, the system's.
pub(super) fn authorities(target: &ConnectionTarget) -> Result<Option<PathBuf>, Failure> {
    if let Some(file) = &target.tls_ca {
        return Ok(Some(file.clone()));
    }
    if !matches!(target.tls, TlsMode::VerifyCa | TlsMode::VerifyFull) {
        return Ok(None);
    }
    let found = SYSTEM_AUTHORITIES
        .iter()
        .map(Path::new)
        .find(|file| file.is_file());
    found.map(|file| Some(file.to_owned())).ok_or_else(|| {
        Failure::new(
            FailureKind::DatabaseTls,
            "the TLS mode demands a trusted certificate, but no authority file is named and the system has none",
        )
    })
}

/// One row, every value as text: the types of system tables differ between versions, their texts do not.
#[derive(Debug)]
pub(super) struct TextRow(MySqlRow);

impl TextRow {
    /// A column's text; none for NULL.
    pub(super) fn get(&self, column: usize) -> Option<String> {
        let bytes: Option<Vec<u8>> = self.0.try_get_unchecked(column).ok().flatten();
        bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// A column's text; empty for NULL.
    pub(super) fn text(&self, column: usize) -> String {
        self.get(column).unwrap_or_default()
    }

    /// A column's number; 0 for NULL and for what is none.
    pub(super) fn number(&self, column: usize) -> u64 {
        self.text(column).parse().unwrap_or(0)
    }
}

/// The rows that a statement gives. `what` names its purpose.
pub(super) async fn ask(
    connection: &mut MySqlConnection,
    sql: impl Into<String>,
    what: &str,
) -> Result<Vec<TextRow>, Failure> {
    let rows = ask_unless(connection, sql, what, &[]).await?;
    Ok(rows.unwrap_or_default())
}

/// The rows that a statement gives; none if the server refuses it with one of these numbers.
pub(super) async fn ask_unless(
    connection: &mut MySqlConnection,
    sql: impl Into<String>,
    what: &str,
    refusals: &[u16],
) -> Result<Option<Vec<TextRow>>, Failure> {
    let asked = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.into()))
        .fetch_all(connection)
        .await;
    match asked {
        Ok(rows) => Ok(Some(rows.into_iter().map(TextRow).collect())),
        Err(error) if failure::number(&error).is_some_and(|number| refusals.contains(&number)) => Ok(None),
        Err(error) => Err(failure::working(what, &error)),
    }
}

/// The first column of each row.
pub(super) async fn ask_names(
    connection: &mut MySqlConnection,
    sql: impl Into<String>,
    what: &str,
) -> Result<Vec<String>, Failure> {
    let rows = ask(connection, sql, what).await?;
    Ok(rows.iter().map(|row| row.text(0)).collect())
}

/// The one value that a statement gives; none for NULL or no row.
pub(super) async fn ask_one(
    connection: &mut MySqlConnection,
    sql: impl Into<String>,
    what: &str,
) -> Result<Option<String>, Failure> {
    let rows = ask(connection, sql, what).await?;
    Ok(rows.first().and_then(|row| row.get(0)))
}

/// A statement that gives no rows.
pub(super) async fn execute(
    connection: &mut MySqlConnection,
    sql: impl Into<String>,
    what: &str,
) -> Result<(), Failure> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.into()))
        .execute(connection)
        .await
        .map(|_| ())
        .map_err(|error| failure::working(what, &error))
}
