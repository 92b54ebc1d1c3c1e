//! Databases that a restore has made and not finished, and how they are dropped: only what can be proven to be ours.

use std::sync::{Mutex, PoisonError};

use dataguardian_core::database::Warning;
use dataguardian_core::failure::Failure;
use sqlx::PgConnection;

use crate::engines::postgres::run::Run;
use crate::engines::postgres::{connect, failure, quote};

/// How the comment of a database ends that is not whole yet.
pub(super) const UNFINISHED: &str = " restore in progress: this database is not whole";

/// How the comment of a database ends that a restore left because it was told to.
const KEPT: &str = " kept by a restore that failed: this database is not whole, and may be dropped";

/// How the comment of a database ends that another one has taken the place of.
pub(super) const REPLACED: &str = " replaced by a restore: this database may be dropped";

/// A database that we have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) oid: i64,
}

/// The unfinished databases of one run, with their object ids once those are known.
#[derive(Debug, Default)]
pub(super) struct Halfway(Mutex<Vec<(String, Option<i64>)>>);

impl Halfway {
    /// A database of that fresh name is about to be made.
    pub(super) fn begins(&self, name: &str) {
        self.with(|databases| databases.push((name.to_owned(), None)));
    }

    /// It was made.
    pub(super) fn made(&self, name: &str, oid: i64) -> Made {
        self.with(|databases| {
            for database in databases.iter_mut().filter(|database| database.0 == name) {
                database.1 = Some(oid);
            }
        });
        Made {
            name: name.to_owned(),
            oid,
        }
    }

    /// It is finished, or gone.
    pub(super) fn done(&self, name: &str) {
        self.with(|databases| databases.retain(|database| database.0 != name));
    }

    /// Drops what is left, as far as it is still marked as unfinished. Failing that is logged: the restore has failed
    /// already.
    pub(super) async fn drop_all(&self, run: &Run) {
        let left = self.with(std::mem::take);
        if left.is_empty() {
            return;
        }
        let dropping = async {
            let mut session = run.connect_for_maintenance().await?;
            for (name, oid) in &left {
                if is_unfinished(run, &mut session, name, *oid).await? {
                    drop_database(run, &mut session, name).await?;
                }
            }
            connect::close(session).await;
            Ok::<_, Failure>(())
        };
        if let Err(failure) = dropping.await {
            run.warn(&format!("an unfinished database could not be dropped: {failure}"));
        }
    }

