//! The values of sequences.
//!
//! A sequence is outside of any snapshot: its value is read after the rows were copied, so it is never behind them.

use std::fmt::Write as _;

use dataguardian_core::database::Warning;
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{ObjectName, StreamEnd, StreamHeader, StreamRole};
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
) -> Result<Vec<Warning>, Failure> {
    let warn = |message: String| Warning {
        database: Some(database.to_owned()),
        message,
    };
    let mut warnings = Vec::new();
    // A standby has no contents for what is not logged.
    let readable: Vec<&Sequence> = sequences
        .iter()
        .filter(|sequence| !(in_recovery && sequence.unlogged))
        .collect();
    let missed = sequences.len() - readable.len();
    if missed > 0 {
        warnings.push(warn(format!(
            "the values of {missed} unlogged sequences are left out: a standby does not have them"
        )));
    }
    if readable.is_empty() {
        return Ok(warnings);
    }
    let encoding = Encoding::of(session).await?;
    let mut writer = sink.open(header(database)).await?;
    let mut written = 0;
    for batch in readable.chunks(BATCH) {
        let values = match read(session, batch).await? {
            Some(values) => values,
            None => read_one_by_one(session, batch).await?,
        };
        let mut statements = String::new();
        for (Sequence { name, .. }, value) in batch.iter().zip(values) {
            let Some(value) = value else {
                warnings.push(warn(format!(
                    "sequence {name} was dropped while the dump ran: it is in the backup, its value is not"
                )));
                continue;
            };
            let kept = value.last.clamp(value.least, value.most);
            if kept != value.last {
                warnings.push(warn(format!(
                    "sequence {name} was altered while the dump ran: its value {} is kept as {kept}, the nearest that it could \
                     have before",
                    value.last
                )));
            }
            // Writing to a String can't fail.
            writeln!(statements, "{}, {kept}, {});", beginning(name), value.called).unwrap_or_default();
            written += 1;
        }
        writer.write(encoding.encode(session, statements).await?).await?;
    }
    let end = StreamEnd { rows: Some(written) };
    writer.finish(end).await?;
    Ok(warnings)
}

/// How the statement that sets a sequence begins: up to the value.
pub(super) fn beginning(name: &ObjectName) -> String {
    let sequence = quote::text(&quote::qualified(&name.schema, &name.name));
    format!("SELECT pg_catalog.setval({sequence}")
}

/// Where a sequence stands, and its bounds as the snapshot has them: the schema in the backup has these.
#[derive(Debug, Clone, Copy)]
struct Value {
    last: i64,
    called: bool,
    least: i64,
    most: i64,
}

/// Place in the list, last value, whether it was called, least and most.
type Row = (i32, i64, bool, i64, i64);

/// Reads them at once; nothing if one of them is gone.
async fn read(
    session: &mut PgConnection,
    sequences: &[&Sequence],
) -> Result<Option<Vec<Option<Value>>>, Failure> {
    let mut sql = String::new();
    for (index, Sequence { name, oid, .. }) in sequences.iter().enumerate() {
        let union = if index == 0 { "" } else { " UNION ALL " };
        let table = quote::qualified(&name.schema, &name.name);
        write!(
            sql,
            "{union}SELECT {index}, s.last_value, s.is_called, b.seqmin, b.seqmax FROM {table} s, pg_catalog.pg_sequence b \
             WHERE b.seqrelid = {oid}"
        )
        .unwrap_or_default();
    }
    sql.push_str(" ORDER BY 1");
    let at = failure::at("reading the values of sequences");
    execute(session, "SAVEPOINT sequences").await.map_err(&at)?;
    let read: Result<Vec<Row>, sqlx::Error> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .persistent(false)
        .fetch_all(&mut *session)
        .await;
    let read = match read {
        Err(error) if failure::is(&error, failure::UNDEFINED_TABLE) => {
            execute(session, "ROLLBACK TO SAVEPOINT sequences")
                .await
                .map_err(&at)?;
            return Ok(None);
        }
        read => read.map_err(&at)?,
    };
    execute(session, "RELEASE SAVEPOINT sequences")
        .await
        .map_err(&at)?;
    let mut values = vec![None; sequences.len()];
    for (index, last, called, least, most) in read {
        let place = usize::try_from(index)
            .ok()
            .and_then(|index| values.get_mut(index));
        if let Some(place) = place {
            *place = Some(Value {
                last,
                called,
                least,
                most,
            });
        }
    }
    Ok(Some(values))
}

async fn read_one_by_one(
    session: &mut PgConnection,
    sequences: &[&Sequence],
) -> Result<Vec<Option<Value>>, Failure> {
    let mut values = Vec::new();
    for sequence in sequences {
        let read = read(session, std::slice::from_ref(sequence)).await?;
        values.push(read.and_then(|read| read.into_iter().flatten().next()));
    }
    Ok(values)
}

async fn execute(session: &mut PgConnection, sql: &'static str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(sql).execute(session).await.map(|_| ())
}

fn header(database: &str) -> StreamHeader {
    StreamHeader {
        role: StreamRole::Sequences,
        database: Some(database.to_owned()),
        object: None,
    }
}
