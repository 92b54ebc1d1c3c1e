//! The rows of tables and materialised views.

use std::{collections::HashMap, fmt::Write as _};

use anyhow::{Context as _, Result};
use sqlx::Row as _;

use super::{
    difference::shortened,
    digest::{Digest, row_hash},
    facts::{Facts, Kind},
    session::Session,
};

/// What is compared, each with the SELECT that reads it. Columns are taken in the order of their names, since a child table
/// or partition of a copy may have them in another order. Left out are foreign tables, extensions' own tables (but for the
/// rows that an extension says are configuration), and partitions below a hash of an enum, which are read as a whole: that
/// hash depends on OIDs (pg_dump has the same exception, see `getPartitioningInfo` in pg_dump.c).
const LIST: &str = r#"
WITH by_enum_hash AS (
    SELECT partrelid AS oid FROM pg_partitioned_table WHERE (
        SELECT c.oid FROM pg_opclass c JOIN pg_am a ON c.opcmethod = a.oid
        WHERE c.opcname = 'enum_ops' AND c.opcnamespace = 'pg_catalog'::regnamespace AND a.amname = 'hash'
    ) = ANY (partclass)
), member AS (
    SELECT d.objid AS oid, e.extcondition[array_position(e.extconfig, d.objid)] AS condition
    FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
)
SELECT format('%I.%I', n.nspname, c.relname),
       CASE WHEN c.relkind = 'm' THEN 'm' ELSE 't' END,
       c.relispopulated,
       format('SELECT %s FROM %s %I.%I %s',
           (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname::text COLLATE "C") FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
           CASE WHEN c.relkind = 'r' THEN 'ONLY' END, n.nspname, c.relname, member.condition)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN member ON member.oid = c.oid
WHERE c.relpersistence <> 't'
AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
AND (member.oid IS NULL OR member.condition IS NOT NULL)
AND NOT EXISTS (SELECT FROM pg_partition_ancestors(c.oid) AS a JOIN by_enum_hash h ON h.oid = a.relid WHERE a.relid <> c.oid)
AND (c.relkind IN ('r', 'm') OR c.oid IN (SELECT oid FROM by_enum_hash))"#;

/// A table or materialised view.
struct Table {
    name: String,
    kind: Kind,
    is_filled: bool,
    select: String,
}

pub(super) async fn read(session: &mut Session, facts: &mut Facts) -> Result<()> {
    for table in list(session).await? {
        if !table.is_filled {
            facts.add(table.kind, table.name, "not filled".to_owned());
            continue;
        }
        let mut digest = Digest::default();
        session
            .copy_out(&table.copy(), |row| digest.add(row))
            .await
            .with_context(|| format!("reading {}", table.name))?;
        facts.rows += digest.rows();
        facts.add(table.kind, table.name, digest.to_string());
    }
    Ok(())
}

async fn list(session: &mut Session) -> Result<Vec<Table>> {
    let rows = session.rows(LIST).await?;
    rows.iter()
        .map(|row| {
            Ok(Table {
                name: row.try_get(0)?,
                kind: match row.try_get::<&str, _>(1)? {
                    "m" => Kind::MaterializedView,
                    _ => Kind::Table,
                },
                is_filled: row.try_get(2)?,
                select: row.try_get(3)?,
            })
        })
        .collect()
}

impl Table {
    fn copy(&self) -> String {
        format!("COPY ({}) TO STDOUT", self.select)
    }
}

/// How many rows of each side are shown.
const SHOWN: usize = 3;

/// Shows a few rows that only one side has. Needs memory for a hash per differing or equal row of the left side.
pub(super) async fn example(left: &mut Session, right: &mut Session, name: &str) -> Result<String> {
    let named = |tables: Vec<Table>| tables.into_iter().find(|table| table.name == name);
    let (Some(left_table), Some(right_table)) = (named(list(left).await?), named(list(right).await?)) else {
        return Ok(String::new());
    };
    if !left_table.is_filled || !right_table.is_filled {
        return Ok(String::new());
    }
    // How many more of a row the left side has.
    let mut surplus: HashMap<[u8; 32], i64> = HashMap::new();
    left.copy_out(&left_table.copy(), |row| {
        *surplus.entry(row_hash(row)).or_default() += 1
    })
    .await?;
    right
        .copy_out(&right_table.copy(), |row| {
            *surplus.entry(row_hash(row)).or_default() -= 1
        })
        .await?;

    let mut text = String::new();
    let sides = [("left", left, left_table, 1), ("right", right, right_table, -1)];
    for (side, session, table, sign) in sides {
        let mut shown = 0;
        let mut show = |row: &[u8]| {
            let more = surplus.get(&row_hash(row)).copied().unwrap_or_default();
            if more * sign > 0 && shown < SHOWN {
                shown += 1;
                let row = String::from_utf8_lossy(row);
                // Writing to a String can't fail.
                write!(
                    text,
                    "\n    only on the {side}: {}",
                    shortened(row.trim_end_matches('\n'))
                )
                .unwrap_or_default();
            }
        };
        session.copy_out(&table.copy(), &mut show).await?;
    }
    Ok(text)
}
