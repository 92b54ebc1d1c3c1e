//! Runs the streams of our own statements: sequences and large objects.

use dataguardian_core::failure::{Failure, FailureKind};
use futures::TryStreamExt as _;
use sqlx::PgConnection;

use super::statements::Splitter;
use crate::engines::StreamSource;
use crate::engines::postgres::encoding::Encoding;
use crate::engines::postgres::failure;

/// How much is sent at once.
const BATCH: usize = 128 << 10;

/// Runs the statements of a stream that are `wanted`.
pub(super) async fn run(
    session: &mut PgConnection,
    source: &dyn StreamSource,
    stream: usize,
    wanted: &(dyn Fn(&str) -> bool + Sync),
    what: &str,
) -> Result<(), Failure> {
    let encoding = Encoding::of(session).await?;
    let mut pieces = source.read(stream).await?;
    let mut splitter = Splitter::default();
    let mut batch = String::new();
    while let Some(piece) = pieces.try_next().await? {
        splitter.push(&piece);
        while let Some(statement) = splitter.next() {
            let statement = encoding.decode(session, &statement).await?;
            if !wanted(&statement) {
                continue;
            }
            batch.push_str(&statement);
            batch.push_str(";\n");
            if batch.len() >= BATCH {
                execute(session, std::mem::take(&mut batch), what).await?;
            }
        }
    }
    if !splitter.is_empty() {
        return Err(Failure::new(
            FailureKind::RepositoryDamaged,
            format!("{what}: the stream breaks off in the middle of a statement"),
        ));
    }
    execute(session, batch, what).await
}

async fn execute(session: &mut PgConnection, sql: String, what: &str) -> Result<(), Failure> {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(session)
        .await
        .map(|_| ())
        .map_err(failure::at(what))
}
