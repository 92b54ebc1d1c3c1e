//! Which databases a server has.

use dataguardian_core::failure::Failure;
use dataguardian_core::target::ConnectionTarget;
use sqlx::mysql::MySqlConnection;

use super::connect::{self, ask};
use super::flavour::Flavour;
use crate::engines::discover::DiscoveredDatabase;

/// What belongs to the server itself, in the order of SQL's `IN`.
const OF_THE_SERVER: &str = "('mysql', 'information_schema', 'performance_schema', 'sys', 'ndbinfo')";

/// All databases of the server but its own, by name.
pub(super) async fn discover(target: &ConnectionTarget) -> Result<Vec<DiscoveredDatabase>, Failure> {
    let mut session = connect::open(target).await?;
    let version = connect::ask_one(&mut session, "SELECT VERSION()", "asking for the version").await?;
    Flavour::of(target.engine).confirm(&version.unwrap_or_default())?;
    let found = list(&mut session).await;
    connect::close(session).await;
    found
}

pub(super) async fn list(session: &mut MySqlConnection) -> Result<Vec<DiscoveredDatabase>, Failure> {
    let sql = format!(
        "SELECT s.schema_name, SUM(t.data_length + t.index_length) FROM information_schema.schemata s
         LEFT JOIN information_schema.tables t ON t.table_schema = s.schema_name
         WHERE LOWER(s.schema_name) NOT IN {OF_THE_SERVER} GROUP BY s.schema_name ORDER BY s.schema_name"
    );
    let rows = ask(session, sql, "listing the databases").await?;
    let described = |row: &connect::TextRow| DiscoveredDatabase {
        name: row.text(0),
        // The sum may be a decimal.
        size: row.get(1).and_then(|size| size.split('.').next()?.parse().ok()),
        owner: String::new(),
        allows_connections: true,
        is_template: false,
    };
    Ok(rows.iter().map(described).collect())
}
