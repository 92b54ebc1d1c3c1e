//! Which databases a server has.

use dataguardian_core::failure::Failure;
use dataguardian_core::target::ConnectionTarget;
use sqlx::PgConnection;

use super::{connect, failure};
use crate::engines::discover::DiscoveredDatabase;

/// All databases of the server, by name.
pub async fn discover(target: &ConnectionTarget) -> Result<Vec<DiscoveredDatabase>, Failure> {
    let database = connect::maintenance_database(target);
    let mut connection = connect::open(target, database, "dataguardian discover").await?;
    let databases = list(&mut connection).await;
    connect::close(connection).await;
    databases
}

pub(super) async fn list(connection: &mut PgConnection) -> Result<Vec<DiscoveredDatabase>, Failure> {
    // An invalid database (a DROP that broke off, PostgreSQL 11.21 and later: connection limit -2) is in nobody's way.
    const SQL: &str = "
        SELECT datname::text, pg_catalog.pg_get_userbyid(datdba)::text, datallowconn, datistemplate,
            CASE WHEN pg_catalog.has_database_privilege(oid, 'CONNECT')
                OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
                THEN pg_catalog.pg_database_size(oid) END
        FROM pg_catalog.pg_database WHERE datconnlimit <> -2 ORDER BY datname";
    let rows: Vec<(String, String, bool, bool, Option<i64>)> = sqlx::query_as(SQL)
        .fetch_all(connection)
        .await
        .map_err(failure::at("listing the databases"))?;
    let described =
        |(name, owner, allows_connections, is_template, size): (String, String, bool, bool, Option<i64>)| {
            DiscoveredDatabase {
                name,
                size: size.and_then(|size| u64::try_from(size).ok()),
                owner,
                allows_connections,
                is_template,
            }
        };
    Ok(rows.into_iter().map(described).collect())
}
