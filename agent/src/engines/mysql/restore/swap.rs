//! Puts a database in the place of a live one.
//!
//! Names of databases can't be swapped, but tables can be renamed from one database into another, all of them by one statement
//! that happens or does not. Triggers, views, routines and events can't be renamed: they are dropped and made again. So that
//! nothing of the live database is lost whatever happens, what makes them again is first written into a table of the server
//! itself, and the old tables are dropped last of all. A swap that is broken off, even by the end of the agent, is undone by
//! [`undo_left`].

use bytes::Bytes;
use dataguardian_core::failure::{Failure, FailureKind};
use sqlx::mysql::MySqlConnection;

use super::halfway::{self, Halfway, UNFINISHED};
use super::load::Loader;
use super::objects::{drop_programs, tables};
use super::part::Part;
use super::plan::Plan;
use super::rewrite::places_of_views;
use crate::engines::mysql::connect::{ask, ask_one, execute};
use crate::engines::mysql::describe::character_set;
use crate::engines::mysql::dump::schema_of;
use crate::engines::mysql::quote;
use crate::engines::mysql::run::{Programs, Run};
use crate::engines::mysql::server::Server;

/// The table that holds what makes the old database's triggers, views, routines and events again.
pub(super) const UNDO: &str = "_dataguardian_undo";

/// How much of that goes into one row.
const PART: usize = 256 << 10;

/// A swap about to be made.
pub(super) struct Swap<'a> {
    pub(super) run: &'a Run,
    pub(super) programs: &'a Programs,
    pub(super) server: &'a Server,
    pub(super) plan: &'a Plan,
}

impl Swap<'_> {
    /// Swaps. `after` makes the new database's triggers, views, routines and events.
    pub(super) async fn swap(&self, session: &mut MySqlConnection, after: &[u8]) -> Result<(), Failure> {
        let Self {
            run, programs, plan, ..
        } = self;
        self.write_down(session).await?;
        let swapped = async {
            drop_programs(session, &plan.to).await?;
            drop_programs(session, &plan.beside).await?;
            self.rename(session).await?;
            let sql = format!(
                "ALTER DATABASE {} {}",
                quote::name(&plan.to),
                character_set(&plan.description)
            );
            execute(session, sql, "setting the character set").await?;
            redirect_sequences(session, &plan.beside, &plan.to).await?;
            let loader = Loader {
                run,
                programs,
                database: &plan.to,
            };
            loader.run_text(after, "what comes after the rows").await
        };
        if let Err(failure) = swapped.await {
            let undone = undo_left(run, programs, session, &plan.old).await;
            return Err(undone.err().map_or(failure.clone(), |undoing| {
                Failure::new(
                    failure.kind,
                    format!(
                        "{failure}; and the database that was to be replaced could not be put back: {undoing}; its tables are in \
                         {} or {}, and what makes its triggers, views, routines and events again is in the table {UNDO} of {}",
                        plan.to, plan.old, plan.old
                    ),
                )
            }));
        }
        halfway::drop_database(session, &plan.old).await
    }

    /// Makes the place for the old tables, with what is needed to undo the swap.
    async fn write_down(&self, session: &mut MySqlConnection) -> Result<(), Failure> {
        let Self {
            run,
            programs,
            server,
            plan,
        } = self;
        let (before, after) = schema_of(run, programs, server, session, &plan.to).await?;
        let script = [places_of_views(&before)?, after].concat();
        let settings = settings(session, &plan.to).await?;
        let old = quote::name(&plan.old);
        execute(
            session,
            format!("CREATE DATABASE {old} {settings}"),
            "making room for the old tables",
        )
        .await?;
        let sql = format!(
            "CREATE TABLE {old}.{UNDO} (part int PRIMARY KEY, live varchar(64) CHARACTER SET utf8mb4, \
             settings varchar(255) CHARACTER SET utf8mb4, script longblob) COMMENT = {}",
            quote::text(&run.marker.to_string())
        );
        execute(session, sql, "making room for the old tables").await?;
        let mut parts: Vec<&[u8]> = script.chunks(PART).collect();
        if parts.is_empty() {
            parts.push(b"");
        }
        for (number, part) in parts.into_iter().enumerate() {
            let sql = format!(
                "INSERT INTO {old}.{UNDO} VALUES ({number}, {}, {}, X'{}')",
                quote::text(&plan.to),
                quote::text(&settings),
                hex::encode(part)
            );
            execute(session, sql, "writing down how to undo").await?;
        }
        Ok(())
    }

    /// All tables change places, by one statement.
    async fn rename(&self, session: &mut MySqlConnection) -> Result<(), Failure> {
        let plan = self.plan;
        let (live, new) = (
            tables(session, &plan.to).await?,
            tables(session, &plan.beside).await?,
        );
        let new: Vec<String> = new.into_iter().filter(|name| name != UNFINISHED).collect();
        let renames = pairs(&live, &plan.to, &plan.old).chain(pairs(&new, &plan.beside, &plan.to));
        rename_all(session, renames.collect()).await
    }
}

