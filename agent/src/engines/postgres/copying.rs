//! The rows of all tables of a database, over one connection or several.
//!
//! The session that holds the snapshot copies too: it has the locks already. The others need locks of their own, and may not
//! wait for them: whoever has asked for an exclusive lock meanwhile waits for the first session, so waiting behind him would
//! never end. A table that can't be locked at once is left to the first session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::size::ByteSize;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::catalogue::Relation;
use super::encoding::Encoding;
use super::rows::{self, Copied};
use super::run::Run;
use super::snapshot::Snapshot;
use super::{connect, failure, quote};
use crate::engines::StreamSink;

/// Values of more than 1 GB can't be sent as text at all; a row half as long may fail to load.
const WORRYING_ROW: u64 = 500 << 20;

/// What all connections share.
struct Work {
    database: String,
    encoding: Encoding,
    sink: Arc<dyn StreamSink>,
    waiting: Mutex<VecDeque<Relation>>,
    /// Tables that another connection could not lock.
    left_over: Mutex<VecDeque<Relation>>,
    tally: Mutex<Tally>,
}

/// What came out of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) largest_row: u64,
    pub(super) warnings: Vec<Warning>,
}

/// Copies the rows of `relations` over `connections` sessions, the snapshot's own among them.
pub(super) async fn copy_all(
    run: &Run,
    database: &str,
    snapshot: &mut Snapshot,
    mut relations: Vec<Relation>,
    connections: usize,
    sink: &Arc<dyn StreamSink>,
) -> Result<Tally, Failure> {
    if connections > 1 {
        // The longest first, so that they do not come alone at the end.
        relations.sort_by_key(|relation| std::cmp::Reverse(relation.size));
    }
    let others = connections.min(relations.len()).saturating_sub(1);
    let work = Arc::new(Work {
        database: database.to_owned(),
        encoding: Encoding::of(&mut snapshot.session).await?,
        sink: Arc::clone(sink),
        waiting: Mutex::new(relations.into()),
        left_over: Mutex::default(),
        tally: Mutex::default(),
    });
    let mut workers = JoinSet::new();
    for _ in 0..others {
        let session = run.connect(database).await?;
        workers.spawn(copy_beside(session, snapshot.id.clone(), Arc::clone(&work)));
    }
    let own = copy_from(&mut snapshot.session, &work, &work.waiting);
    tokio::try_join!(own, join(&mut workers))?;
    copy_from(&mut snapshot.session, &work, &work.left_over).await?;
    Ok(std::mem::take(
        &mut work.tally.lock().unwrap_or_else(PoisonError::into_inner),
    ))
}

/// Copies with the session that holds the locks.
async fn copy_from(
    session: &mut PgConnection,
    work: &Work,
    queue: &Mutex<VecDeque<Relation>>,
) -> Result<(), Failure> {
    while let Some(relation) = next(queue) {
        work.copy(session, &relation).await?;
    }
    Ok(())
}

/// Copies with a session of its own under the same snapshot.
async fn copy_beside(mut session: PgConnection, snapshot: String, work: Arc<Work>) -> Result<(), Failure> {
    let begin = format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT {}",
        quote::text(&snapshot)
    );
    execute(&mut session, begin, "joining the snapshot").await?;
    while let Some(relation) = next(&work.waiting) {
        if lock_at_once(&mut session, &relation).await? {
            work.copy(&mut session, &relation).await?;
        } else {
            work.left_over
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_back(relation);
        }
    }
    connect::close(session).await;
    Ok(())
}

/// Takes the lock if nobody stands in line before us.
async fn lock_at_once(session: &mut PgConnection, relation: &Relation) -> Result<bool, Failure> {
    let lock = format!(
        "SAVEPOINT locking; LOCK TABLE ONLY {} IN ACCESS SHARE MODE NOWAIT; RELEASE SAVEPOINT locking",
        quote::qualified(&relation.name.schema, &relation.name.name)
    );
    match sqlx::raw_sql(sqlx::AssertSqlSafe(lock))
        .execute(&mut *session)
        .await
    {
        Ok(_) => Ok(true),
        Err(error) if failure::is(&error, failure::LOCK_NOT_AVAILABLE) => {
            execute(
                session,
                "ROLLBACK TO SAVEPOINT locking".to_owned(),
                "leaving a table to another session",
            )
            .await?;
            Ok(false)
        }
        Err(error) => Err(failure::working(&format!("locking {}", relation.name), &error)),
    }
}

impl Work {
    async fn copy(&self, session: &mut PgConnection, relation: &Relation) -> Result<(), Failure> {
        let copied = rows::copy(session, &self.database, &self.encoding, relation, &*self.sink).await?;
        self.note(relation, copied);
        Ok(())
    }

    fn note(&self, relation: &Relation, copied: Copied) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.rows += copied.rows;
        tally.largest_row = tally.largest_row.max(copied.largest_row);
        if copied.largest_row > WORRYING_ROW {
            tally.warnings.push(Warning {
                database: Some(self.database.clone()),
                message: format!(
                    "a row of {} is {} long as text: restoring it may exceed the server's limit of 1 GB for a value and need \
                     several times its length in memory",
                    relation.name,
                    ByteSize::bytes(copied.largest_row)
                ),
            });
        }
    }
}

fn next(queue: &Mutex<VecDeque<Relation>>) -> Option<Relation> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// Waits for all tasks; the first failure counts.
pub(super) async fn join(workers: &mut JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(ended) = workers.join_next().await {
        ended
            .map_err(|error| Failure::new(FailureKind::Internal, format!("a task broke off: {error}")))??;
    }
    Ok(())
}

async fn execute(session: &mut PgConnection, sql: String, what: &str) -> Result<(), Failure> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(session)
        .await
        .map(|_| ())
        .map_err(failure::at(what))
}
