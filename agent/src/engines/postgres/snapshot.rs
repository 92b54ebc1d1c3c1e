//! One consistent moment of a database, held to the end of its dump.
//!
//! PostgreSQL's snapshots show rows as they were, but not what TRUNCATE and rewriting ALTER TABLE did to a table's file: a
//! later COPY in an older snapshot sees an empty table and says nothing. So every table is locked (ACCESS SHARE, which hinders
//! only what needs the table for itself) **before** the snapshot is taken:
//!
//! 1. list the tables, outside of any lasting snapshot;
//! 2. begin a REPEATABLE READ transaction and lock them. LOCK TABLE as the first statement takes no snapshot
//!    (<https://www.postgresql.org/docs/current/sql-lock.html>), so whatever was committed before a lock was granted will be
//!    seen;
//! 3. export the snapshot, and list the tables again in it. Those that were created or renamed in between are locked now,
//!    and their file must still be the one that the snapshot shows;
//! 4. if a table vanished or changed its file in between, begin again.
//!
//! A lock that is not granted within half a second is given up together with all others, and the whole begins again until
//! the patience is over: whoever waits for us in turn goes first, and a deadlock is ours to lose, never the other's (the
//! server looks for deadlocks after a second).

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::ObjectName;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::catalogue::{self, Contents, Relation};
use super::exclusions::Exclusions;
use super::{failure, quote};

/// How often the locking begins again before it is given up.
const ATTEMPTS: usize = 20;
/// How many tables are locked by one statement.
const BATCH: usize = 100;
/// How long one lock is waited for at a time.
const WAIT: Duration = Duration::from_millis(500);

/// A snapshot under locks. Lives as long as the transaction of its session.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// The session that holds both, and has nothing to do in the meantime.
    pub(super) session: PgConnection,
    /// The snapshot's name for `SET TRANSACTION SNAPSHOT` and `pg_dump --snapshot`.
    pub(super) id: String,
    /// The write-ahead log's position just after.
    pub(super) lsn: String,
    /// The server's clock then.
    pub(super) taken_at: DateTime<Utc>,
    /// Whether the server is a standby.
    pub(super) in_recovery: bool,
    /// What the snapshot shows.
    pub(super) contents: Contents,
}

/// Why a try came to nothing.
enum Setback {
    /// The tables changed under our hands: try again.
    Changed,
    /// Somebody has a conflicting lock: try again while there is time.
    Busy(Failure),
    /// That is that.
    Final(Failure),
}

impl From<Failure> for Setback {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

/// Takes locks and snapshot, all locks together within `patience`.
pub(super) async fn take(
    mut session: PgConnection,
    exclusions: &Exclusions,
    patience: Duration,
) -> Result<Snapshot, Failure> {
    let deadline = Instant::now() + patience;
    let mut changes = 0;
    while changes < ATTEMPTS {
        let listed = catalogue::read(&mut session, exclusions).await?.relations;
        match attempt(&mut session, &listed, exclusions).await {
            Ok((position, mut contents)) => {
                catalogue::measure(&mut session, &mut contents.relations).await?;
                return Ok(Snapshot {
                    session,
                    id: position.id,
                    lsn: position.lsn,
                    taken_at: position.taken_at,
                    in_recovery: position.in_recovery,
                    contents,
                });
            }
            Err(Setback::Changed) => changes += 1,
            Err(Setback::Busy(failure)) if Instant::now() >= deadline => {
                execute(&mut session, "ROLLBACK").await?;
                return Err(with_blockers(&mut session, failure, &listed).await);
            }
            Err(Setback::Busy(_)) => {}
            Err(Setback::Final(failure)) => return Err(failure),
        }
        execute(&mut session, "ROLLBACK").await?;
    }
    Err(Failure::new(
        FailureKind::DatabaseLockTimeout,
        format!(
            "tables were created, renamed or dropped during each of {ATTEMPTS} attempts to lock them all"
        ),
    ))
}

async fn attempt(
    session: &mut PgConnection,
    listed: &[Relation],
    exclusions: &Exclusions,
) -> Result<(Position, Contents), Setback> {
    execute(session, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    lock(session, listed).await?;
    let position = export(session).await?;
    let contents = catalogue::read(session, exclusions).await?;
    let locked = locked(session).await?;
    let late: Vec<Relation> = contents
        .relations
        .iter()
        .filter(|relation| !locked.contains(&relation.oid))
        .cloned()
        .collect();
    lock(session, &late).await?;
    if !late.is_empty() && !are_as_seen(session, &late).await? {
        return Err(Setback::Changed);
    }
    Ok((position, contents))
}

/// Locks tables, waiting only a moment for each.
async fn lock(session: &mut PgConnection, relations: &[Relation]) -> Result<(), Setback> {
    for batch in relations.chunks(BATCH) {
        let names: Vec<String> = batch
            .iter()
            .map(|relation| format!("ONLY {}", qualified(&relation.name)))
            .collect();
        let sql = format!(
            "SET LOCAL lock_timeout = {}; LOCK TABLE {} IN ACCESS SHARE MODE; SET LOCAL lock_timeout = 0",
            WAIT.as_millis(),
            names.join(", ")
        );
        if let Err(error) = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut *session)
            .await
        {
            let failure = failure::working("locking the tables", &error);
            return Err(match failure::code(&error).as_deref() {
                Some(failure::UNDEFINED_TABLE | failure::INVALID_SCHEMA) => Setback::Changed,
                Some(failure::LOCK_NOT_AVAILABLE | failure::DEADLOCK_DETECTED) => Setback::Busy(failure),
                _ => Setback::Final(failure),
            });
        }
    }
    Ok(())
}

struct Position {
    id: String,
    lsn: String,
    taken_at: DateTime<Utc>,
    in_recovery: bool,
}

/// The first statement of the transaction that takes a snapshot.
async fn export(session: &mut PgConnection) -> Result<Position, Failure> {
    const SQL: &str = "
        SELECT pg_catalog.pg_export_snapshot(), pg_catalog.pg_is_in_recovery(), pg_catalog.clock_timestamp(),
            (CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
                ELSE pg_catalog.pg_current_wal_lsn() END)::text";
    let (id, in_recovery, taken_at, lsn): (String, bool, DateTime<Utc>, Option<String>) = sqlx::query_as(SQL)
        .fetch_one(session)
        .await
        .map_err(failure::at("exporting the snapshot"))?;
    Ok(Position {
        id,
        lsn: lsn.unwrap_or_default(),
        taken_at,
        in_recovery,
    })
}

/// The relations that the session holds locks on.
async fn locked(session: &mut PgConnection) -> Result<BTreeSet<i64>, Failure> {
    const SQL: &str = "
        SELECT relation::int8 FROM pg_catalog.pg_locks
        WHERE locktype = 'relation' AND pid = pg_catalog.pg_backend_pid() AND granted AND mode = 'AccessShareLock'
            AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())";
    let oids: Vec<i64> = sqlx::query_scalar(SQL)
        .fetch_all(session)
        .await
        .map_err(failure::at("reading our locks"))?;
    Ok(oids.into_iter().collect())
}

