//! The values of sequences.
//!
//! A sequence is outside of any snapshot: its value is read after the rows were copied, so it is never behind them.

use std::fmt::Write as _;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{StreamEnd, StreamHeader, StreamRole};
use sqlx::PgConnection;

use super::catalogue::Sequence;
use super::encoding::Encoding;
use super::{failure, quote};
use crate::engines::StreamSink;

/// How many are read by one statement.
const BATCH: usize = 100;

/// Writes the values as a stream, if there are any sequences.
pub(super) async fn send(
    session: &mut PgConnection,
    database: &str,
    sequences: &[Sequence],
    in_recovery: bool,
    sink: &dyn StreamSink,
) -> Result<Option<Warning>, Failure> {
    // A standby has no contents for what is not logged.
    let readable: Vec<&Sequence> = sequences
        .iter()
        .filter(|sequence| !(in_recovery && sequence.unlogged))
        .collect();
    if !readable.is_empty() {
        let encoding = Encoding::of(session).await?;
        let mut writer = sink.open(header(database)).await?;
        for batch in readable.chunks(BATCH) {
            let statements = read(session, batch).await?;
            writer.write(encoding.encode(session, statements).await?).await?;
        }
        writer
            .finish(StreamEnd {
                rows: Some(readable.len() as u64),
            })
            .await?;
    }
    let missed = sequences.len() - readable.len();
    Ok((missed > 0).then(|| Warning {
        database: Some(database.to_owned()),
        message: format!(
            "the values of {missed} unlogged sequences are left out: a standby does not have them"
        ),
    }))
}

/// One statement for each sequence.
async fn read(session: &mut PgConnection, batch: &[&Sequence]) -> Result<String, Failure> {
    let mut sql = String::new();
    for (index, Sequence { name, .. }) in batch.iter().enumerate() {
        let union = if index == 0 { "" } else { " UNION ALL " };
        let table = quote::qualified(&name.schema, &name.name);
        // Writing to a String can't fail.
        write!(sql, "{union}SELECT {index}, last_value, is_called FROM {table}").unwrap_or_default();
    }
    sql.push_str(" ORDER BY 1");
    let values: Vec<(i32, i64, bool)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .persistent(false)
        .fetch_all(session)
        .await
        .map_err(failure::at("reading the values of sequences"))?;
    let mut statements = String::new();
    for (Sequence { name, .. }, (_, value, called)) in batch.iter().zip(values) {
        let table = quote::text(&quote::qualified(&name.schema, &name.name));
        writeln!(
            statements,
            "SELECT pg_catalog.setval({table}, {value}, {called});"
        )
        .unwrap_or_default();
    }
    Ok(statements)
}

fn header(database: &str) -> StreamHeader {
    StreamHeader {
        role: StreamRole::Sequences,
        database: Some(database.to_owned()),
        object: None,
    }
}
