//! Counts what is there after the rows were loaded, before constraints and policies come, and compares.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::ObjectName;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::RestoredTable;
use super::load::Roots;
use super::plan::Plan;
use crate::engines::StreamSource;
use crate::engines::postgres::copying::join;
use crate::engines::postgres::run::Run;
use crate::engines::postgres::{connect, failure, quote};
use crate::engines::restore::planned::PlannedTable;

struct Work {
    database: String,
    waiting: Mutex<VecDeque<PlannedTable>>,
    counted: Mutex<Vec<RestoredTable>>,
}

/// Counts every table. The first difference is a failure.
///
/// A table that shares its rows with others is believed what COPY counted: extensions' tables hold rows of the extension
/// too, and a partition by an enum's hash may hold other rows than it did. Partitions whose rows were `spread` anew are
/// counted together.
pub(super) async fn count_tables(
    run: &Run,
    plan: &Plan,
    spread: &Roots,
    jobs: usize,
) -> Result<Vec<RestoredTable>, Failure> {
    let mut session = run.connect(&plan.beside).await?;
    let shared = sharing_tables(&mut session).await?;
    let is_shared = |table: &PlannedTable| {
        let name = (table.name.schema.clone(), table.name.name.clone());
        spread.contains_key(&table.name) || shared.contains(&name)
    };
    let (believed, counted): (Vec<PlannedTable>, Vec<PlannedTable>) =
        plan.tables.iter().cloned().partition(is_shared);
    count_spread(&mut session, &believed, spread).await?;
    connect::close(session).await;
    let work = Arc::new(Work {
        database: plan.description.name.clone(),
        waiting: Mutex::new(counted.into()),
        counted: Mutex::new(
            believed
                .iter()
                .map(|table| restored(&plan.description.name, table, table.rows))
                .collect(),
        ),
    });
    let mut workers = JoinSet::new();
    for _ in 0..jobs.max(1).min(plan.tables.len()) {
        workers.spawn(count_from(run.connect(&plan.beside).await?, Arc::clone(&work)));
    }
    join(&mut workers).await?;
    let mut tables = std::mem::take(&mut *work.counted.lock().unwrap_or_else(PoisonError::into_inner));
    tables.sort_by(|a, b| (&a.schema, &a.table).cmp(&(&b.schema, &b.table)));
    Ok(tables)
}

/// Counts every table over one session, within its transaction.
pub(super) async fn count_within(
    session: &mut PgConnection,
    plan: &Plan,
) -> Result<Vec<RestoredTable>, Failure> {
    let mut counted = Vec::new();
    for table in &plan.tables {
        let rows = count(session, table).await?;
        if rows != table.rows {
            return Err(mismatch(&table.name.to_string(), rows, table.rows));
        }
        counted.push(restored(&plan.description.name, table, rows));
    }
    Ok(counted)
}

/// Counts the partitions below each root together.
async fn count_spread(
    session: &mut PgConnection,
    tables: &[PlannedTable],
    spread: &Roots,
) -> Result<(), Failure> {
    let mut sums: BTreeMap<&ObjectName, (u64, u64)> = BTreeMap::new();
    for table in tables {
        let Some(root) = spread.get(&table.name) else {
            continue;
        };
        let counted = count(session, table).await?;
        let sum = sums.entry(root).or_default();
        *sum = (sum.0 + counted, sum.1 + table.rows);
    }
    match sums.iter().find(|(_, (counted, expected))| counted != expected) {
        Some((root, (counted, expected))) => Err(mismatch(&root.to_string(), *counted, *expected)),
        None => Ok(()),
    }
}

async fn count_from(mut session: PgConnection, work: Arc<Work>) -> Result<(), Failure> {
    loop {
        let table = work
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let Some(table) = table else { break };
        let rows = count(&mut session, &table).await?;
        if rows != table.rows {
            return Err(mismatch(&table.name.to_string(), rows, table.rows));
        }
        let counted = restored(&work.database, &table, rows);
        work.counted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(counted);
    }
    connect::close(session).await;
    Ok(())
}

async fn count(session: &mut PgConnection, table: &PlannedTable) -> Result<u64, Failure> {
    let name = quote::qualified(&table.name.schema, &table.name.name);
    let counted: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT pg_catalog.count(*) FROM ONLY {name}"
    )))
    .persistent(false)
    .fetch_one(session)
    .await
    .map_err(failure::at("counting rows"))?;
    Ok(u64::try_from(counted).unwrap_or(0))
}

/// Counts the large objects against the stream's own count.
pub(super) async fn count_large_objects(
    session: &mut PgConnection,
    source: &dyn StreamSource,
    stream: usize,
) -> Result<(), Failure> {
    let counted: i64 =
        sqlx::query_scalar("SELECT pg_catalog.count(*) FROM pg_catalog.pg_largeobject_metadata")
            .fetch_one(session)
            .await
            .map_err(failure::at("counting large objects"))?;
    let counted = u64::try_from(counted).unwrap_or(0);
    match source.streams().get(stream).and_then(|stream| stream.end.rows) {
        Some(expected) if expected != counted => {
            Err(mismatch("the store of large objects", counted, expected))
        }
        _ => Ok(()),
    }
}

/// Tables of extensions, and partitions below a hash partitioning by an enum.
async fn sharing_tables(session: &mut PgConnection) -> Result<Vec<(String, String)>, Failure> {
    const SQL: &str = "
        WITH hash_by_enum AS (
            SELECT p.partrelid FROM pg_catalog.pg_partitioned_table p WHERE p.partstrat = 'h' AND (
                SELECT o.oid FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
                WHERE o.opcname = 'enum_ops' AND o.opcnamespace = 'pg_catalog'::regnamespace AND a.amname = 'hash'
            ) = ANY (p.partclass)
        )
        SELECT n.nspname::text, c.relname::text
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND (
            EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e')
            OR (c.relispartition AND EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a(oid)
                JOIN hash_by_enum h ON h.partrelid = a.oid)))";
    sqlx::query_as(SQL)
        .fetch_all(session)
        .await
        .map_err(failure::at("listing tables that share their rows"))
}

fn restored(database: &str, table: &PlannedTable, rows: u64) -> RestoredTable {
    RestoredTable {
        database: database.to_owned(),
        schema: table.name.schema.clone(),
        table: table.name.name.clone(),
        expected_rows: table.rows,
        restored_rows: rows,
    }
}

fn mismatch(what: &str, counted: u64, expected: u64) -> Failure {
    Failure::new(
        FailureKind::RestoreMismatch,
        format!("{what} has {counted} rows after the restore, and the backup counts {expected}"),
    )
}
