//! One dump becomes streams: per database what comes before the rows, each table's rows, and what comes after.
//!
//! A database's streams in their order are one script that `mysql` or `mariadb` runs in any database, whatever its name: each
//! begins with the settings that the program wrote at its own beginning; `CREATE DATABASE` and `USE` are left away; an
//! `ALTER DATABASE` names no database and so means the current one. What comes after the rows is scattered over the dump
//! (triggers behind their tables, views at the very end), so it is kept until the end; it is schema only.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::{ObjectName, StreamEnd, StreamHeader, StreamRole};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::lexer::{Event, Lexer};
use super::statement::{self, HEAD, Kind, Setting};
use crate::engines::spool::Spool;
use crate::engines::{StreamSink, StreamWriter};

/// How much is read at once.
const READ: usize = 256 << 10;
/// How long a statement may be that has to be understood as a whole: a setting, or a table's definition.
const LONGEST_WHOLE: usize = 16 << 20;
/// What the program writes when it has written everything.
const COMPLETED: &[u8] = b"-- Dump completed";
/// How much of the comments at the beginning is kept.
const NOTES: usize = 64 << 10;

/// What has to be known of a database before its dump is read.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// What its streams begin with, besides the program's own settings: its character set.
    pub(super) beginning: String,
    /// Tables whose rows are left out.
    pub(super) without_rows: Vec<String>,
}

/// Hears of a database that begins.
pub(super) trait Hears: Send {
    fn begins(&mut self, database: &str);
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) rows: u64,
    /// The longest statement in bytes.
    pub(super) longest: u64,
}

/// Takes a dump apart.
pub(super) struct Splitter<'a, H> {
    sink: &'a dyn StreamSink,
    hears: H,
    expected: BTreeMap<String, Expected>,
    spool_in: PathBuf,
    lexer: Lexer,
    /// The settings that the program wrote before the first database.
    preamble: BytesMut,
    /// The comments before the first database, which tell where the binary log stood.
    notes: Vec<u8>,
    databases: BTreeMap<String, Parts>,
    /// The order in which they came.
    order: Vec<String>,
    current: Option<String>,
    created: bool,
    /// Settings that wait for the statement that they are for.
    held: BytesMut,
    last: Target,
    rows: Option<Rows>,
    open: Option<Open>,
    completed: bool,
}

/// What comes of one database.
struct Parts {
    before: Box<dyn StreamWriter>,
    after: Spool,
    tally: Tally,
    /// Whether it was left, so that what comes now are its views.
    left: bool,
}

/// The rows of a table, coming.
struct Rows {
    table: String,
    /// None where they are left out.
    writer: Option<Box<dyn StreamWriter>>,
    rows: u64,
}

/// The statement that is coming.
#[derive(Default)]
struct Open {
    head: BytesMut,
    target: Option<Target>,
    /// Whether the groups of parentheses are rows, and how many are not.
    counts: Option<u64>,
    /// Whether it is to be framed by `DELIMITER`.
    delimited: bool,
}

/// Where a statement goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Preamble,
    Before,
    Rows,
    After,
    Held,
    Nowhere,
}

