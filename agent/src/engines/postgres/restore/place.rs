//! Puts the finished databases in their places, in one transaction: whatever happens, each name is that of the old or of the
//! new one, and either all are new or none is.
//!
//! `ALTER DATABASE … RENAME` locks the database against new sessions first and then waits a few seconds for those that are
//! in it (`RenameDatabase`, `CountOtherDBBackends`). So those are ended while it waits: they can't come back.

use std::time::Duration;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_failpoints::failpoint;
use sqlx::PgConnection;

use super::create::mark;
use super::halfway::{Halfway, Made, REPLACED, drop_database};
use super::plan::{Plan, shortened};
use super::precheck::exists;
use super::{RestoreMode, RestoreRequest};
use crate::engines::postgres::run::Run;
use crate::engines::postgres::{connect, failure, quote};
use crate::engines::progress::Stage;

/// How often the renaming is tried.
const ATTEMPTS: usize = 3;
/// How often sessions are ended while it waits.
const LOOK: Duration = Duration::from_millis(100);

/// A database that is filled and compared.
pub(super) struct Finished<'a> {
    pub(super) plan: &'a Plan,
    pub(super) made: Made,
}

/// A finished database on its way to its name.
struct Move<'a> {
    plan: &'a Plan,
    made: &'a Made,
    /// What the one that has the name now will be called.
    old: Option<String>,
}

/// Gives the databases their names: all or none. In [`RestoreMode::Replace`] the old ones make room and are dropped
/// afterwards.
pub(super) async fn put(
    run: &Run,
    request: &RestoreRequest,
    session: &mut PgConnection,
    finished: &[Finished<'_>],
    halfway: &Halfway,
) -> Result<Vec<Warning>, Failure> {
    if finished.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<&str> = finished.iter().map(|each| each.plan.to.as_str()).collect();
    let names = names.join(", ");
    run.stage(Stage::Swapping {
        database: names.clone(),
    });
    let what = format!("putting {names} in place");
    let mut moves = Vec::new();
    for Finished { plan, made } in finished {
        check_mark(run, session, made, &what).await?;
        let replaces = request.mode == RestoreMode::Replace && exists(session, &plan.to).await?;
        let suffix = made.name.rsplit('_').next().unwrap_or_default();
        let old = replaces.then(|| shortened("", &plan.to, &format!("_dg_old_{suffix}")));
        moves.push(Move { plan, made, old });
    }
    let swap = Swap::of(run, what, &moves);
    failpoint!(SwapBefore);
    swap.run(run, session).await?;
    failpoint!(SwapAfter);
    for each in &moves {
        halfway.done(&each.made.name);
    }
    let mut warnings = Vec::new();
    for each in &moves {
        warnings.extend(each.comment(run).await);
    }
    for each in &moves {
        warnings.extend(each.drop_old(run, session).await);
    }
    Ok(warnings)
}

impl Move<'_> {
    /// The databases whose sessions are in the way.
    fn emptied(&self) -> impl Iterator<Item = String> {
        let replaced = self.old.is_some().then(|| self.plan.to.clone());
        replaced.into_iter().chain([self.made.name.clone()])
    }

    /// Renaming, and the comments that say what is what.
    fn statements(&self, run: &Run) -> Vec<String> {
        let mut statements = Vec::new();
        let to = quote::name(&self.plan.to);
        if let Some(old) = &self.old {
            let old = quote::name(old);
            let comment = format!("{}{REPLACED}", run.marker);
            statements.extend([
                format!("ALTER DATABASE {to} RENAME TO {old}"),
                // A template can't be dropped.
                format!("ALTER DATABASE {old} IS_TEMPLATE false"),
                format!("COMMENT ON DATABASE {old} IS {}", quote::text(&comment)),
            ]);
        }
        let made = quote::name(&self.made.name);
        statements.push(format!("ALTER DATABASE {made} RENAME TO {to}"));
        if self.plan.description.is_template {
            statements.push(format!("ALTER DATABASE {to} IS_TEMPLATE true"));
        }
        let plain = self.plan.description.comment.as_ref();
        let plain = plain.filter(|comment| comment.is_ascii());
        let comment = plain.map_or_else(|| "NULL".to_owned(), |comment| quote::text(comment));
        statements.push(format!("COMMENT ON DATABASE {to} IS {comment}"));
        statements
    }

    /// A comment that is not plain ASCII is written from within: the server keeps it in the encoding of whoever writes it.
    async fn comment(&self, run: &Run) -> Option<Warning> {
        let comment = self.plan.description.comment.as_ref();
        let comment = comment.filter(|comment| !comment.is_ascii())?;
        let to = &self.plan.to;
        let sql = format!(
            "COMMENT ON DATABASE {} IS {}",
            quote::name(to),
            quote::text(comment)
        );
        let writing = async {
            let mut inside = run.connect(to).await?;
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
                .execute(&mut inside)
                .await
                .map_err(failure::at("writing the database's comment"))?;
            connect::close(inside).await;
            Ok::<_, Failure>(())
        };
        let failure = writing.await.err()?;
        Some(self.warning(format!("the comment of {to} is missing: {failure}")))
    }

    async fn drop_old(&self, run: &Run, session: &mut PgConnection) -> Option<Warning> {
        let old = self.old.as_ref()?;
        run.log(&format!("{} is in place; dropping the old one", self.plan.to));
        let failure = drop_database(run, session, old).await.err()?;
        Some(self.warning(format!(
            "the replaced database is still there as {old}: {failure}"
        )))
    }

    fn warning(&self, message: String) -> Warning {
        Warning {
            database: Some(self.plan.description.name.clone()),
            message,
        }
    }
}

