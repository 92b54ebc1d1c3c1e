//! The streams that a dump becomes: which are open, and what goes where.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use dataguardian_core::failure::Failure;
use dataguardian_core::stream::{ObjectName, StreamEnd, StreamHeader, StreamRole};

use super::{Expected, Hears, READ, Tally, broken};
use crate::engines::spool::Spool;
use crate::engines::{StreamSink, StreamWriter};

/// The streams of all databases of a dump.
pub(super) struct Streams<'a, H> {
    sink: &'a dyn StreamSink,
    hears: H,
    expected: BTreeMap<String, Expected>,
    spool_in: PathBuf,
    /// The settings that the program wrote before the first database.
    preamble: BytesMut,
    databases: BTreeMap<String, Parts>,
    /// The order in which they came.
    order: Vec<String>,
    pub(super) current: Option<String>,
    /// Settings that wait for the statement that they are for.
    pub(super) held: BytesMut,
    /// Where the last statement went.
    pub(super) last: Target,
    pub(super) rows: Option<Rows>,
}

/// What comes of one database.
pub(super) struct Parts {
    before: Box<dyn StreamWriter>,
    after: Spool,
    pub(super) tally: Tally,
    /// Whether it was left, so that what comes now are its views.
    pub(super) left: bool,
}

/// The rows of a table, coming.
pub(super) struct Rows {
    pub(super) table: String,
    /// None where they are left out.
    writer: Option<Box<dyn StreamWriter>>,
    pub(super) rows: u64,
}

/// Where a statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Preamble,
    Before,
    Rows,
    After,
    Held,
    Nowhere,
}

impl<'a, H: Hears> Streams<'a, H> {
    pub(super) fn new(
        sink: &'a dyn StreamSink,
        hears: H,
        expected: BTreeMap<String, Expected>,
        spool_in: PathBuf,
    ) -> Self {
        Self {
            sink,
            hears,
            expected,
            spool_in,
            preamble: BytesMut::new(),
            databases: BTreeMap::new(),
            order: Vec::new(),
            current: None,
            held: BytesMut::new(),
            last: Target::Preamble,
            rows: None,
        }
    }

    /// Whether no database has come yet.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Whether that database has come already.
    pub(super) fn has(&self, database: &str) -> bool {
        self.databases.contains_key(database)
    }

    /// Completes all streams, what comes after the rows last.
    pub(super) async fn finish(mut self) -> Result<Vec<(String, Tally)>, Failure> {
        let mut tallies = Vec::new();
        for database in std::mem::take(&mut self.order) {
            let Some(mut parts) = self.databases.remove(&database) else {
                continue;
            };
            parts.before.finish(StreamEnd::default()).await?;
            let mut writer = self
                .sink
                .open(header(&database, StreamRole::SchemaAfterData, None))
                .await?;
            writer.write(self.preamble.clone().freeze()).await?;
            parts.after.rewind()?;
            while let Some(piece) = parts.after.read(READ)? {
                writer.write(piece).await?;
            }
            writer.finish(StreamEnd::default()).await?;
            tallies.push((database, parts.tally));
        }
        Ok(tallies)
    }

    /// The database that is at its turn.
    pub(super) fn parts(&mut self) -> Option<&mut Parts> {
        self.databases.get_mut(self.current.as_ref()?)
    }

    /// A database's part begins, or goes on.
    pub(super) async fn enter(&mut self, database: &str) -> Result<(), Failure> {
        if let Some(parts) = self.parts() {
            parts.left = true;
        }
        self.current = Some(database.to_owned());
        if self.databases.contains_key(database) {
            self.last = Target::After;
            return Ok(());
        }
        let Some(expected) = self.expected.get(database) else {
            return Err(broken("it holds a database that was not asked for"));
        };
        let mut before = self
            .sink
            .open(header(database, StreamRole::SchemaBeforeData, None))
            .await?;
        before.write(self.preamble.clone().freeze()).await?;
        before.write(Bytes::from(expected.beginning.clone())).await?;
        let parts = Parts {
            before,
            after: Spool::new(self.spool_in.clone()),
            tally: Tally::default(),
            left: false,
        };
        self.databases.insert(database.to_owned(), parts);
        self.order.push(database.to_owned());
        self.last = Target::Before;
        self.hears.begins(database);
        Ok(())
    }

    /// A table's rows begin.
    pub(super) async fn begin_rows(&mut self, table: &str) -> Result<(), Failure> {
        let Some(database) = self.current.clone() else {
            return Err(broken("rows stand outside of a database"));
        };
        if self.rows.is_some() {
            return Err(broken("a table's rows begin before the other one's end"));
        }
        let without = self
            .expected
            .get(&database)
            .is_some_and(|expected| expected.without_rows.iter().any(|name| name == table));
        let writer = if without {
            None
        } else {
            let mut writer = self
                .sink
                .open(header(&database, StreamRole::TableData, Some(table)))
                .await?;
            writer.write(self.preamble.clone().freeze()).await?;
            Some(writer)
        };
        self.rows = Some(Rows {
            table: table.to_owned(),
            writer,
            rows: 0,
        });
        self.last = Target::Rows;
        Ok(())
    }

    /// A table's rows are all there.
    pub(super) async fn end_rows(&mut self) -> Result<(), Failure> {
        let Some(rows) = self.rows.take() else {
            return Err(broken("a table's rows end that did not begin"));
        };
        self.last = Target::Before;
        if let Some(parts) = self.parts() {
            parts.tally.rows += rows.rows;
        }
        match rows.writer {
            Some(writer) => {
                writer
                    .finish(StreamEnd {
                        rows: Some(rows.rows),
                    })
                    .await
            }
            None => Ok(()),
        }
    }

    /// Writes a part of a statement to where it goes.
    pub(super) async fn write(&mut self, target: Target, bytes: Bytes) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        match target {
            Target::Nowhere => {}
            Target::Preamble => self.preamble.extend_from_slice(&bytes),
            Target::Held => self.held.extend_from_slice(&bytes),
            Target::Rows => {
                if let Some(writer) = self.rows.as_mut().and_then(|rows| rows.writer.as_mut()) {
                    writer.write(bytes).await?;
                }
            }
            Target::Before => match self.parts() {
                Some(parts) => parts.before.write(bytes).await?,
                None => return Err(broken("a table stands outside of a database")),
            },
            Target::After => match self.parts() {
                Some(parts) => parts.after.write(&bytes)?,
                None => return Err(broken("a routine stands outside of a database")),
            },
        }
        Ok(())
    }
}

fn header(database: &str, role: StreamRole, table: Option<&str>) -> StreamHeader {
    StreamHeader {
        role,
        database: Some(database.to_owned()),
        object: table.map(|table| ObjectName {
            schema: database.to_owned(),
            name: table.to_owned(),
        }),
    }
}
