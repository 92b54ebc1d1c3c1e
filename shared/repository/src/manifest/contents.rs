//! What is in a backup: the part of a payload that is sealed.

use chrono::{DateTime, Utc};
use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning};
use dataguardian_core::ids::BackupId;
use dataguardian_core::stream::StreamHeader;
use serde::{Deserialize, Serialize};

use crate::id::{ChunkId, Digest, ListId};
use crate::list::ChunkRef;

/// What is in a backup, and how it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contents {
    /// The server's version as it says it.
    pub server_version: String,
    /// What tells this server from every other one (PostgreSQL: the system identifier; MySQL and MariaDB: the server's UUID).
    pub system_identifier: Option<String>,
    /// Where in the server's log the snapshot stands, if all databases share one.
    pub snapshot: Option<SnapshotPosition>,
    /// The snapshots of the databases, if each has its own.
    pub snapshots: Vec<DatabaseSnapshot>,
    /// The programs that took part.
    pub tools: Vec<ToolUse>,
    /// The databases.
    pub databases: Vec<DatabaseDescription>,
    /// The streams, in the order in which a restore needs them.
    pub streams: Vec<Stream>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// The databases that were meant to be in it and are not; not empty means that the backup is partial.
    pub missing: Vec<MissingDatabase>,
    /// What became of it on its way into the storages, if that was counted.
    pub figures: Option<Figures>,
    /// For each pack of the outline, how many bytes of its frames the streams refer to, each frame counted once; empty if
    /// nobody counted.
    pub referenced: Vec<u64>,
}

/// How much of a backup had to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// The earlier backup that its chunks were looked for in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<BackupId>,
    /// The size of the packs that were stored for it, in bytes.
    pub stored: u64,
    /// The length of all chunks that needed no storing, since they were there, in bytes before compression.
    pub reused: u64,
}

/// A database that was meant to be in a backup and is not. The reason is a plain text, so that an older reader is not stopped
/// by one that it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissingDatabase {
    /// Its name.
    pub name: String,
    /// Why, as a word: `DATABASE_PRIVILEGE`.
    pub reason: String,
    /// The particulars.
    pub message: String,
}

/// The moment that a database's streams show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSnapshot {
    /// The database.
    pub database: String,
    /// By the database server's clock.
    pub taken_at: DateTime<Utc>,
    /// Where in the server's log it stands.
    #[serde(flatten)]
    pub position: SnapshotPosition,
}

/// A place in a server's log, as the server names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum SnapshotPosition {
    /// PostgreSQL's write-ahead log.
    Lsn {
        /// `16/B374D848`.
        lsn: String,
    },
    /// The binary log of MySQL or MariaDB.
    Binlog {
        /// The file's name.
        file: String,
        /// The offset in it, in bytes.
        position: u64,
        /// The set of executed transactions (MySQL) or the position (MariaDB), if the server keeps it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gtid: Option<String>,
    },
}

/// A stream, and where its chunks are: those of its lists in order, then those of its tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// What it holds.
    pub header: StreamHeader,
    /// Its length before compression, in bytes.
    pub bytes: u64,
    /// Rows or objects as counted when it was dumped.
    pub rows: Option<u64>,
    /// Over its chunks' ids.
    pub digest: Digest,
    /// Its lists.
    pub lists: Vec<ListRef>,
    /// Its last chunks, where they are too few for a list.
    pub tail: Vec<ChunkRef>,
}

/// How a stream refers to a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListRef {
    /// The list.
    pub id: ListId,
    /// Its first chunk, by which a later backup finds it.
    pub first_chunk: ChunkId,
    /// How many chunks it has.
    pub chunks: u32,
    /// Their length together, in bytes.
    pub bytes: u64,
}

impl From<&crate::list::SealedList> for ListRef {
    fn from(list: &crate::list::SealedList) -> Self {
        Self {
            id: list.id,
            first_chunk: list.first_chunk,
            chunks: list.entries,
            bytes: list.raw_bytes,
        }
    }
}
