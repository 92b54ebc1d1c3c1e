//! The parts that a backup is made of.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::object_choice::ObjectPath;

/// What a stream of a backup holds. Streams are stored in the order in which a restore needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamRole {
    /// Roles, users, grants: what belongs to the instance and to no database. SQL.
    Globals,
    /// The schema as the engine's own archive (PostgreSQL's custom format), for selection and parallel index builds.
    /// The only role that is not SQL; leave it out when streams are joined into one script.
    SchemaArchive,
    /// Everything that must exist before rows: schemas, types, functions, tables. SQL.
    SchemaBeforeData,
    /// The rows of one table, framed as SQL.
    TableData,
    /// The values of all sequences. SQL.
    Sequences,
    /// Large objects with owners, grants and comments. SQL.
    LargeObjects,
    /// Indexes, constraints, triggers, rules, what refreshes materialised views. SQL.
    SchemaAfterData,
}

impl StreamRole {
    /// Whether the stream is part of the script that a plain SQL client can run.
    pub const fn is_sql(self) -> bool {
        !matches!(self, Self::SchemaArchive)
    }
}

/// A table's name: schema and name as the database's catalogue has them, unquoted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// The schema; for MySQL and MariaDB the database.
    pub schema: String,
    /// The object's own name.
    pub name: String,
}

impl ObjectName {
    /// The table's name in a backup of that database, as a person writes it to choose it: with the schema where the engine has
    /// schemas.
    pub fn path_in(&self, database: &str, engine: Engine) -> ObjectPath {
        let schema = if engine.has_schemas() { &self.schema } else { "" };
        ObjectPath::of(&[database, schema, &self.name])
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// What is known of a stream before its first byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamHeader {
    /// What it holds.
    pub role: StreamRole,
    /// The database it comes from; none for globals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The table whose rows it holds, for [`StreamRole::TableData`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectName>,
}

impl StreamHeader {
    /// In words: `rows of shop.public.orders`, of MySQL and MariaDB `rows of shop.orders`.
    pub fn describe(&self, engine: Engine) -> String {
        let role = match self.role {
            StreamRole::Globals => "globals",
            StreamRole::SchemaArchive => "schema archive",
            StreamRole::SchemaBeforeData => "schema before data",
            StreamRole::TableData => "rows",
            StreamRole::Sequences => "sequences",
            StreamRole::LargeObjects => "large objects",
            StreamRole::SchemaAfterData => "schema after data",
        };
        match (&self.database, &self.object) {
            (Some(database), Some(object)) => format!("{role} of {}", object.path_in(database, engine)),
            (Some(database), None) => format!("{role} of {database}"),
            (None, _) => role.to_owned(),
        }
    }
}

/// What is known of a stream after its last byte, from whoever produced it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEnd {
    /// Rows, or objects, as the database counted them; none where counting makes no sense.
    pub rows: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_as_its_table_is_chosen() {
        let rows = |schema: &str, name: &str| StreamHeader {
            role: StreamRole::TableData,
            database: Some("shop".to_owned()),
            object: Some(ObjectName {
                schema: schema.to_owned(),
                name: name.to_owned(),
            }),
        };
        for (stream, engine, told) in [
            (
                rows("public", "orders"),
                Engine::Postgres,
                "rows of shop.public.orders",
            ),
            (
                rows("shop", "orders"),
                Engine::Postgres,
                "rows of shop.shop.orders",
            ),
            (rows("shop", "orders"), Engine::MySql, "rows of shop.orders"),
            (rows("shop", "a.b"), Engine::MariaDb, "rows of shop.\"a.b\""),
        ] {
            assert_eq!(stream.describe(engine), told);
        }
    }
}
