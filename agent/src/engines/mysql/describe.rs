//! What has to be known of the chosen databases besides what a dump says.

use std::collections::BTreeMap;

use dataguardian_core::database::{DatabaseDescription, DatabaseNeeds, Locale, Warning};
use dataguardian_core::failure::Failure;
use sqlx::mysql::MySqlConnection;

use super::connect::ask;
use super::quote;

/// A table or view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) database: String,
    pub(super) name: String,
    pub(super) is_view: bool,
    /// A view that refers to what is not there: no program can dump it.
    pub(super) is_broken: bool,
    engine: String,
    bytes: u64,
}

/// All that was found.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) databases: Vec<DatabaseDescription>,
    pub(super) relations: Vec<Relation>,
    /// Databases and tables of MariaDB whose rows tell of transactions since when they are: no program dumps such a history.
    pub(super) by_transaction: Vec<(String, String)>,
    pub(super) warnings: Vec<Warning>,
}

#[cfg(test)]
impl Relation {
    /// A table with nothing in it.
    pub(super) fn table(database: &str, name: &str) -> Self {
        Self {
            database: database.to_owned(),
            name: name.to_owned(),
            is_view: false,
            is_broken: false,
            engine: "InnoDB".to_owned(),
            bytes: 0,
        }
    }
}

impl Described {
    /// How many tables of a database hold rows, and their size on the source's disk.
    pub(super) fn size_of(&self, database: &str) -> (usize, u64) {
        let tables = self
            .relations
            .iter()
            .filter(|relation| relation.database == database && !relation.is_view);
        tables.fold((0, 0), |(count, bytes), table| (count + 1, bytes + table.bytes))
    }
}

/// Looks at databases.
pub(super) async fn describe(
    session: &mut MySqlConnection,
    databases: &[String],
) -> Result<Described, Failure> {
    let chosen = listed(databases);
    let sql = format!(
        "SELECT schema_name, default_character_set_name, default_collation_name FROM information_schema.schemata \
         WHERE schema_name IN ({chosen})"
    );
    let rows = ask(session, sql, "reading the databases' character sets").await?;
    let mut found: BTreeMap<String, DatabaseDescription> = rows
        .iter()
        .map(|row| (row.text(0), description(row.text(0), row.text(1), row.text(2))))
        .collect();
    let relations = relations(session, &chosen).await?;
    for (database, definer) in definers(session, &chosen).await? {
        if let Some(found) = found.get_mut(&database) {
            found.needs.roles.push(definer);
        }
    }
    let mut warnings = Vec::new();
    let transactional = transactional(session).await?;
    let by_transaction = by_transaction(session, &chosen).await?;
    for (name, found) in &mut found {
        let own = || relations.iter().filter(|relation| relation.database == *name);
        let mut engines: Vec<String> = own()
            .map(|relation| relation.engine.clone())
            .filter(|engine| !engine.is_empty())
            .collect();
        engines.sort();
        engines.dedup();
        found.needs.extensions = engines;
        let unsafe_tables: Vec<&str> = own()
            .filter(|relation| {
                !relation.is_view && !relation.engine.is_empty() && !transactional.contains(&relation.engine)
            })
            .map(|relation| relation.name.as_str())
            .collect();
        warnings.extend(warning(
            name,
            &unsafe_tables,
            "tables whose engine knows no transactions are not of the one moment that \
            the rest shows, and rows that change meanwhile may be torn",
        ));
        let broken: Vec<&str> = own()
            .filter(|relation| relation.is_broken)
            .map(|relation| relation.name.as_str())
            .collect();
        warnings.extend(warning(
            name,
            &broken,
            "views that refer to what is not there, or that their definers may not read, can't \
            be dumped and are left out",
        ));
        let precise: Vec<&str> = by_transaction
            .iter()
            .filter(|(database, _)| database == name)
            .map(|(_, table)| table.as_str())
            .collect();
        warnings.extend(warning(
            name,
            &precise,
            "tables that keep a history by transactions, which the client program can't dump: the history of no table is in \
            the backup; with a datasource of its own for their database the others keep theirs",
        ));
    }
    // In the order in which they were chosen.
    let databases = databases.iter().filter_map(|name| found.remove(name)).collect();
    Ok(Described {
        databases,
        relations,
        by_transaction,
        warnings,
    })
}

fn description(name: String, charset: String, collation: String) -> DatabaseDescription {
    DatabaseDescription {
        name,
        encoding: Some(charset),
        locale: Some(Locale {
            collate: collation,
            ..Locale::default()
        }),
        needs: DatabaseNeeds::default(),
        ..DatabaseDescription::default()
    }
}