/// Gives a database that was made beside its name, which nobody has.
pub(super) async fn move_to_free_name(
    run: &Run,
    programs: &Programs,
    session: &mut MySqlConnection,
    plan: &Plan,
    after: &[u8],
    halfway: &Halfway,
) -> Result<(), Failure> {
    let named = Plan {
        beside: plan.to.clone(),
        ..plan.clone()
    };
    halfway.create(run, session, &named).await?;
    drop_programs(session, &plan.beside).await?;
    let names: Vec<String> = tables(session, &plan.beside)
        .await?
        .into_iter()
        .filter(|name| name != UNFINISHED)
        .collect();
    rename_all(session, pairs(&names, &plan.beside, &plan.to).collect()).await?;
    redirect_sequences(session, &plan.beside, &plan.to).await?;
    let loader = Loader {
        run,
        programs,
        database: &plan.to,
    };
    loader.run_text(after, "what comes after the rows").await?;
    halfway.complete(session, &plan.to).await?;
    halfway.discard(session, &plan.beside).await
}

/// Adds the part's tables to a database that exists: all by one renaming, which fails if any name is taken. If their triggers and
/// routines can't be made there, all of it goes again.
pub(super) async fn move_into(
    run: &Run,
    programs: &Programs,
    session: &mut MySqlConnection,
    (plan, part): (&Plan, &Part),
    after: &[u8],
    halfway: &Halfway,
) -> Result<(), Failure> {
    drop_programs(session, &plan.beside).await?;
    let names: Vec<String> = tables(session, &plan.beside)
        .await?
        .into_iter()
        .filter(|name| name != UNFINISHED)
        .collect();
    rename_all(session, pairs(&names, &plan.beside, &plan.to).collect()).await?;
    let completed = async {
        redirect_sequences(session, &plan.beside, &plan.to).await?;
        let loader = Loader {
            run,
            programs,
            database: &plan.to,
        };
        loader.run_text(after, "what comes after the rows").await
    };
    if let Err(failure) = completed.await {
        let undone = take_away(session, &plan.to, &names, part).await;
        return Err(undone.err().map_or(failure.clone(), |undoing| {
            let message = format!(
                "{failure}; and what was added to {} could not be taken away again: {undoing}",
                plan.to
            );
            Failure::new(failure.kind, message)
        }));
    }
    halfway.discard(session, &plan.beside).await
}

/// Takes away what was added to a live database: the tables, their triggers with them, and the routines that came along.
async fn take_away(
    session: &mut MySqlConnection,
    database: &str,
    tables: &[String],
    part: &Part,
) -> Result<(), Failure> {
    const WHAT: &str = "taking away what was added";
    let sql = format!("DROP TABLE {}", objects_of(database, tables).join(", "));
    execute(session, sql, WHAT).await?;
    for (kind, name) in part.routines() {
        let sql = format!(
            "DROP {kind} IF EXISTS {}.{}",
            quote::name(database),
            quote::name(name)
        );
        execute(session, sql, WHAT).await?;
    }
    Ok(())
}

fn objects_of(database: &str, names: &[String]) -> Vec<String> {
    let named = |name: &String| format!("{}.{}", quote::name(database), quote::name(name));
    names.iter().map(named).collect()
}

