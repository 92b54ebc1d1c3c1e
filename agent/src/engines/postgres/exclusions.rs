//! What a dump leaves out because its job says so, settled so that what remains can be restored.
//!
//! Partitions and sequences that belong to a left-out table go with it. Tables that merely inherit do not: they have rows of
//! their own, which nobody asked to leave out. A left-out table that something else needs stays, without rows: a view on a table
//! that is not there could not be made again, and the restore would fail on it years later. A foreign key to rows that are left
//! out is left out too, for the same reason.

use std::collections::BTreeSet;

use dataguardian_core::failure::Failure;
use dataguardian_core::stream::ObjectName;
use sqlx::PgConnection;

use super::failure;
use crate::engines::patterns::Patterns;

/// What a dump is asked to leave out.
#[derive(Debug, Clone)]
pub(super) struct Exclusions {
    pub(super) tables: Patterns,
    pub(super) rows: Patterns,
}

/// What is left out of one database.
#[derive(Debug, Clone, Default)]
pub(super) struct Settled {
    /// Relations of any kind that are left out altogether.
    pub(super) tables: BTreeSet<ObjectName>,
    /// Tables whose rows are left out.
    pub(super) rows: BTreeSet<ObjectName>,
    /// What was to be left out altogether, and stays.
    pub(super) kept: Vec<Kept>,
    /// Patterns that nothing in the database matches.
    pub(super) unmatched: Vec<String>,
    /// What refers to what is left out, and is left out too.
    pub(super) references: Vec<Reference>,
}

/// A relation that stays although it was to be left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) name: ObjectName,
    /// Whether it is a table, which stays without rows.
    pub(super) is_table: bool,
    /// What needs it, as the server describes it.
    pub(super) because: String,
}

/// A foreign key to rows that are left out, or a left-out table's place in a publication: nothing must restore it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// What the schema archive calls it.
    pub(super) entry: &'static str,
    /// Its object id in the source's catalogue.
    pub(super) oid: i64,
    /// For a person.
    pub(super) shown: String,
}

/// Settles what is left out, in the session's current snapshot.
pub(super) async fn settle(
    connection: &mut PgConnection,
    exclusions: &Exclusions,
) -> Result<Settled, Failure> {
    let mut settled = Settled::default();
    if exclusions.tables.is_empty() && exclusions.rows.is_empty() {
        return Ok(settled);
    }
    let relations = relations(connection).await?;
    let matching = |patterns: &Patterns| -> Vec<i64> {
        let matching = relations
            .iter()
            .filter(|relation| patterns.matches(&relation.name.schema, &relation.name.name));
        matching.map(|relation| relation.oid).collect()
    };
    let names = || {
        relations
            .iter()
            .map(|relation| (&*relation.name.schema, &*relation.name.name))
    };
    settled.unmatched = exclusions.tables.unmatched(names());
    settled.unmatched.extend(exclusions.rows.unmatched(names()));
    let mut gone = with_dependents(connection, matching(&exclusions.tables)).await?;
    let mut empty = with_dependents(connection, matching(&exclusions.rows)).await?;
    loop {
        let needed = needed(connection, &gone).await?;
        if needed.is_empty() {
            break;
        }
        for (oid, because) in needed {
            gone.remove(&oid);
            empty.insert(oid);
            let found = relations.iter().find(|relation| relation.oid == oid);
            settled.kept.extend(found.map(|relation| Kept {
                name: relation.name.clone(),
                is_table: relation.is_table,
                because,
            }));
        }
    }
    empty.retain(|oid| !gone.contains(oid));
    settled.references = foreign_keys(connection, &gone, &empty).await?;
    settled.references.extend(publications(connection, &gone).await?);
    let chosen = |oids: &BTreeSet<i64>, tables_alone: bool| {
        let chosen = relations
            .iter()
            .filter(|relation| oids.contains(&relation.oid) && (relation.is_table || !tables_alone));
        chosen.map(|relation| relation.name.clone()).collect()
    };
    settled.tables = chosen(&gone, false);
    settled.rows = chosen(&empty, true);
    Ok(settled)
}

/// What stands in a schema as a table does.
struct Relation {
    oid: i64,
    name: ObjectName,
    /// Whether it can have rows of its own, or its partitions can.
    is_table: bool,
}

