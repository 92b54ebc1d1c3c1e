//! What a database holds besides rows, listed and dropped.

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
