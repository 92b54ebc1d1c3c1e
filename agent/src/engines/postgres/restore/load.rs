//! Loads the rows: COPY from the streams straight into the tables, over several connections.
//!
//! A table may refuse its rows for want of another table's: a check that calls a function that looks there. No order of
//! tables is right for all databases, so what is refused is tried again when the others are loaded, for as long as that helps.
//! Rows of a hash partition may belong to another partition than before, where a hash depends on object ids (of an enum, in
//! an array, in a `regclass`): what such a partition refuses goes through the root.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::ObjectName;
use dataguardian_failpoints::failpoint;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::frame::Framed;
use crate::engines::StreamSource;
use crate::engines::postgres::copying::join;
use crate::engines::postgres::encoding::Encoding;
use crate::engines::postgres::run::{Opening, Run};
use crate::engines::postgres::{connect, failure, quote};
use crate::engines::restore::planned::PlannedTable;

/// How much is sent at once: the driver copies it before it sends it.
const PIECE: usize = 256 << 10;

/// Classes of SQLSTATE that no other table's rows can mend: the connection, the server's resources, an operator, the system.
const HOPELESS: [&str; 5] = ["08", "53", "57", "58", "XX"];

/// Hash partitions, at any level, and the root that each belongs to.
pub(super) type Roots = BTreeMap<ObjectName, ObjectName>;

/// What all connections share.
struct Work {
    source: Arc<dyn StreamSource>,
    encoding: Encoding,
    configuration: BTreeMap<ObjectName, String>,
    roots: Roots,
    round: Mutex<Round>,
}

/// One pass over the tables that are not loaded yet.
#[derive(Debug, Default)]
struct Round {
    waiting: VecDeque<PlannedTable>,
    /// Refused in this round, each with the reason.
    refused: Vec<(PlannedTable, Failure)>,
    /// Whether there was a round before.
    again: bool,
    /// Roots through which their partitions' rows go from now on.
    through: BTreeSet<ObjectName>,
    /// Whether anything was loaded or learnt.
    progress: bool,
}

/// How the loading of one table ended.
enum Loaded {
    Whole,
    /// The server would not take the rows; the session is of no more use.
    Refused {
        failure: Failure,
        misplaced: bool,
    },
}

/// Loads all tables into the database over `jobs` connections. Each table's count must be the recorded one. Gives back the
/// partitions whose rows were spread anew below their root.
pub(super) async fn load(
    run: &Run,
    database: &str,
    source: &Arc<dyn StreamSource>,
    tables: &[PlannedTable],
    jobs: usize,
) -> Result<Roots, Failure> {
    let mut session = run.connect(database).await?;
    let work = Arc::new(Work {
        source: Arc::clone(source),
        encoding: Encoding::of(&mut session).await?,
        configuration: configuration_tables(&mut session).await?,
        roots: roots_of_hash_partitions(&mut session).await?,
        round: Mutex::new(Round {
            waiting: tables.iter().cloned().collect(),
            ..Round::default()
        }),
    });
    connect::close(session).await;
    loop {
        let mut workers = JoinSet::new();
        for _ in 0..jobs.min(work.with_round(|round| round.waiting.len())) {
            workers.spawn(load_from(run.session(database), Arc::clone(&work)));
        }
        join(&mut workers).await?;
        match work.with_round(Round::next)? {
            0 => break,
            refused => run.log(&format!(
                "{refused} tables refused their rows: trying them again after the others"
            )),
        }
    }
    let through = work.with_round(|round| std::mem::take(&mut round.through));
    let spread = work.roots.iter().filter(|(_, root)| through.contains(*root));
    Ok(spread.map(|(leaf, root)| (leaf.clone(), root.clone())).collect())
}

/// Loads everything over one session, within its transaction: what a table refuses ends it.
pub(super) async fn load_within(
    session: &mut PgConnection,
    source: &Arc<dyn StreamSource>,
    tables: &[PlannedTable],
) -> Result<(), Failure> {
    let work = Work {
        source: Arc::clone(source),
        encoding: Encoding::of(session).await?,
        configuration: BTreeMap::new(),
        roots: BTreeMap::new(),
        round: Mutex::default(),
    };
    for table in tables {
        if let Loaded::Refused { failure, .. } = work.load_table(session, table).await? {
            return Err(failure);
        }
    }
    Ok(())
}

impl Round {
    /// Begins the next round. Gives the number of tables that are left, or the failure that no other table can mend.
    fn next(&mut self) -> Result<usize, Failure> {
        let refused = std::mem::take(&mut self.refused);
        if let (Some((_, failure)), false) = (refused.first(), self.progress) {
            return Err(failure.clone());
        }
        self.waiting = refused.into_iter().map(|(table, _)| table).collect();
        (self.again, self.progress) = (true, false);
        Ok(self.waiting.len())
    }
}

