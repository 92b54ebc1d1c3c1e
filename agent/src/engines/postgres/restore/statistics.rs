//! Gathers the planner's statistics, which a dump does not bring.

use dataguardian_core::database::Warning;
use dataguardian_core::failure::Failure;
use sqlx::PgConnection;

use crate::engines::postgres::{failure, quote};

/// Analyses the whole database at once. Where that breaks off (a foreign table among a table's children that can't be
/// reached, say) table by table: what can't be analysed is told and harms nothing.
pub(super) async fn gather(session: &mut PgConnection, database: &str) -> Result<Option<Warning>, Failure> {
    match sqlx::raw_sql("ANALYZE").execute(&mut *session).await {
        Ok(_) => Ok(None),
        Err(sqlx::Error::Database(_)) => one_by_one(session, database).await,
        Err(error) => Err(failure::working("gathering statistics", &error)),
    }
}

async fn one_by_one(session: &mut PgConnection, database: &str) -> Result<Option<Warning>, Failure> {
    const SQL: &str = "
        SELECT n.nspname::text, c.relname::text
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname <> 'information_schema'
            AND n.nspname !~ '^pg_(toast|temp)' ORDER BY 1, 2";
    let tables: Vec<(String, String)> = sqlx::query_as(SQL)
        .fetch_all(&mut *session)
        .await
        .map_err(failure::at("listing the tables to analyse"))?;
    let mut trouble = None;
    for (schema, table) in tables {
        let sql = format!("ANALYZE {}", quote::qualified(&schema, &table));
        match sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut *session)
            .await
        {
            Ok(_) => {}
            Err(error @ sqlx::Error::Database(_)) => {
                let what = format!("no statistics were gathered for {schema}.{table}");
                trouble = Some(failure::working(&what, &error).message);
            }
            Err(error) => return Err(failure::working("gathering statistics", &error)),
        }
    }
    Ok(trouble.map(|message| Warning {
        database: Some(database.to_owned()),
        message,
    }))
}