/// Whether tables that are locked only now still have the files that the snapshot shows: the function looks at the present,
/// our list at the snapshot. A partitioned table has no file, and no rows to lose.
async fn are_as_seen(session: &mut PgConnection, late: &[Relation]) -> Result<bool, Failure> {
    let with_files = || late.iter().filter(|relation| relation.has_rows);
    let oids: Vec<i64> = with_files().map(|relation| relation.oid).collect();
    let filenodes: Vec<i64> = with_files().map(|relation| relation.filenode).collect();
    const SQL: &str = "
        SELECT pg_catalog.count(*) FROM pg_catalog.unnest($1::int8[], $2::int8[]) seen(oid, filenode)
        WHERE pg_catalog.pg_relation_filenode(seen.oid::oid::regclass)::int8 IS DISTINCT FROM seen.filenode";
    let changed: i64 = sqlx::query_scalar(SQL)
        .bind(oids)
        .bind(filenodes)
        .fetch_one(session)
        .await
        .map_err(failure::at("checking tables that were locked late"))?;
    Ok(changed == 0)
}

/// Says who stands in the way of a lock, as far as that can be seen afterwards.
async fn with_blockers(session: &mut PgConnection, failure: Failure, relations: &[Relation]) -> Failure {
    const SQL: &str = "
        SELECT DISTINCT l.relation::int8, l.pid, COALESCE(a.application_name, ''), COALESCE(a.usename::text, '')
        FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation::int8 = ANY ($1)
        ORDER BY 2 LIMIT 3";
    let oids: Vec<i64> = relations.iter().map(|relation| relation.oid).collect();
    let found: Result<Vec<(i64, i32, String, String)>, _> =
        sqlx::query_as(SQL).bind(oids).fetch_all(session).await;
    let mut message = failure.message;
    for (oid, pid, application, user) in found.unwrap_or_default() {
        if let Some(relation) = relations.iter().find(|relation| relation.oid == oid) {
            let name = &relation.name;
            message.push_str(&format!(
                "; {name} is locked by process {pid} of user {user:?} ({application:?})"
            ));
        }
    }
    Failure::new(failure.kind, message)
}

fn qualified(name: &ObjectName) -> String {
    quote::qualified(&name.schema, &name.name)
}

async fn execute(session: &mut PgConnection, sql: &'static str) -> Result<(), Failure> {
    sqlx::raw_sql(sql)
        .execute(session)
        .await
        .map(|_| ())
        .map_err(failure::at("preparing the snapshot"))
}
