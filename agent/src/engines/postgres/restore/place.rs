//! Puts the finished database in its place, in one transaction: whatever happens, one of the two has the name.
//!
//! `ALTER DATABASE … RENAME` locks the database against new sessions first and then waits a few seconds for those that are
//! in it (`RenameDatabase`, `CountOtherDBBackends`). So those are ended while it waits: they can't come back.

use std::time::Duration;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
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

/// Gives the database its name. In [`RestoreMode::Replace`] the old one makes room and is dropped afterwards.
pub(super) async fn put(
    run: &Run,
    request: &RestoreRequest,
    session: &mut PgConnection,
    plan: &Plan,
    made: &Made,
    halfway: &Halfway,
) -> Result<Option<Warning>, Failure> {
    run.stage(Stage::Swapping {
        database: plan.to.clone(),
    });
    let replaces = request.mode == RestoreMode::Replace && exists(session, &plan.to).await?;
    let suffix = made.name.rsplit('_').next().unwrap_or_default();
    let old = replaces.then(|| shortened("", &plan.to, &format!("_dg_old_{suffix}")));
    let swap = Swap {
        what: format!("putting {} in place", plan.to),
        statements: statements(run, plan, made, old.as_deref()),
        emptied: if replaces {
            vec![plan.to.clone(), made.name.clone()]
        } else {
            vec![made.name.clone()]
        },
    };
    check_mark(run, session, made, &swap.what).await?;
    swap.run(run, session).await?;
    halfway.done(&made.name);
    let Some(old) = old else { return Ok(None) };
    run.log(&format!("{} is in place; dropping the old one", plan.to));
    match drop_database(run, session, &old).await {
        Ok(()) => Ok(None),
        Err(failure) => Ok(Some(Warning {
            database: Some(plan.description.name.clone()),
            message: format!("the replaced database is still there as {old}: {failure}"),
        })),
    }
}

/// Renaming, and the comments that say what is what, in one transaction.
fn statements(run: &Run, plan: &Plan, made: &Made, old: Option<&str>) -> String {
    let mut statements = vec!["BEGIN".to_owned()];
    let to = quote::name(&plan.to);
    if let Some(old) = old {
        let old = quote::name(old);
        statements.push(format!("ALTER DATABASE {to} RENAME TO {old}"));
        let comment = format!("{}{REPLACED}", run.marker);
        statements.push(format!("COMMENT ON DATABASE {old} IS {}", quote::text(&comment)));
    }
    statements.push(format!(
        "ALTER DATABASE {} RENAME TO {to}",
        quote::name(&made.name)
    ));
    let comment = plan
        .description
        .comment
        .as_deref()
        .map_or_else(|| "NULL".to_owned(), quote::text);
    statements.push(format!("COMMENT ON DATABASE {to} IS {comment}"));
    statements.push("COMMIT".to_owned());
    statements.join("; ")
}

/// The one short moment.
struct Swap {
    what: String,
    statements: String,
    /// The databases whose sessions are ended.
    emptied: Vec<String>,
}

impl Swap {
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