/// Everything that stands in a schema as a table does.
async fn relations(connection: &mut PgConnection) -> Result<Vec<Relation>, Failure> {
    const SQL: &str = "
        SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind IN ('r', 'p')
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relpersistence <> 't'
            AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        ORDER BY n.nspname, c.relname";
    let rows: Vec<(i64, String, String, bool)> = sqlx::query_as(SQL)
        .fetch_all(connection)
        .await
        .map_err(failure::at("listing the tables to leave out"))?;
    let relation = |(oid, schema, name, is_table)| Relation {
        oid,
        name: ObjectName { schema, name },
        is_table,
    };
    Ok(rows.into_iter().map(relation).collect())
}

/// These relations with what goes with them: partitions, sequences of their columns.
async fn with_dependents(connection: &mut PgConnection, chosen: Vec<i64>) -> Result<BTreeSet<i64>, Failure> {
    const SQL: &str = "
        WITH RECURSIVE chosen(oid) AS (
            SELECT pg_catalog.unnest($1::int8[])::oid
            UNION
            SELECT joined.oid FROM chosen CROSS JOIN LATERAL (
                SELECT i.inhrelid AS oid FROM pg_catalog.pg_inherits i
                JOIN pg_catalog.pg_class p ON p.oid = i.inhrelid AND p.relispartition
                WHERE i.inhparent = chosen.oid
                UNION ALL
                SELECT d.objid FROM pg_catalog.pg_depend d
                JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
                WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = chosen.oid
                    AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
            ) joined
        )
        SELECT oid::int8 FROM chosen";
    if chosen.is_empty() {
        return Ok(BTreeSet::new());
    }
    let oids: Vec<i64> = sqlx::query_scalar(SQL)
        .bind(chosen)
        .fetch_all(connection)
        .await
        .map_err(failure::at("looking for what belongs to left-out tables"))?;
    Ok(oids.into_iter().collect())
}

/// Those of the relations that something else needs, with what that is. What belongs to one of the relations needs none; nor do
/// foreign keys and publications, where the reference alone is left out.
async fn needed(connection: &mut PgConnection, gone: &BTreeSet<i64>) -> Result<Vec<(i64, String)>, Failure> {
    const SQL: &str = "
        WITH gone AS (
            SELECT pg_catalog.unnest($1::int8[])::oid AS oid
        ), referred AS (
            SELECT 'pg_catalog.pg_class'::regclass::oid AS catalogue, gone.oid, gone.oid AS relation FROM gone
            UNION ALL
            SELECT 'pg_catalog.pg_type'::regclass, t.oid, gone.oid
            FROM gone JOIN pg_catalog.pg_type t ON t.typrelid = gone.oid
            UNION ALL
            SELECT 'pg_catalog.pg_type'::regclass, t.typarray, gone.oid
            FROM gone JOIN pg_catalog.pg_type t ON t.typrelid = gone.oid WHERE t.typarray <> 0
        ), dependent AS (
            SELECT referred.relation, d.classid, d.objid, d.objsubid, CASE d.classid
                WHEN 'pg_catalog.pg_class'::regclass THEN COALESCE(
                    (SELECT i.indrelid FROM pg_catalog.pg_index i WHERE i.indexrelid = d.objid),
                    (SELECT CASE c.relkind WHEN 't' THEN referred.relation ELSE c.oid END
                        FROM pg_catalog.pg_class c WHERE c.oid = d.objid))
                WHEN 'pg_catalog.pg_rewrite'::regclass THEN
                    (SELECT r.ev_class FROM pg_catalog.pg_rewrite r WHERE r.oid = d.objid)
                WHEN 'pg_catalog.pg_attrdef'::regclass THEN
                    (SELECT a.adrelid FROM pg_catalog.pg_attrdef a WHERE a.oid = d.objid)
                WHEN 'pg_catalog.pg_constraint'::regclass THEN
                    (SELECT CASE c.contype WHEN 'f' THEN referred.relation ELSE c.conrelid END
                        FROM pg_catalog.pg_constraint c WHERE c.oid = d.objid)
                WHEN 'pg_catalog.pg_trigger'::regclass THEN
                    (SELECT CASE WHEN t.tgisinternal THEN referred.relation ELSE t.tgrelid END
                        FROM pg_catalog.pg_trigger t WHERE t.oid = d.objid)
                WHEN 'pg_catalog.pg_policy'::regclass THEN
                    (SELECT p.polrelid FROM pg_catalog.pg_policy p WHERE p.oid = d.objid)
                WHEN 'pg_catalog.pg_statistic_ext'::regclass THEN
                    (SELECT s.stxrelid FROM pg_catalog.pg_statistic_ext s WHERE s.oid = d.objid)
                WHEN 'pg_catalog.pg_publication_rel'::regclass THEN referred.relation
                WHEN 'pg_catalog.pg_type'::regclass THEN
                    (SELECT COALESCE(NULLIF(t.typrelid, 0), NULLIF(e.typrelid, 0)) FROM pg_catalog.pg_type t
                        LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid WHERE t.oid = d.objid)
                END AS owner
            FROM referred JOIN pg_catalog.pg_depend d
                ON d.refclassid = referred.catalogue AND d.refobjid = referred.oid
        )
        SELECT DISTINCT ON (relation) relation::int8, pg_catalog.pg_describe_object(classid, objid, objsubid)
        FROM dependent
        WHERE owner IS NULL OR owner NOT IN (SELECT oid FROM gone)
        ORDER BY relation, classid, objid";
    if gone.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_as(SQL)
        .bind(listed(gone))
        .fetch_all(connection)
        .await
        .map_err(failure::at("looking for what needs left-out tables"))
}