impl<'a, H: Hears> Splitter<'a, H> {
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
            lexer: Lexer::new(),
            preamble: BytesMut::new(),
            notes: Vec::new(),
            databases: BTreeMap::new(),
            order: Vec::new(),
            current: None,
            created: false,
            held: BytesMut::new(),
            last: Target::Preamble,
            rows: None,
            open: None,
            completed: false,
        }
    }

    /// Reads to the end. That the program was content with its end is for the caller to see, before [`Self::finish`].
    pub(super) async fn read(&mut self, mut output: impl AsyncRead + Unpin) -> Result<(), Failure> {
        let mut buffer = BytesMut::new();
        loop {
            buffer.reserve(READ);
            let read = output
                .read_buf(&mut buffer)
                .await
                .map_err(|error| super::failure::local("reading a client program's output", &error))?;
            while let Some(event) = self.lexer.next(&mut buffer, read == 0)? {
                self.take(event).await?;
            }
            if read == 0 {
                return Ok(());
            }
        }
    }

    /// The comments before the first database.
    pub(super) fn notes(&self) -> String {
        String::from_utf8_lossy(&self.notes).into_owned()
    }

    /// Completes all streams. To be called when the program has ended well.
    ///
    /// # Errors
    /// If the dump is not whole all the same, and as the sink.
    pub(super) async fn finish(mut self) -> Result<Vec<(String, Tally)>, Failure> {
        if !self.completed || !self.lexer.is_between() || self.rows.is_some() {
            return Err(broken("it ended without saying that it was complete"));
        }
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

    async fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Comment(text) => {
                if self.order.is_empty() && self.notes.len() + text.len() < NOTES {
                    self.notes.extend_from_slice(&text);
                    self.notes.push(b'\n');
                }
                self.completed = text.starts_with(COMPLETED);
                Ok(())
            }
            Event::Piece(piece) => {
                self.completed = false;
                self.piece(piece).await
            }
            Event::End { groups, length } => self.end(groups, length).await,
        }
    }

    async fn piece(&mut self, piece: Bytes) -> Result<(), Failure> {
        let open = self.open.get_or_insert_default();
        if open.target.is_some() {
            return self.pass_on(piece).await;
        }
        open.head.extend_from_slice(&piece);
        // Short ones are looked at when they are complete.
        if open.head.len() >= HEAD {
            return self.decide(false).await;
        }
        Ok(())
    }

    async fn end(&mut self, groups: u64, length: u64) -> Result<(), Failure> {
        if self.open.as_ref().is_none_or(|open| open.target.is_none()) {
            self.decide(true).await?;
        }
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let target = open.target.unwrap_or(Target::Nowhere);
        if let (Some(other), Some(rows)) = (open.counts, self.rows.as_mut()) {
            rows.rows += groups.saturating_sub(other);
        }
        if let Some(parts) = self
            .current
            .as_ref()
            .and_then(|name| self.databases.get_mut(name))
        {
            parts.tally.longest = parts.tally.longest.max(length);
        }
        let ending: &'static [u8] = if open.delimited {
            b"\n;;\nDELIMITER ;\n"
        } else {
            b";\n"
        };
        self.write(target, Bytes::from_static(ending)).await
    }

    /// Looks what the statement is, and sends on what of it has come. `whole` tells that this is all of it.
    async fn decide(&mut self, whole: bool) -> Result<(), Failure> {
        let head = match self.open.as_mut() {
            Some(open) => open.head.split(),
            None => return Ok(()),
        };
        let shown = String::from_utf8_lossy(&head[..head.len().min(HEAD)]).into_owned();
        let kind = statement::kind(&shown);
        let needs_all = matches!(
            kind,
            Kind::Set(_) | Kind::Use(_) | Kind::CreateDatabase | Kind::AlterDatabase(_) | Kind::Relation
        );
        if needs_all && !whole {
            if head.len() > LONGEST_WHOLE {
                return Err(broken("a definition is longer than any definition is"));
            }
            if let Some(open) = self.open.as_mut() {
                open.head = head;
            }
            return Ok(());
        }
        let mut text = head.freeze();
        let target = self.prepare(&kind, &shown, &mut text).await?;
        let delimited = kind == Kind::Program && self.lexer.delimiter() != b";";
        if target != Target::Held {
            let held = self.held.split().freeze();
            let held_for = match kind {
                // The locks themselves are left away, and what is set for the rows is not.
                Kind::LockTables(_) | Kind::UnlockTables => Target::Rows,
                _ => target,
            };
            self.write(held_for, held).await?;
            if !matches!(kind, Kind::Set(_)) && target != Target::Nowhere {
                self.last = target;
            }
        }
        if kind == Kind::UnlockTables {
            self.end_rows().await?;
        }
        if delimited {
            self.write(target, Bytes::from_static(b"DELIMITER ;;\n")).await?;
        }
        self.write(target, text).await?;
        if let Some(open) = self.open.as_mut() {
            open.target = Some(target);
            open.delimited = delimited;
            open.counts = match kind {
                Kind::Insert(_, columns) => Some(u64::from(columns)),
                _ => None,
            };
        }
        Ok(())
    }

    /// What a statement changes, and where it goes.
    async fn prepare(&mut self, kind: &Kind, shown: &str, text: &mut Bytes) -> Result<Target, Failure> {
        if let (Kind::Set(_), Some(backslash)) = (kind, statement::backslash_after(shown)) {
            self.lexer.set_backslash(backslash);
        }
        let left = self.parts().is_some_and(|parts| parts.left);
        Ok(match kind {
            Kind::CreateDatabase => {
                self.created = true;
                Target::Nowhere
            }
            Kind::Use(database) => {
                self.enter(database).await?;
                Target::Nowhere
            }
            Kind::Set(Setting::Whole) => Target::Nowhere,
            _ if self.current.is_none() => Target::Preamble,
            Kind::Set(Setting::Prepares) => Target::Held,
            Kind::Set(Setting::Restores) | Kind::Other if !left => self.last,
            Kind::LockTables(table) => {
                self.begin_rows(table).await?;
                Target::Nowhere
            }
            Kind::UnlockTables => Target::Nowhere,
            Kind::Insert(table, _) => match &self.rows {
                Some(rows) if rows.table == *table => Target::Rows,
                _ => return Err(broken("rows stand outside of their table's part")),
            },
            Kind::AlterDatabase(after) => {
                *text = Bytes::from(format!("ALTER DATABASE{}", &shown[*after..]));
                Target::After
            }
            Kind::Relation if !left => {
                let whole = std::str::from_utf8(text).ok();
                let database = self.current.as_deref().unwrap_or_default();
                if let Some(edited) = whole.and_then(|whole| statement::without_own_database(whole, database))
                {
                    *text = Bytes::from(edited);
                }
                Target::Before
            }
            Kind::Relation | Kind::Program | Kind::Analyze | Kind::Set(_) | Kind::Other => Target::After,
        })
    }

    fn parts(&mut self) -> Option<&mut Parts> {
        self.databases.get_mut(self.current.as_ref()?)
    }

    /// A database's part begins, or goes on.
    async fn enter(&mut self, database: &str) -> Result<(), Failure> {
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
        if !std::mem::take(&mut self.created) {
            return Err(broken("a database is used that was not created"));
        }
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

    async fn begin_rows(&mut self, table: &str) -> Result<(), Failure> {
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

    async fn end_rows(&mut self) -> Result<(), Failure> {
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

    async fn pass_on(&mut self, piece: Bytes) -> Result<(), Failure> {
        let target = self.open.as_ref().and_then(|open| open.target);
        self.write(target.unwrap_or(Target::Nowhere), piece).await
    }

    async fn write(&mut self, target: Target, bytes: Bytes) -> Result<(), Failure> {
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

fn broken(what: &str) -> Failure {
    Failure::new(
        FailureKind::ClientFailed,
        format!("the dump is not whole: {what}"),
    )
}
