//! What there is to dump in a database, by the rules of `pg_dump`.
//!
//! All of them follow `pg_dump`'s `selectDumpable…`, `processExtensionTables` and `makeTableDataInfo`: what belongs to the
//! system or to an extension is left to them, but rows of an extension's configuration tables are the user's.

use std::collections::BTreeMap;

use dataguardian_core::failure::Failure;
use dataguardian_core::stream::ObjectName;
use sqlx::PgConnection;

use super::exclusions::{self, Exclusions, Settled};
use super::failure;

/// The first object id that is not the system's own (`FirstNormalObjectId`): extensions below it came with `initdb`.
const FIRST_NORMAL_OID: i64 = 16_384;

/// A relation that is dumped, as the transaction's snapshot sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Relation {
    pub(super) oid: i64,
    pub(super) name: ObjectName,
    /// An ordinary table, with rows of its own; else a partitioned one.
    pub(super) has_rows: bool,
    pub(super) unlogged: bool,
    /// Bytes on disk with what is stored out of line; 0 until [`measure`] was asked.
    pub(super) size: u64,
    /// The file that its rows are in, as the snapshot sees it; a rewrite or TRUNCATE changes it.
    pub(super) filenode: i64,
    /// Its columns but generated ones, in their order.
    pub(super) columns: Vec<String>,
    /// The condition under which an extension wants rows of its table dumped: `WHERE …`.
    pub(super) condition: Option<String>,
    /// The partitioned table to load through, where rows may belong to another partition after a restore: hash partitions
    /// by an enum, whose values' hashes are not the same everywhere.
    pub(super) load_through: Option<ObjectName>,
}

/// Everything in a database that a dump cares about.
#[derive(Debug, Clone, Default)]
pub(super) struct Contents {
    /// Tables that are dumped and must be locked: their rows, or only their definition.
    pub(super) relations: Vec<Relation>,
    /// What is left out.
    pub(super) left_out: Settled,
}

impl Contents {
    /// The tables whose rows are dumped, by name.
    pub(super) fn with_rows(&self) -> impl Iterator<Item = &Relation> {
        self.relations
            .iter()
            .filter(|relation| relation.has_rows && !self.left_out.rows.contains(&relation.name))
    }
}

/// Reads what there is, in the session's current snapshot.
pub(super) async fn read(
    connection: &mut PgConnection,
    exclusions: &Exclusions,
) -> Result<Contents, Failure> {
    let left_out = exclusions::settle(connection, exclusions).await?;
    let mut relations = relations(connection).await?;
    relations.retain(|relation| !left_out.tables.contains(&relation.name));
    Ok(Contents { relations, left_out })
}

/// Learns how large tables are. They must be locked: what measures a table waits for whoever holds it for himself.
pub(super) async fn measure(
    connection: &mut PgConnection,
    relations: &mut [Relation],
) -> Result<(), Failure> {
    const SQL: &str = "
        SELECT wanted.oid, COALESCE(pg_catalog.pg_table_size(wanted.oid::oid), 0)
        FROM pg_catalog.unnest($1::int8[]) AS wanted(oid)";
    let oids: Vec<i64> = relations.iter().map(|relation| relation.oid).collect();
    let sizes: Vec<(i64, i64)> = sqlx::query_as(SQL)
        .bind(oids)
        .fetch_all(connection)
        .await
        .map_err(failure::at("measuring the tables"))?;
    let sizes: BTreeMap<i64, i64> = sizes.into_iter().collect();
    for relation in relations {
        let size = sizes.get(&relation.oid).copied().unwrap_or_default();
        relation.size = u64::try_from(size).unwrap_or(0);
    }
    Ok(())
}

type RelationRow = (
    i64,
    String,
    String,
    bool,
    bool,
    i64,
    Vec<String>,
    Option<String>,
    Option<String>,
    Option<String>,
);

