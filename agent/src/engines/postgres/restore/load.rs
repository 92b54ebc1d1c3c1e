//! Loads the rows: COPY from the streams straight into the tables, over several connections.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::ObjectName;
use dataguardian_failpoints::failpoint;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::frame::Framed;
use super::plan::Table;
use crate::engines::StreamSource;
use crate::engines::postgres::copying::join;
use crate::engines::postgres::encoding::Encoding;
use crate::engines::postgres::run::Run;
use crate::engines::postgres::{connect, failure, quote};

/// How much is sent at once: the driver copies it before it sends it.
const PIECE: usize = 256 << 10;

/// What all connections share.
struct Work {
    source: Arc<dyn StreamSource>,
    encoding: Encoding,
    waiting: Mutex<VecDeque<Table>>,
    configuration: BTreeMap<ObjectName, String>,
}

/// Loads all tables into the database over `jobs` connections. Each table's count must be the recorded one.
pub(super) async fn load(
    run: &Run,
    database: &str,
    source: &Arc<dyn StreamSource>,
    tables: &[Table],
    jobs: usize,
) -> Result<(), Failure> {
    let mut first = run.connect(database).await?;
    let work = Arc::new(Work {
        source: Arc::clone(source),
        encoding: Encoding::of(&mut first).await?,
        waiting: Mutex::new(tables.iter().cloned().collect()),
        configuration: configuration_tables(&mut first).await?,
    });
    let mut workers = JoinSet::new();
    for _ in 1..jobs.min(tables.len()) {
        workers.spawn(load_from(run.connect(database).await?, Arc::clone(&work)));
    }
    workers.spawn(load_from(first, work));
    join(&mut workers).await
}

async fn load_from(mut session: PgConnection, work: Arc<Work>) -> Result<(), Failure> {
    prepare(&mut session).await?;
    loop {
        let table = work
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some(table) = table else { break };
        work.load_table(&mut session, &table).await?;
    }
    connect::close(session).await;
    Ok(())
}

/// Triggers (of extensions' tables: others come later) do not fire, where the user may say so. What was loaded is safe once
/// the database is put in place, whose commit is flushed.
async fn prepare(session: &mut PgConnection) -> Result<(), Failure> {
    let set = |sql: &'static str| sqlx::raw_sql(sql);
    set("SET synchronous_commit = off")
        .execute(&mut *session)
        .await
        .map_err(failure::at("preparing a session"))?;
    match set("SET session_replication_role = replica")
        .execute(session)
        .await
    {
        Err(error) if !failure::is(&error, failure::INSUFFICIENT_PRIVILEGE) => {
            Err(failure::working("preparing a session", &error))
        }
        _ => Ok(()),
    }
}

impl Work {
    async fn load_table(&self, session: &mut PgConnection, table: &Table) -> Result<(), Failure> {
        let what = format!("loading the rows of {}", table.name);
        if let Some(condition) = self.configuration.get(&table.name) {
            replace_rows(session, &table.name, condition, &what).await?;
        }
        let mut framed = Framed::new(self.source.read(table.stream).await?, table.name.to_string());
        let head = framed.head().await?;
        let head = self.encoding.decode(session, &head).await?;
        let statement = format!(
            "{head} FROM STDIN WITH (ENCODING {})",
            quote::text(self.encoding.name())
        );
        let mut copy = session
            .copy_in_raw(&statement)
            .await
            .map_err(failure::at(&what))?;
        let sent = async {
            while let Some(rows) = framed.rows().await? {
                send(&mut copy, rows).await.map_err(failure::at(&what))?;
                failpoint!(RestoreRows);
            }
            Ok::<_, Failure>(())
        };
        if let Err(failure) = sent.await {
            // The failure of the stream counts, whatever the server makes of the end.
            if let Err(error) = copy.abort("the stream broke off").await {
                tracing::debug!(%error, "the server had given up before us");
            }
            return Err(failure);
        }
        let rows = copy.finish().await.map_err(failure::at(&what))?;
        if rows != table.rows {
            return Err(Failure::new(
                FailureKind::RestoreMismatch,
                format!(
                    "{} has {rows} rows, and the backup counts {}",
                    table.name, table.rows
                ),
            ));
        }
        Ok(())
    }
}

async fn send(
    copy: &mut sqlx::postgres::PgCopyIn<&mut PgConnection>,
    mut rows: Bytes,
) -> Result<(), sqlx::Error> {
    while !rows.is_empty() {
        copy.send(rows.split_to(rows.len().min(PIECE))).await?;
    }
    Ok(())
}

/// The extensions' configuration tables and the conditions of the rows that are dumped.
pub(super) async fn configuration_tables(
    session: &mut PgConnection,
) -> Result<BTreeMap<ObjectName, String>, Failure> {
    const SQL: &str = "
        SELECT n.nspname::text, c.relname::text, config.condition
        FROM (SELECT pg_catalog.unnest(extconfig) AS oid, pg_catalog.unnest(extcondition) AS condition
            FROM pg_catalog.pg_extension WHERE extconfig IS NOT NULL) config
        JOIN pg_catalog.pg_class c ON c.oid = config.oid AND c.relkind = 'r'
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace";
    let rows: Vec<(String, String, String)> = sqlx::query_as(SQL)
        .fetch_all(session)
        .await
        .map_err(failure::at("listing the extensions' tables"))?;
    let named = |(schema, name, condition)| (ObjectName { schema, name }, condition);
    Ok(rows.into_iter().map(named).collect())
}

/// CREATE EXTENSION may have put rows there that the dumped ones would come on top of.
async fn replace_rows(
    session: &mut PgConnection,
    table: &ObjectName,
    condition: &str,
    what: &str,
) -> Result<(), Failure> {
    let table = quote::qualified(&table.schema, &table.name);
    let look = format!("SELECT pg_catalog.count(*) FROM ONLY {table} {condition}");
    let there: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(look))
        .fetch_one(&mut *session)
        .await
        .map_err(failure::at(what))?;
    if there > 0 {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "DELETE FROM ONLY {table} {condition}"
        )))
        .execute(session)
        .await
        .map_err(failure::at(what))?;
    }
    Ok(())
}
