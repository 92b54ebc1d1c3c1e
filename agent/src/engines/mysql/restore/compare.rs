//! Counts what is there after the rows were loaded, and compares it with what the backup counts.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use dataguardian_core::failure::{Failure, FailureKind};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;

use super::plan::Plan;
use crate::engines::mysql::connect::{self, ask_names, ask_one};
use crate::engines::mysql::quote;
use crate::engines::mysql::run::Run;
use crate::engines::restore::RestoredTable;
use crate::engines::restore::planned::PlannedTable;

/// Counts every table. The first difference is a failure.
pub(super) async fn count_tables(run: &Run, plan: &Plan, jobs: usize) -> Result<Vec<RestoredTable>, Failure> {
    let mut session = run.connect().await?;
    // Their rows of the past count too.
    let sql = format!(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = {} AND table_type = 'SYSTEM VERSIONED'",
        quote::text(&plan.beside)
    );
    let versioned = ask_names(&mut session, sql, "listing tables that keep their history").await?;
    connect::close(session).await;
    let waiting: Mutex<VecDeque<&PlannedTable>> = Mutex::new(plan.tables.iter().collect());
    let counted = Mutex::new(Vec::new());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let worker = || async {
        let mut session = run.connect().await?;
        while let Some(table) = next() {
            let history = if versioned.contains(&table.name.name) {
                " FOR SYSTEM_TIME ALL"
            } else {
                ""
            };
            let sql = format!(
                "SELECT COUNT(*) FROM {}.{}{history}",
                quote::name(&plan.beside),
                quote::name(&table.name.name)
            );
            let rows = ask_one(&mut session, sql, "counting rows").await?;
            let rows = rows.and_then(|rows| rows.parse().ok()).unwrap_or(0);
            if rows != table.rows {
                let message = format!(
                    "table {} has {rows} rows after the restore, and the backup counts {}",
                    table.name, table.rows
                );
                return Err(Failure::new(FailureKind::RestoreMismatch, message));
            }
            counted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(restored(plan, table, rows));
        }
        connect::close(session).await;
        Ok(())
    };
    let mut workers: FuturesUnordered<_> = (0..jobs.clamp(1, plan.tables.len().max(1)))
        .map(|_| worker())
        .collect();
    while let Some(ended) = workers.next().await {
        ended?;
    }
    drop(workers);
    let mut tables = std::mem::take(&mut *counted.lock().unwrap_or_else(PoisonError::into_inner));
    tables.sort_by(|a: &RestoredTable, b| a.table.cmp(&b.table));
    Ok(tables)
}

fn restored(plan: &Plan, table: &PlannedTable, rows: u64) -> RestoredTable {
    RestoredTable {
        database: plan.description.name.clone(),
        // There are none.
        schema: String::new(),
        table: table.name.name.clone(),
        expected_rows: table.rows,
        restored_rows: rows,
    }
}
