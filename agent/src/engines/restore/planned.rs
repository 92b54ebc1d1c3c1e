//! What is to be restored, before anything is: the same for all engines.

use dataguardian_core::database::Warning;
use dataguardian_core::stream::ObjectName;

use super::{RestoreMode, RestoreReport, RestoreRequest, RestoredDatabase, RestoredTable};

/// One table's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedTable {
    /// Its number in the backup.
    pub(crate) stream: usize,
    pub(crate) name: ObjectName,
    /// Its length, before compression.
    pub(crate) bytes: u64,
    /// Its rows, as the manifest counts them.
    pub(crate) rows: u64,
}

/// One database, as far as a report speaks of it.
#[derive(Debug)]
pub(crate) struct PlannedDatabase<'a> {
    /// Its name in the backup.
    pub(crate) from: &'a str,
    /// Its name at the target.
    pub(crate) to: &'a str,
    pub(crate) tables: &'a [PlannedTable],
}

/// The length of these tables' rows, in bytes before compression.
pub(crate) fn row_bytes(tables: &[PlannedTable]) -> u64 {
    tables.iter().map(|table| table.bytes).sum()
}

/// What would be restored, for a request that wants to know no more.
pub(crate) fn report<'a>(
    request: &RestoreRequest,
    server_version: &str,
    planned: impl IntoIterator<Item = PlannedDatabase<'a>>,
    warnings: Vec<Warning>,
) -> RestoreReport {
    let (mut databases, mut tables) = (Vec::new(), Vec::new());
    for database in planned {
        databases.push(RestoredDatabase {
            from: database.from.to_owned(),
            to: database.to.to_owned(),
            kept: request.mode != (RestoreMode::Scratch { keep: false }),
            bytes: row_bytes(database.tables),
        });
        tables.extend(database.tables.iter().map(|table| RestoredTable {
            database: database.from.to_owned(),
            schema: match request.target.engine.has_schemas() {
                true => table.name.schema.clone(),
                false => String::new(),
            },
            table: table.name.name.clone(),
            expected_rows: table.rows,
            restored_rows: 0,
        }));
    }
    RestoreReport {
        planned: true,
        server_version: server_version.to_owned(),
        databases,
        tables,
        tools: Vec::new(),
        warnings,
    }
}