/// Undoes a swap that was not completed, as far as it came. `old` is where the old tables are or were to go.
pub(super) async fn undo_left(
    run: &Run,
    programs: &Programs,
    session: &mut MySqlConnection,
    old: &str,
) -> Result<(), Failure> {
    let sql = format!(
        "SELECT live, settings, HEX(script) FROM {}.{UNDO} ORDER BY part",
        quote::name(old)
    );
    let rows = ask(session, sql, "reading how to undo").await?;
    let Some(first) = rows.first() else {
        // It was not written down yet, so nothing had been touched.
        return halfway::drop_database(session, old).await;
    };
    let (live, settings) = (first.text(0), first.text(1));
    let mut script = Vec::new();
    for row in &rows {
        let part = hex::decode(row.text(2))
            .map_err(|_| Failure::new(FailureKind::DatabaseError, "what was written down can't be read"))?;
        script.extend(part);
    }
    let moved: Vec<String> = tables(session, old)
        .await?
        .into_iter()
        .filter(|name| name != UNDO)
        .collect();
    drop_programs(session, &live).await?;
    // Either all had been renamed or none. A database without any table looks the same both ways, and is the same.
    if !moved.is_empty() {
        let aside = format!("{}_x", old.chars().take(62).collect::<String>());
        let new = tables(session, &live).await?;
        execute(
            session,
            format!("CREATE DATABASE {}", quote::name(&aside)),
            "making room",
        )
        .await?;
        let renames = pairs(&new, &live, &aside).chain(pairs(&moved, old, &live));
        rename_all(session, renames.collect()).await?;
        halfway::drop_database(session, &aside).await?;
    }
    execute(
        session,
        format!("ALTER DATABASE {} {settings}", quote::name(&live)),
        "putting the character set back",
    )
    .await?;
    let loader = Loader {
        run,
        programs,
        database: &live,
    };
    loader
        .run_stream(
            Box::pin(futures::stream::iter([Ok(Bytes::from(script))])),
            "the old triggers, views, routines and events",
        )
        .await?;
    halfway::drop_database(session, old).await
}

fn pairs<'a>(names: &'a [String], from: &'a str, to: &'a str) -> impl Iterator<Item = String> + 'a {
    names.iter().map(move |name| {
        let name = quote::name(name);
        format!("{}.{name} TO {}.{name}", quote::name(from), quote::name(to))
    })
}

async fn rename_all(session: &mut MySqlConnection, renames: Vec<String>) -> Result<(), Failure> {
    if renames.is_empty() {
        return Ok(());
    }
    execute(session, "SET SESSION foreign_key_checks = 0", "renaming tables").await?;
    execute(
        session,
        format!("RENAME TABLE {}", renames.join(", ")),
        "renaming tables",
    )
    .await
}

/// MariaDB's columns name the database of the sequence that they use, and a renamed table goes on naming the old one.
async fn redirect_sequences(session: &mut MySqlConnection, from: &str, to: &str) -> Result<(), Failure> {
    const WHAT: &str = "letting columns use their sequences";
    let old = format!("nextval({}.", quote::name(from));
    let sql = format!(
        "SELECT table_name, column_name, column_default FROM information_schema.columns \
         WHERE table_schema = {} AND INSTR(column_default, {}) > 0",
        quote::text(to),
        quote::text(&old)
    );
    for row in ask(session, sql, WHAT).await? {
        let default = row
            .text(2)
            .replace(&old, &format!("nextval({}.", quote::name(to)));
        let sql = format!(
            "ALTER TABLE {}.{} ALTER COLUMN {} SET DEFAULT ({default})",
            quote::name(to),
            quote::name(&row.text(0)),
            quote::name(&row.text(1))
        );
        execute(session, sql, WHAT).await?;
    }
    Ok(())
}

/// The character set of a database, as `ALTER DATABASE` takes it.
async fn settings(session: &mut MySqlConnection, database: &str) -> Result<String, Failure> {
    let sql = format!(
        "SELECT CONCAT('CHARACTER SET ', default_character_set_name, ' COLLATE ', default_collation_name) \
         FROM information_schema.schemata WHERE schema_name = {}",
        quote::text(database)
    );
    Ok(ask_one(session, sql, "reading the character set")
        .await?
        .unwrap_or_default())
}
