//! Our own connections, with the [`settings`] that make what they read independent of server, database and role settings.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::target::{ConnectionTarget, TlsMode};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use super::{failure, nagle, settings};
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

/// The database that connections go to which concern no database in particular.
pub(super) fn maintenance_database(target: &ConnectionTarget) -> &str {
    target.maintenance_database.as_deref().unwrap_or("postgres")
}

/// Opens a connection that the server knows as `application`.
pub(super) async fn open(
    target: &ConnectionTarget,
    database: &str,
    application: &str,
) -> Result<PgConnection, Failure> {
    let what = format!(
        "connecting to database {database:?} on {}:{} as {}",
        target.host, target.port, target.username
    );
    let options = options(target, database, application)?;
    let connect = || async {
        let mut connection = options.connect().await?;
        nagle::turn_off(target.port);
        // First, since they end sessions.
        sqlx::raw_sql(settings::NEWER).execute(&mut connection).await?;
        let statements = sqlx::AssertSqlSafe(settings::statements());
        sqlx::raw_sql(statements).execute(&mut connection).await?;
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
pub(super) async fn close(connection: PgConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a connection ended without a goodbye");
    }
}

fn options(
    target: &ConnectionTarget,
    database: &str,
    application: &str,
) -> Result<PgConnectOptions, Failure> {
    let mut options = PgConnectOptions::new_without_pgpass()
        .host(&target.host)
        .port(target.port)
        .username(&target.username)
        .database(database)
        .application_name(application)
        .options(settings::SETTINGS)
        .ssl_mode(ssl_mode(target.tls))
        .disable_statement_logging();
    if let Some(password) = &target.password {
        options = options.password(password.expose());
    }
    if let Some(file) = authorities(target)? {
        options = options.ssl_root_cert(file);
    }
    Ok(options)
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

const fn ssl_mode(mode: TlsMode) -> PgSslMode {
    match mode {
        TlsMode::Disable => PgSslMode::Disable,
        TlsMode::Prefer => PgSslMode::Prefer,
        TlsMode::Require => PgSslMode::Require,
        TlsMode::VerifyCa => PgSslMode::VerifyCa,
        TlsMode::VerifyFull => PgSslMode::VerifyFull,
    }
}
