//! What a database holds besides rows, listed and dropped.

use std::collections::BTreeSet;

use dataguardian_core::failure::Failure;
use sqlx::mysql::MySqlConnection;

use crate::engines::mysql::connect::{ask, ask_names, execute};
use crate::engines::mysql::quote;

/// The tables and sequences of a database, by name.
pub(super) async fn tables(session: &mut MySqlConnection, database: &str) -> Result<Vec<String>, Failure> {
    let sql = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_type NOT LIKE '%VIEW' \
         ORDER BY table_name",
        quote::text(database)
    );
    ask_names(session, sql, "listing tables").await
}

/// Which of these kinds and names there are in a database: of tables, views and sequences; of triggers; and of routines.
pub(super) async fn taken(
    session: &mut MySqlConnection,
    database: &str,
    objects: &[(&'static str, String)],
) -> Result<Vec<(&'static str, String)>, Failure> {
    let own = quote::text(database);
    let sql = format!(
        "SELECT 'TABLE' AS kind, table_name AS name FROM information_schema.tables WHERE table_schema = {own} \
         UNION ALL SELECT 'TRIGGER', trigger_name FROM information_schema.triggers WHERE trigger_schema = {own} \
         UNION ALL SELECT 'ROUTINE', routine_name FROM information_schema.routines WHERE routine_schema = {own}"
    );
    let there: BTreeSet<(String, String)> = ask(session, sql, "looking for names that are taken")
        .await?
        .iter()
        .map(|row| (row.text(0), row.text(1).to_uppercase()))
        .collect();
    let is_taken = |(kind, name): &&(&'static str, String)| {
        let kind = match *kind {
            "TABLE" | "SEQUENCE" | "VIEW" => "TABLE",
            "TRIGGER" => "TRIGGER",
            _ => "ROUTINE",
        };
        there.contains(&(kind.to_owned(), name.to_uppercase()))
    };
    Ok(objects.iter().filter(is_taken).cloned().collect())
}

/// Drops triggers, views, routines and events; what is left are tables.
pub(super) async fn drop_programs(session: &mut MySqlConnection, database: &str) -> Result<(), Failure> {
    const WHAT: &str = "dropping triggers, views, routines and events";
    let own = quote::text(database);
    let sql = format!(
        "SELECT 'TRIGGER' AS kind, trigger_name AS name FROM information_schema.triggers WHERE trigger_schema = {own} \
         UNION ALL SELECT 'VIEW', table_name FROM information_schema.views WHERE table_schema = {own} \
         UNION ALL SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = {own} \
         UNION ALL SELECT 'EVENT', event_name FROM information_schema.events WHERE event_schema = {own}"
    );
    for row in ask(session, sql, WHAT).await? {
        let (kind, name) = (row.text(0), row.text(1));
        // A package's body goes with the package, which older MariaDB knows in one mode alone.
        if kind == "PACKAGE" {
            execute(session, "SET SESSION sql_mode = 'ORACLE'", WHAT).await?;
        }
        if kind != "PACKAGE BODY" {
            let sql = format!(
                "DROP {kind} IF EXISTS {}.{}",
                quote::name(database),
                quote::name(&name)
            );
            execute(session, sql, WHAT).await?;
        }
        if kind == "PACKAGE" {
            execute(session, "SET SESSION sql_mode = ''", WHAT).await?;
        }
    }
    Ok(())
}