/// The statement that gives the current database a character set.
pub(super) fn character_set(description: &DatabaseDescription) -> String {
    let charset = description.encoding.as_deref().unwrap_or("utf8mb4");
    let collation = description
        .locale
        .as_ref()
        .map(|locale| locale.collate.as_str())
        .unwrap_or_default();
    let mut sql = format!("CHARACTER SET {}", quote::name(charset));
    if !collation.is_empty() {
        sql += &format!(" COLLATE {}", quote::name(collation));
    }
    sql
}

async fn relations(session: &mut MySqlConnection, chosen: &str) -> Result<Vec<Relation>, Failure> {
    let sql = format!(
        "SELECT table_schema, table_name, table_type, COALESCE(engine, ''), COALESCE(data_length, 0) + COALESCE(index_length, 0), \
         COALESCE(table_comment, '') FROM information_schema.tables WHERE table_schema IN ({chosen}) \
         ORDER BY table_schema, table_name"
    );
    let rows = ask(session, sql, "listing the tables").await?;
    let relation = |row: &super::connect::TextRow| {
        let is_view = row.text(2).contains("VIEW");
        Relation {
            database: row.text(0),
            name: row.text(1),
            is_view,
            // A whole view's comment is the one word; a broken one's is the error.
            is_broken: is_view && !row.text(5).is_empty() && row.text(5) != "VIEW",
            engine: row.text(3),
            bytes: row.number(4),
        }
    };
    Ok(rows.iter().map(relation).collect())
}

/// The accounts in whose name something works, by database.
async fn definers(session: &mut MySqlConnection, chosen: &str) -> Result<Vec<(String, String)>, Failure> {
    let of = |table: &str, schema: &str| {
        format!(
            "SELECT {schema} AS db, definer AS definer FROM information_schema.{table} WHERE {schema} IN ({chosen})"
        )
    };
    let sql = [
        of("triggers", "trigger_schema"),
        of("routines", "routine_schema"),
        of("events", "event_schema"),
        of("views", "table_schema"),
    ]
    .join(" UNION ");
    let rows = ask(
        session,
        format!("SELECT DISTINCT db, definer FROM ({sql}) found ORDER BY db, definer"),
        "listing definers",
    )
    .await?;
    Ok(rows
        .iter()
        .map(|row| (row.text(0), row.text(1)))
        .filter(|(_, definer)| !definer.is_empty())
        .collect())
}

async fn by_transaction(
    session: &mut MySqlConnection,
    chosen: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let sql = format!(
        "SELECT table_schema, table_name FROM information_schema.columns WHERE table_schema IN ({chosen}) \
         AND generation_expression = 'ROW START' AND data_type = 'bigint' ORDER BY table_schema, table_name"
    );
    let rows = ask(session, sql, "looking for histories by transactions").await?;
    Ok(rows.iter().map(|row| (row.text(0), row.text(1))).collect())
}

async fn transactional(session: &mut MySqlConnection) -> Result<Vec<String>, Failure> {
    // MariaDB's sequences say so of themselves too.
    let sql = "SELECT engine FROM information_schema.engines WHERE transactions = 'YES'";
    super::connect::ask_names(session, sql, "listing the engines").await
}

/// What changes when a table does: to be compared with an earlier one.
pub(super) async fn fingerprint(
    session: &mut MySqlConnection,
    databases: &[String],
) -> Result<Vec<String>, Failure> {
    let chosen = listed(databases);
    let sql = format!(
        "SELECT CONCAT_WS('/', table_schema, table_name, MAX(create_time), SUM(columns), SUM(hash)) FROM (
            SELECT table_schema, table_name, create_time, 0 AS columns, 0 AS hash FROM information_schema.tables
            WHERE table_schema IN ({chosen}) AND table_type NOT LIKE '%VIEW'
            UNION ALL SELECT table_schema, table_name, NULL, 1, CRC32(CONCAT_WS('/', column_name, column_type, ordinal_position))
            FROM information_schema.columns WHERE table_schema IN ({chosen})
        ) found GROUP BY table_schema, table_name ORDER BY table_schema, table_name"
    );
    super::connect::ask_names(session, sql, "looking whether tables were changed").await
}

/// Names as SQL's `IN` takes them.
pub(super) fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| quote::text(name)).collect();
    quoted.join(", ")
}

fn warning(database: &str, names: &[&str], what: &str) -> Option<Warning> {
    const SHOWN: usize = 5;
    let shown = names.get(..SHOWN.min(names.len()))?.join(", ");
    let more = match names.len() {
        0 => return None,
        1..=SHOWN => String::new(),
        many => format!(" and {} more", many - SHOWN),
    };
    Some(Warning {
        database: Some(database.to_owned()),
        message: format!("{what}: {shown}{more}"),
    })
}