async fn relations(connection: &mut PgConnection) -> Result<Vec<Relation>, Failure> {
    const SQL: &str = "
        WITH config AS (
            SELECT pg_catalog.unnest(extconfig) AS oid, pg_catalog.unnest(extcondition) AS condition
            FROM pg_catalog.pg_extension WHERE oid::int8 >= $1 AND extconfig IS NOT NULL
        ), hash_by_enum AS (
            SELECT p.partrelid FROM pg_catalog.pg_partitioned_table p WHERE p.partstrat = 'h' AND (
                SELECT o.oid FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_am a ON a.oid = o.opcmethod
                WHERE o.opcname = 'enum_ops' AND o.opcnamespace = 'pg_catalog'::regnamespace AND a.amname = 'hash'
            ) = ANY (p.partclass)
        )
        SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind = 'r', c.relpersistence = 'u',
            c.relfilenode::int8,
            ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                ORDER BY a.attnum),
            config.condition, root_schema.nspname::text, root.relname::text
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN config ON config.oid = c.oid
        LEFT JOIN pg_catalog.pg_class root ON c.relispartition AND root.oid = pg_catalog.pg_partition_root(c.oid)
            AND EXISTS (SELECT FROM pg_catalog.pg_partition_ancestors(c.oid) a(oid)
                JOIN hash_by_enum h ON h.partrelid = a.oid)
        LEFT JOIN pg_catalog.pg_namespace root_schema ON root_schema.oid = root.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND (config.oid IS NOT NULL OR (
            n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
                AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e')))
        ORDER BY n.nspname, c.relname";
    let rows: Vec<RelationRow> = sqlx::query_as(SQL)
        .bind(FIRST_NORMAL_OID)
        .fetch_all(connection)
        .await
        .map_err(failure::at("listing the tables"))?;
    Ok(rows.into_iter().map(relation).collect())
}

fn relation(row: RelationRow) -> Relation {
    let (oid, schema, name, has_rows, unlogged, filenode, columns, condition, root_schema, root) = row;
    Relation {
        oid,
        name: ObjectName { schema, name },
        has_rows,
        unlogged,
        size: 0,
        filenode,
        columns,
        condition: condition.filter(|condition| !condition.is_empty()),
        load_through: root_schema
            .zip(root)
            .map(|(schema, name)| ObjectName { schema, name }),
    }
}

/// A sequence whose value is dumped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sequence {
    pub(super) oid: i64,
    pub(super) name: ObjectName,
    pub(super) unlogged: bool,
}

/// The sequences whose values are dumped: all but those of left-out tables' identity columns.
pub(super) async fn sequences(
    connection: &mut PgConnection,
    contents: &Contents,
) -> Result<Vec<Sequence>, Failure> {
    const SQL: &str = "
        SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relpersistence = 'u', owner_schema.nspname::text,
            owner.relname::text
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        LEFT JOIN pg_catalog.pg_depend identity ON identity.classid = 'pg_catalog.pg_class'::regclass
            AND identity.objid = c.oid AND identity.objsubid = 0
            AND identity.refclassid = 'pg_catalog.pg_class'::regclass AND identity.deptype = 'i'
        LEFT JOIN pg_catalog.pg_class owner ON owner.oid = identity.refobjid
        LEFT JOIN pg_catalog.pg_namespace owner_schema ON owner_schema.oid = owner.relnamespace
        WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND (
            c.oid IN (SELECT pg_catalog.unnest(extconfig) FROM pg_catalog.pg_extension WHERE oid::int8 >= $1)
            OR (n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.objsubid = 0
                    AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e')))
        ORDER BY n.nspname, c.relname";
    type Row = (i64, String, String, bool, Option<String>, Option<String>);
    let rows: Vec<Row> = sqlx::query_as(SQL)
        .bind(FIRST_NORMAL_OID)
        .fetch_all(connection)
        .await
        .map_err(failure::at("listing the sequences"))?;
    let is_excluded = |name: &ObjectName| contents.left_out.tables.contains(name);
    let kept = rows
        .into_iter()
        .filter_map(|(oid, schema, name, unlogged, owner_schema, owner)| {
            let name = ObjectName { schema, name };
            let owner = owner_schema
                .zip(owner)
                .map(|(schema, name)| ObjectName { schema, name });
            let left_out = is_excluded(&name) || owner.as_ref().is_some_and(is_excluded);
            (!left_out).then_some(Sequence { oid, name, unlogged })
        });
    Ok(kept.collect())
}