/// Foreign keys of tables that are dumped to rows that are not. One of a partition stands for its parent's, which makes it.
async fn foreign_keys(
    connection: &mut PgConnection,
    gone: &BTreeSet<i64>,
    empty: &BTreeSet<i64>,
) -> Result<Vec<Reference>, Failure> {
    const SQL: &str = "
        WITH RECURSIVE hit AS (
            SELECT c.oid, c.conparentid FROM pg_catalog.pg_constraint c
            WHERE c.contype = 'f' AND NOT c.conrelid::int8 = ANY ($1) AND (
                c.confrelid::int8 = ANY ($1)
                OR (c.confrelid::int8 = ANY ($2) AND NOT c.conrelid::int8 = ANY ($2)))
            UNION
            SELECT p.oid, p.conparentid FROM hit JOIN pg_catalog.pg_constraint p ON p.oid = hit.conparentid
        )
        SELECT c.oid::int8, pg_catalog.format('foreign key %s of %s.%s to %s.%s', c.conname, n.nspname, t.relname, fn.nspname, f.relname)
        FROM hit
        JOIN pg_catalog.pg_constraint c ON c.oid = hit.oid AND c.conparentid = 0 AND NOT c.conrelid::int8 = ANY ($1)
        JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
        JOIN pg_catalog.pg_class f ON f.oid = c.confrelid
        JOIN pg_catalog.pg_namespace fn ON fn.oid = f.relnamespace
        ORDER BY 2";
    let found: Vec<(i64, String)> = sqlx::query_as(SQL)
        .bind(listed(gone))
        .bind(listed(empty))
        .fetch_all(connection)
        .await
        .map_err(failure::at("looking for foreign keys to left-out rows"))?;
    Ok(references("FK CONSTRAINT", found))
}

/// The places of left-out tables in publications.
async fn publications(
    connection: &mut PgConnection,
    gone: &BTreeSet<i64>,
) -> Result<Vec<Reference>, Failure> {
    const SQL: &str = "
        SELECT r.oid::int8, pg_catalog.format('%s.%s in publication %s', n.nspname, c.relname, p.pubname)
        FROM pg_catalog.pg_publication_rel r
        JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
        JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE r.prrelid::int8 = ANY ($1)
        ORDER BY 2";
    let found: Vec<(i64, String)> = sqlx::query_as(SQL)
        .bind(listed(gone))
        .fetch_all(connection)
        .await
        .map_err(failure::at("looking for publications of left-out tables"))?;
    Ok(references("PUBLICATION TABLE", found))
}

fn references(entry: &'static str, found: Vec<(i64, String)>) -> Vec<Reference> {
    let reference = |(oid, shown)| Reference { entry, oid, shown };
    found.into_iter().map(reference).collect()
}

fn listed(oids: &BTreeSet<i64>) -> Vec<i64> {
    oids.iter().copied().collect()
}
