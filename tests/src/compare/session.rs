//! A session that reads values the same way from any database, in one snapshot.

use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, postgres::PgRow};

use super::Database;

/// A database may set any of these for its sessions; what a session asks for at its start wins.
pub(super) const SETTINGS: [(&str, &str); 14] = [
    ("application_name", "compare-databases"),
    ("search_path", ""),
    ("DateStyle", "ISO,MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("extra_float_digits", "3"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("xmloption", "content"),
    ("standard_conforming_strings", "on"),
    ("row_security", "off"),
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
];

/// A session in a read-only transaction that sees one snapshot to its end.
#[derive(Debug)]
pub(super) struct Session {
    connection: PgConnection,
}

impl Session {
    pub(super) async fn open(database: &Database) -> Result<Self> {
        let mut connection = PgConnection::connect_with(&database.options().options(SETTINGS))
            .await
            .with_context(|| format!("connecting to database {database}"))?;
        sqlx::query("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .execute(&mut connection)
            .await?;
        Ok(Self { connection })
    }

    /// All rows of a query.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<PgRow>> {
        Ok(sqlx::query(AssertSqlSafe(sql))
            .fetch_all(&mut self.connection)
            .await?)
    }

    /// A query whose rows are a name and a text.
    pub(super) async fn pairs(&mut self, sql: &str) -> Result<Vec<(String, String)>> {
        let rows = self.rows(sql).await?;
        rows.iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect()
    }

    /// Hands each row that `COPY ... TO STDOUT` writes to `each`, as COPY's text form (one message is one row).
    pub(super) async fn copy_out(&mut self, sql: &str, mut each: impl FnMut(&[u8])) -> Result<()> {
        use futures::TryStreamExt as _;
        let mut rows = self.connection.copy_out_raw(sql).await?;
        while let Some(row) = rows.try_next().await? {
            each(&row);
        }
        Ok(())
    }
}
