//! Databases that a restore has made and not finished, and how they are dropped: only what can be proven to be ours.
//!
//! The proof is a table in it whose comment names the execution.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use dataguardian_core::database::Warning;
use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::mysql::MySqlConnection;

use super::plan::Plan;
use super::swap;
use crate::engines::mysql::connect::{self, ask_names, execute};
use crate::engines::mysql::describe::character_set;
use crate::engines::mysql::run::{Programs, Run};
use crate::engines::mysql::{failure, quote};

/// The table that says that its database is not whole.
pub(super) const UNFINISHED: &str = "_dataguardian_unfinished";

/// The databases of one restore that are not finished.
#[derive(Debug, Default)]
pub(super) struct Halfway(Mutex<BTreeSet<String>>);

impl Halfway {
    fn names(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a database and marks it as ours.
    pub(super) async fn create(
        &self,
        run: &Run,
        session: &mut MySqlConnection,
        plan: &Plan,
    ) -> Result<(), Failure> {
        let name = &plan.beside;
        let sql = format!(
            "CREATE DATABASE {} {}",
            quote::name(name),
            character_set(&plan.description)
        );
        let created = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut *session)
            .await;
        match created {
            Ok(_) => {
                self.names().insert(name.clone());
            }
            Err(error) if failure::number(&error) == Some(failure::DATABASE_EXISTS) => {
                let message = format!("database {name} exists at the target");
                return Err(Failure::new(FailureKind::TargetExists, message));
            }
            Err(error) => return Err(failure::working(&format!("creating database {name}"), &error)),
        }
        let sql = format!(
            "CREATE TABLE {}.{UNFINISHED} (id int PRIMARY KEY) COMMENT = {}",
            quote::name(name),
            quote::text(&run.marker.to_string())
        );
        execute(session, sql, "marking a database as unfinished").await
    }

    /// The database is whole: the mark goes.
    pub(super) async fn complete(&self, session: &mut MySqlConnection, name: &str) -> Result<(), Failure> {
        let sql = format!("DROP TABLE {}.{UNFINISHED}", quote::name(name));
        execute(session, sql, "marking a database as whole").await?;
        self.done(name);
        Ok(())
    }

    /// Drops a database of ours that is not needed any more.
    pub(super) async fn discard(&self, session: &mut MySqlConnection, name: &str) -> Result<(), Failure> {
        drop_database(session, name).await?;
        self.done(name);
        Ok(())
    }

    pub(super) fn done(&self, name: &str) {
        self.names().remove(name);
    }

    /// Leaves them, and says which.
    pub(super) fn keep_all(&self) -> Vec<String> {
        std::mem::take(&mut *self.names()).into_iter().collect()
    }

    /// Drops all. What can't be dropped is told to the log.
    pub(super) async fn drop_all(&self, run: &Run) {
        let names = std::mem::take(&mut *self.names());
        if names.is_empty() {
            return;
        }
        let dropped = async {
            let mut session = connect::open(&run.target).await?;
            for name in &names {
                drop_database(&mut session, name).await?;
            }
            connect::close(session).await;
            Ok::<(), Failure>(())
        };
        if let Err(failure) = dropped.await {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            run.warn(&format!(
                "unfinished databases could not be dropped ({}): {failure}",
                names.join(", ")
            ));
        }
    }
}

/// Sees to what earlier attempts of the same execution left: swaps that were under way are undone, databases that are not
/// whole are dropped.
pub(super) async fn sweep(
    run: &Run,
    programs: &Programs,
    session: &mut MySqlConnection,
) -> Result<Vec<Warning>, Failure> {
    let mut warnings = Vec::new();
    let prefix = run.marker.execution_prefix();
    for name in marked(session, swap::UNDO, &prefix).await? {
        swap::undo_left(run, programs, session, &name).await?;
        warnings.push(told(
            run,
            format!(
                "the replacement that an earlier attempt had begun was undone; {name} held the old tables"
            ),
        ));
    }
    for name in marked(session, UNFINISHED, &prefix).await? {
        drop_database(session, &name).await?;
        warnings.push(told(
            run,
            format!("database {name}, which an earlier attempt had left unfinished, was dropped"),
        ));
    }
    Ok(warnings)
}

fn told(run: &Run, message: String) -> Warning {
    run.warn(&message);
    Warning {
        database: None,
        message,
    }
}

/// The databases with a table of that name whose comment begins so.
async fn marked(session: &mut MySqlConnection, table: &str, prefix: &str) -> Result<Vec<String>, Failure> {
    let sql = format!(
        "SELECT table_schema FROM information_schema.tables WHERE table_name = {} AND LEFT(table_comment, {}) = {} \
         ORDER BY table_schema",
        quote::text(table),
        prefix.len(),
        quote::text(prefix)
    );
    ask_names(session, sql, "looking for what earlier attempts left").await
}

pub(super) async fn drop_database(session: &mut MySqlConnection, name: &str) -> Result<(), Failure> {
    // A foreign key of another database would hold it; it was not there before.
    execute(
        session,
        "SET SESSION foreign_key_checks = 0",
        "dropping a database",
    )
    .await?;
    let sql = format!("DROP DATABASE IF EXISTS {}", quote::name(name));
    execute(session, sql, &format!("dropping database {name}")).await
}