/// The one short moment.
struct Swap {
    what: String,
    statements: String,
    /// The databases whose sessions are ended.
    emptied: Vec<String>,
}

impl Swap {
    /// All moves in one transaction.
    fn of(run: &Run, what: String, moves: &[Move<'_>]) -> Self {
        let begin = ["BEGIN".to_owned()].into_iter();
        let moved = moves.iter().flat_map(|each| each.statements(run));
        let statements: Vec<String> = begin.chain(moved).chain(["COMMIT".to_owned()]).collect();
        Self {
            what,
            statements: statements.join("; "),
            emptied: moves.iter().flat_map(Move::emptied).collect(),
        }
    }

    async fn run(&self, run: &Run, session: &mut PgConnection) -> Result<(), Failure> {
        let mut other = run.connect_for_maintenance().await?;
        let mut attempt = 1;
        loop {
            let renaming = sqlx::raw_sql(sqlx::AssertSqlSafe(self.statements.clone()));
            let renamed = tokio::select! {
                renamed = renaming.execute(&mut *session) => renamed,
                failure = self.end_sessions(&mut other) => return Err(failure),
            };
            let Err(error) = renamed else { break };
            sqlx::raw_sql("ROLLBACK")
                .execute(&mut *session)
                .await
                .map_err(failure::at(&self.what))?;
            if failure::is(&error, failure::DUPLICATE_DATABASE) {
                let failure = failure::working(&self.what, &error);
                return Err(Failure::new(FailureKind::TargetExists, failure.message));
            }
            if attempt == ATTEMPTS || !failure::is(&error, failure::OBJECT_IN_USE) {
                return Err(failure::working(&self.what, &error));
            }
            attempt += 1;
        }
        connect::close(other).await;
        Ok(())
    }

    /// Ends sessions in the databases until it is dropped. Comes back only with a failure.
    async fn end_sessions(&self, session: &mut PgConnection) -> Failure {
        const SQL: &str = "
            SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity
            WHERE datname = ANY ($1) AND pid <> pg_catalog.pg_backend_pid()";
        loop {
            let ended: Result<i64, sqlx::Error> = sqlx::query_scalar(SQL)
                .bind(&self.emptied)
                .fetch_one(&mut *session)
                .await;
            if let Err(error) = ended {
                return failure::working("ending the sessions of the database to replace", &error);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The database that is about to get the name must be the one that we have made.
async fn check_mark(run: &Run, session: &mut PgConnection, made: &Made, what: &str) -> Result<(), Failure> {
    const SQL: &str = "
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_database
        WHERE datname = $1 AND oid::int8 = $2 AND pg_catalog.shobj_description(oid, 'pg_database') = $3";
    let count: i64 = sqlx::query_scalar(SQL)
        .bind(&made.name)
        .bind(made.oid)
        .bind(mark(&run.marker))
        .fetch_one(session)
        .await
        .map_err(failure::at(what))?;
    if count == 1 {
        return Ok(());
    }
    Err(Failure::new(
        FailureKind::TargetUnfit,
        format!(
            "{what}: somebody has changed the database {} meanwhile",
            made.name
        ),
    ))
}
