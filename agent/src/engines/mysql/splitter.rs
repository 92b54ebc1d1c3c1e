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
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::lexer::{Event, Lexer};
use super::statement::{self, HEAD, Kind, Setting};
use crate::engines::StreamSink;

mod streams;

use streams::{Streams, Target};

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
    lexer: Lexer,
    streams: Streams<'a, H>,
    /// The comments before the first database, which tell where the binary log stood.
    notes: Vec<u8>,
    created: bool,
    open: Option<Open>,
    completed: bool,
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

impl<'a, H: Hears> Splitter<'a, H> {
    pub(super) fn new(
        sink: &'a dyn StreamSink,
        hears: H,
        expected: BTreeMap<String, Expected>,
        spool_in: PathBuf,
    ) -> Self {
        Self {
            lexer: Lexer::new(),
            streams: Streams::new(sink, hears, expected, spool_in),
            notes: Vec::new(),
            created: false,
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
    pub(super) async fn finish(self) -> Result<Vec<(String, Tally)>, Failure> {
        if !self.completed || !self.lexer.is_between() || self.streams.rows.is_some() {
            return Err(broken("it ended without saying that it was complete"));
        }
        self.streams.finish().await
    }

    async fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Comment(text) => {
                if self.streams.is_empty() && self.notes.len() + text.len() < NOTES {
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
        if let (Some(other), Some(rows)) = (open.counts, self.streams.rows.as_mut()) {
            rows.rows += groups.saturating_sub(other);
        }
        if let Some(parts) = self.streams.parts() {
            parts.tally.longest = parts.tally.longest.max(length);
        }
        let ending: &'static [u8] = if open.delimited {
            b"\n;;\nDELIMITER ;\n"
        } else {
            b";\n"
        };
        self.streams.write(target, Bytes::from_static(ending)).await
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
            let held = self.streams.held.split().freeze();
            let held_for = match kind {
                // The locks themselves are left away, and what is set for the rows is not.
                Kind::LockTables(_) | Kind::UnlockTables => Target::Rows,
                _ => target,
            };
            self.streams.write(held_for, held).await?;
            if !matches!(kind, Kind::Set(_)) && target != Target::Nowhere {
                self.streams.last = target;
            }
        }
        if kind == Kind::UnlockTables {
            self.streams.end_rows().await?;
        }
        if delimited {
            self.streams
                .write(target, Bytes::from_static(b"DELIMITER ;;\n"))
                .await?;
        }
        self.streams.write(target, text).await?;
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
        let left = self.streams.parts().is_some_and(|parts| parts.left);
        Ok(match kind {
            Kind::CreateDatabase => {
                self.created = true;
                Target::Nowhere
            }
            Kind::Use(database) => {
                if !self.streams.has(database) && !std::mem::take(&mut self.created) {
                    return Err(broken("a database is used that was not created"));
                }
                self.streams.enter(database).await?;
                Target::Nowhere
            }
            Kind::Set(Setting::Whole) => Target::Nowhere,
            _ if self.streams.current.is_none() => Target::Preamble,
            Kind::Set(Setting::Prepares) => Target::Held,
            Kind::Set(Setting::Restores) | Kind::Other if !left => self.streams.last,
            Kind::LockTables(table) => {
                self.streams.begin_rows(table).await?;
                Target::Nowhere
            }
            Kind::UnlockTables => Target::Nowhere,
            Kind::Insert(table, _) => match &self.streams.rows {
                Some(rows) if rows.table == *table => Target::Rows,
                _ => return Err(broken("rows stand outside of their table's part")),
            },
            Kind::AlterDatabase(after) => {
                *text = Bytes::from(format!("ALTER DATABASE{}", &shown[*after..]));
                Target::After
            }
            Kind::Relation if !left => {
                let whole = std::str::from_utf8(text).ok();
                let database = self.streams.current.as_deref().unwrap_or_default();
                if let Some(edited) = whole.and_then(|whole| statement::without_own_database(whole, database))
                {
                    *text = Bytes::from(edited);
                }
                Target::Before
            }
            Kind::Relation | Kind::Program | Kind::Analyze | Kind::Set(_) | Kind::Other => Target::After,
        })
    }

    async fn pass_on(&mut self, piece: Bytes) -> Result<(), Failure> {
        let target = self.open.as_ref().and_then(|open| open.target);
        self.streams.write(target.unwrap_or(Target::Nowhere), piece).await
    }
}

fn broken(what: &str) -> Failure {
    Failure::new(
        FailureKind::ClientFailed,
        format!("the dump is not whole: {what}"),
    )
}