    /// Marks what is left as to be kept, so that no later restore takes it for rubbish. Gives the names; what can't be marked
    /// stays to be dropped.
    pub(super) async fn keep_all(&self, run: &Run) -> Vec<String> {
        let left = self.with(|databases| databases.clone());
        let mut kept = Vec::new();
        for (name, oid) in left {
            let keeping = async {
                let mut session = run.connect_for_maintenance().await?;
                if !is_unfinished(run, &mut session, &name, oid).await? {
                    return Ok(false);
                }
                let comment = quote::text(&format!("{}{KEPT}", run.marker));
                let sql = format!("COMMENT ON DATABASE {} IS {comment}", quote::name(&name));
                execute(&mut session, sql, "keeping an unfinished database").await?;
                connect::close(session).await;
                Ok::<_, Failure>(true)
            };
            match keeping.await {
                Ok(true) => {
                    self.done(&name);
                    kept.push(name);
                }
                Ok(false) => {}
                Err(failure) => run.warn(&format!("{name} could not be kept: {failure}")),
            }
        }
        kept
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<(String, Option<i64>)>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether it is the one that we made and not yet in place. The comment is set right after it is made and put right in the
/// moment that it is put in place; a database that has none yet is ours by its name, which was fresh and random.
async fn is_unfinished(
    run: &Run,
    session: &mut PgConnection,
    name: &str,
    oid: Option<i64>,
) -> Result<bool, Failure> {
    const SQL: &str = "
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_database d
        WHERE datname = $1 AND ($2::int8 IS NULL OR oid::int8 = $2)
            AND COALESCE(pg_catalog.starts_with(pg_catalog.shobj_description(oid, 'pg_database'), $3), $2::int8 IS NULL)";
    let count: i64 = sqlx::query_scalar(SQL)
        .bind(name)
        .bind(oid)
        .bind(run.marker.execution_prefix())
        .fetch_one(session)
        .await
        .map_err(failure::at("looking for unfinished databases"))?;
    Ok(count > 0)
}

/// Drops what earlier attempts of the same execution left: unfinished databases, and old ones that were replaced.
pub(super) async fn sweep(run: &Run, session: &mut PgConnection) -> Result<(), Failure> {
    const SQL: &str = "
        SELECT datname::text FROM pg_catalog.pg_database
        WHERE pg_catalog.starts_with(pg_catalog.shobj_description(oid, 'pg_database'), $1) ORDER BY datname";
    let names: Vec<String> = sqlx::query_scalar(SQL)
        .bind(run.marker.execution_prefix())
        .fetch_all(&mut *session)
        .await
        .map_err(failure::at("looking for unfinished databases"))?;
    for name in names {
        run.log(&format!("dropping {name}, which an earlier attempt left"));
        drop_database(run, session, &name).await?;
    }
    Ok(())
}

/// Deals with what restores of other executions left when their agent was killed; none of them ever comes back to it. An
/// unfinished database is dropped if nobody works on it: whoever restores holds a session of that execution's name from
/// before the database is made until it is whole. A replaced one is only told of, since it may be the last that somebody
/// trusts.
pub(super) async fn sweep_abandoned(run: &Run, session: &mut PgConnection) -> Result<Vec<Warning>, Failure> {
    const SQL: &str = "
        WITH marked AS (
            SELECT datname::text AS name, pg_catalog.shobj_description(oid, 'pg_database') AS mark
            FROM pg_catalog.pg_database
        )
        SELECT name, pg_catalog.right(mark, pg_catalog.length($1)) = $1 FROM marked
        WHERE mark ~ '^dataguardian:[-0-9A-Za-z]+:[0-9]+ ' AND NOT pg_catalog.starts_with(mark, $3)
            AND (pg_catalog.right(mark, pg_catalog.length($2)) = $2
                OR pg_catalog.right(mark, pg_catalog.length($1)) = $1 AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_stat_activity a
                    WHERE a.backend_type = 'client backend' AND (a.application_name IS NULL OR pg_catalog.starts_with(
                        a.application_name, 'dataguardian:' || pg_catalog.split_part(mark, ':', 2) || ':'))))
        ORDER BY name";
    let what = "looking for what killed restores left";
    let found: Vec<(String, bool)> = sqlx::query_as(SQL)
        .bind(UNFINISHED)
        .bind(REPLACED)
        .bind(run.marker.execution_prefix())
        .fetch_all(&mut *session)
        .await
        .map_err(failure::at(what))?;
    let mut warnings = Vec::new();
    for (name, unfinished) in found {
        let message = if !unfinished {
            format!(
                "database {name} was replaced by an earlier restore, which was killed before it could drop it"
            )
        } else if let Err(failure) = drop_database(run, session, &name).await {
            format!(
                "database {name} was left unfinished by a restore that was killed, and can't be dropped: {failure}"
            )
        } else {
            format!("database {name}, which a restore that was killed had left unfinished, was dropped")
        };
        run.warn(&message);
        warnings.push(Warning {
            database: None,
            message,
        });
    }
    Ok(warnings)
}

/// Drops a database with its sessions. Subscriptions in it are cut from their publishers first, so that nothing is changed
/// there.
pub(super) async fn drop_database(run: &Run, session: &mut PgConnection, name: &str) -> Result<(), Failure> {
    const SUBSCRIPTIONS: &str = "
        SELECT s.subname::text FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
        WHERE d.datname = $1";
    let what = format!("dropping database {name}");
    let subscriptions: Vec<String> = sqlx::query_scalar(SUBSCRIPTIONS)
        .bind(name)
        .fetch_all(&mut *session)
        .await
        .map_err(failure::at(&what))?;
    if !subscriptions.is_empty() {
        let mut inside = run.connect(name).await?;
        for subscription in subscriptions {
            let subscription = quote::name(&subscription);
            for statement in [
                format!("ALTER SUBSCRIPTION {subscription} DISABLE"),
                format!("ALTER SUBSCRIPTION {subscription} SET (slot_name = NONE)"),
                format!("DROP SUBSCRIPTION {subscription}"),
            ] {
                execute(&mut inside, statement, &what).await?;
            }
        }
        connect::close(inside).await;
    }
    execute(
        session,
        format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote::name(name)),
        &what,
    )
    .await
}

async fn execute(session: &mut PgConnection, sql: String, what: &str) -> Result<(), Failure> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(session)
        .await
        .map(|_| ())
        .map_err(failure::at(what))
}
