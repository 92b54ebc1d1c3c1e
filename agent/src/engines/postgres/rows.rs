//! The rows of one table: COPY, framed as SQL.
//!
//! The server sends each row as one message (<https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY>), so
//! the messages count the rows. In the text format a row holds exactly one line feed, its last byte, so the line feeds must
//! come to the same number. The driver ends a stream well only after `CopyDone` and `CommandComplete` have come.
//!
//! Memory: small rows are gathered into blocks; a large one is handed on as it came from the driver, without a copy.

use bytes::{Bytes, BytesMut};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::{ObjectName, StreamEnd, StreamHeader, StreamRole};
use dataguardian_failpoints::failpoint;
use futures::TryStreamExt as _;
use sqlx::PgConnection;

use super::catalogue::Relation;
use super::encoding::Encoding;
use super::{failure, quote};
use crate::engines::{StreamSink, StreamWriter};

/// What ends the rows of a COPY in a script.
pub(super) const END_OF_ROWS: &[u8] = b"\\.\n";
/// Blocks are handed on from this length.
const BLOCK: usize = 64 << 10;
/// Rows from this length are handed on as they are.
const LARGE_ROW: usize = 32 << 10;

/// What was copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Copied {
    pub(super) rows: u64,
    /// The longest row as text, in bytes.
    pub(super) largest_row: u64,
}

/// Copies one table's rows into a stream.
pub(super) async fn copy(
    session: &mut PgConnection,
    database: &str,
    encoding: &Encoding,
    relation: &Relation,
    sink: &dyn StreamSink,
) -> Result<Copied, Failure> {
    let what = format!("copying the rows of {database}.{}", relation.name);
    let begin = encoding.encode(session, begin_frame(relation)).await?;
    let statement = copy_statement(relation, encoding);
    let writer = sink.open(header(database, &relation.name)).await?;
    let mut rows = Gathering::new(writer);
    rows.write(begin).await?;
    let mut stream = session
        .copy_out_raw(&statement)
        .await
        .map_err(failure::at(&what))?;
    while let Some(row) = stream.try_next().await.map_err(failure::at(&what))? {
        rows.row(row).await?;
    }
    drop(stream);
    rows.finish(&what).await
}

/// The statement for the server.
fn copy_statement(relation: &Relation, encoding: &Encoding) -> String {
    let table = quote::qualified(&relation.name.schema, &relation.name.name);
    let encoding = quote::text(encoding.name());
    match &relation.condition {
        // COPY of a plain table does not look at tables that inherit from it.
        None => format!(
            "COPY {table}{} TO STDOUT WITH (ENCODING {encoding})",
            quote::columns(&relation.columns)
        ),
        Some(condition) => format!(
            "COPY (SELECT {} FROM ONLY {table} {condition}) TO STDOUT WITH (ENCODING {encoding})",
            quote::comma_separated(&relation.columns)
        ),
    }
}

/// The statement for whoever runs the stream as a script.
fn begin_frame(relation: &Relation) -> String {
    let into = relation.load_through.as_ref().unwrap_or(&relation.name);
    format!(
        "COPY {}{} FROM stdin;\n",
        quote::qualified(&into.schema, &into.name),
        quote::columns(&relation.columns)
    )
}

fn header(database: &str, name: &ObjectName) -> StreamHeader {
    StreamHeader {
        role: StreamRole::TableData,
        database: Some(database.to_owned()),
        object: Some(name.clone()),
    }
}

/// Gathers rows into blocks and counts them.
struct Gathering {
    writer: Box<dyn StreamWriter>,
    block: BytesMut,
    copied: Copied,
    line_feeds: u64,
}

impl Gathering {
    fn new(writer: Box<dyn StreamWriter>) -> Self {
        Self {
            writer,
            block: BytesMut::with_capacity(BLOCK + LARGE_ROW),
            copied: Copied::default(),
            line_feeds: 0,
        }
    }

    async fn row(&mut self, row: Bytes) -> Result<(), Failure> {
        self.copied.rows += 1;
        self.copied.largest_row = self.copied.largest_row.max(row.len() as u64);
        if row.len() >= LARGE_ROW {
            self.flush().await?;
            self.line_feeds += line_feeds(&row);
            return self.write(row).await;
        }
        self.block.extend_from_slice(&row);
        if self.block.len() >= BLOCK {
            self.flush().await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        if self.block.is_empty() {
            return Ok(());
        }
        let block = std::mem::replace(&mut self.block, BytesMut::with_capacity(BLOCK + LARGE_ROW)).freeze();
        self.line_feeds += line_feeds(&block);
        self.write(block).await
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Failure> {
        failpoint!(
            FirstRows,
            Failure::new(FailureKind::DatabaseConnectionLost, "the test wants it")
        );
        self.writer.write(bytes).await
    }

    async fn finish(mut self, what: &str) -> Result<Copied, Failure> {
        self.flush().await?;
        if self.line_feeds != self.copied.rows {
            return Err(Failure::new(
                FailureKind::Internal,
                format!(
                    "{what}: {} rows came with {} line feeds",
                    self.copied.rows, self.line_feeds
                ),
            ));
        }
        let mut end = BytesMut::from(END_OF_ROWS);
        end.extend_from_slice(b"\n");
        self.write(end.freeze()).await?;
        self.writer
            .finish(StreamEnd {
                rows: Some(self.copied.rows),
            })
            .await?;
        Ok(self.copied)
    }
}

fn line_feeds(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation() -> Relation {
        Relation {
            oid: 1,
            name: ObjectName {
                schema: "s".into(),
                name: "odd\"name".into(),
            },
            has_rows: true,
            unlogged: false,
            size: 0,
            filenode: 1,
            columns: vec!["a".into(), "b c".into()],
            condition: None,
            load_through: None,
        }
    }

    #[test]
    fn statements_and_frames() {
        let utf8 = Encoding::named("UTF8");
        let plain = relation();
        assert_eq!(
            begin_frame(&plain),
            "COPY \"s\".\"odd\"\"name\" (\"a\", \"b c\") FROM stdin;\n"
        );
        assert_eq!(
            copy_statement(&plain, &utf8),
            "COPY \"s\".\"odd\"\"name\" (\"a\", \"b c\") TO STDOUT WITH (ENCODING 'UTF8')"
        );
        let filtered = Relation {
            condition: Some("WHERE NOT built_in".into()),
            ..relation()
        };
        assert_eq!(
            copy_statement(&filtered, &utf8),
            "COPY (SELECT \"a\", \"b c\" FROM ONLY \"s\".\"odd\"\"name\" WHERE NOT built_in) TO STDOUT WITH (ENCODING 'UTF8')"
        );
        let without_columns = Relation {
            columns: Vec::new(),
            ..relation()
        };
        assert_eq!(
            begin_frame(&without_columns),
            "COPY \"s\".\"odd\"\"name\" FROM stdin;\n"
        );
    }
}