async fn load_from(opening: Opening, work: Arc<Work>) -> Result<(), Failure> {
    let mut session = None;
    while let Some(table) = work.with_round(|round| round.waiting.pop_front()) {
        let open = match &mut session {
            Some(open) => open,
            None => {
                let mut fresh = opening.open().await?;
                prepare(&mut fresh).await?;
                session.insert(fresh)
            }
        };
        match work.load_table(open, &table).await? {
            Loaded::Whole => work.with_round(|round| round.progress = true),
            Loaded::Refused { failure, misplaced } => {
                session = None;
                let root = work.roots.get(&table.name).filter(|_| misplaced).cloned();
                work.with_round(|round| {
                    round.progress |= root.is_some_and(|root| round.through.insert(root));
                    round.refused.push((table, failure));
                });
            }
        }
    }
    if let Some(session) = session {
        connect::close(session).await;
    }
    Ok(())
}

/// For a session that loads into a database which is put in place later: that commit is flushed, and what was loaded before with
/// it.
async fn prepare(session: &mut PgConnection) -> Result<(), Failure> {
    sqlx::raw_sql("SET synchronous_commit = off")
        .execute(&mut *session)
        .await
        .map_err(failure::at("preparing a session"))?;
    let_triggers_rest(session).await
}

/// Triggers (of extensions' tables: others come later) do not fire, where the user may say so.
pub(super) async fn let_triggers_rest(session: &mut PgConnection) -> Result<(), Failure> {
    let set = sqlx::raw_sql("SET session_replication_role = replica");
    match set.execute(session).await {
        Err(error) if !failure::is(&error, failure::INSUFFICIENT_PRIVILEGE) => {
            Err(failure::working("preparing a session", &error))
        }
        _ => Ok(()),
    }
}

impl Work {
    fn with_round<T>(&self, look: impl FnOnce(&mut Round) -> T) -> T {
        look(&mut self.round.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn load_table(&self, session: &mut PgConnection, table: &PlannedTable) -> Result<Loaded, Failure> {
        let what = format!("loading the rows of {}", table.name);
        let root = self.roots.get(&table.name);
        let (again, through) = self.with_round(|round| {
            let through = root.filter(|root| round.through.contains(*root));
            (round.again, through)
        });
        if let Some(condition) = self.configuration.get(&table.name) {
            replace_rows(session, &table.name, condition, &what).await?;
        } else if again && root.is_none() {
            // What was refused half-way takes room.
            empty(session, &table.name, &what).await?;
        }
        let mut framed = Framed::new(self.source.read(table.stream).await?, table.name.to_string());
        let head = framed.head().await?;
        let mut head = self.encoding.decode(session, &head).await?;
        if let Some(root) = through {
            head = redirected(&head, &table.name, root);
        }
        let statement = format!(
            "{head} FROM STDIN WITH (ENCODING {})",
            quote::text(self.encoding.name())
        );
        let mut copy = match session.copy_in_raw(&statement).await {
            Ok(copy) => copy,
            Err(error) => return refused(&what, &error, through.is_some()),
        };
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
        match copy.finish().await {
            Ok(rows) if rows == table.rows => Ok(Loaded::Whole),
            Ok(rows) => Err(Failure::new(
                FailureKind::RestoreMismatch,
                format!(
                    "{} has {rows} rows, and the backup counts {}",
                    table.name, table.rows
                ),
            )),
            Err(error) => refused(&what, &error, through.is_some()),
        }
    }
}

/// Whether another try may help: the server is well, and did not like the rows.
fn refused(what: &str, error: &sqlx::Error, through_root: bool) -> Result<Loaded, Failure> {
    let failure = failure::working(what, error);
    match failure::code(error) {
        Some(code) if !HOPELESS.iter().any(|class| code.starts_with(class)) => Ok(Loaded::Refused {
            misplaced: code == failure::CHECK_VIOLATION && !through_root,
            failure,
        }),
        _ => Err(failure),
    }
}

/// The COPY statement of a partition, into its root.
fn redirected(head: &str, partition: &ObjectName, root: &ObjectName) -> String {
    let into = |name: &ObjectName| format!("COPY {}", quote::qualified(&name.schema, &name.name));
    match head.strip_prefix(&into(partition)) {
        Some(columns) => format!("{}{columns}", into(root)),
        None => head.to_owned(),
    }
}

async fn empty(session: &mut PgConnection, table: &ObjectName, what: &str) -> Result<(), Failure> {
    let truncate = format!("TRUNCATE ONLY {}", quote::qualified(&table.schema, &table.name));
    sqlx::raw_sql(sqlx::AssertSqlSafe(truncate))
        .execute(session)
        .await
        .map(|_| ())
        .map_err(failure::at(what))
}

/// Every partition below a partitioning by hash, with its root.
async fn roots_of_hash_partitions(session: &mut PgConnection) -> Result<Roots, Failure> {
    const SQL: &str = "
        SELECT n.nspname::text, c.relname::text, root_schema.nspname::text, root.relname::text
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_class root ON root.oid = pg_catalog.pg_partition_root(c.oid)
        JOIN pg_catalog.pg_namespace root_schema ON root_schema.oid = root.relnamespace
        WHERE c.relkind = 'r' AND c.relispartition AND EXISTS (
            SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a(oid)
            JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = a.oid WHERE p.partstrat = 'h')";
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(SQL)
        .fetch_all(session)
        .await
        .map_err(failure::at("listing the hash partitions"))?;
    let named = |(schema, name, root_schema, root)| {
        let root = ObjectName {
            schema: root_schema,
            name: root,
        };
        (ObjectName { schema, name }, root)
    };
    Ok(rows.into_iter().map(named).collect())
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
