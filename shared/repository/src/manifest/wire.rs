//! The JSON of contents, in which lists and packs are numbers: their places in the outline's tables.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning};
use dataguardian_core::stream::StreamHeader;
use serde::{Deserialize, Serialize};

use super::contents::{self, DatabaseSnapshot, Figures, ListRef, MissingDatabase, SnapshotPosition};
use super::payload::{Outline, PayloadError, StoredObject};
use crate::format::MAX_INLINE_TAIL;
use crate::id::{ChunkId, Digest, ListId, PackId};
use crate::list::{ChunkRef, in_bounds};
use crate::pack::FrameNumber;

#[derive(Serialize, Deserialize)]
pub(super) struct Contents {
    server_version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    system_identifier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshot: Option<SnapshotPosition>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    snapshots: Vec<DatabaseSnapshot>,
    tools: Vec<ToolUse>,
    databases: Vec<DatabaseDescription>,
    streams: Vec<Stream>,
    warnings: Vec<Warning>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<MissingDatabase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    figures: Option<Figures>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    referenced: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct Stream {
    #[serde(flatten)]
    header: StreamHeader,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    digest: Digest,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lists: Vec<List>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tail: Vec<Chunk>,
}

/// List, first chunk, chunks, bytes.
#[derive(Serialize, Deserialize)]
struct List(u32, ChunkId, u32, u64);

/// Chunk, pack, frame, offset, stored length, raw length.
#[derive(Serialize, Deserialize)]
struct Chunk(ChunkId, u32, u32, u32, u32, u32);

impl Contents {
    pub(super) fn encode(contents: &contents::Contents, outline: &Outline) -> Result<Self, PayloadError> {
        let (packs, lists) = (Table::of(&outline.packs), Table::of(&outline.lists));
        let streams = contents
            .streams
            .iter()
            .map(|stream| Stream::encode(stream, &packs, &lists));
        Ok(Self {
            server_version: contents.server_version.clone(),
            system_identifier: contents.system_identifier.clone(),
            snapshot: contents.snapshot.clone(),
            snapshots: contents.snapshots.clone(),
            tools: contents.tools.clone(),
            databases: contents.databases.clone(),
            streams: streams.collect::<Result<_, _>>()?,
            warnings: contents.warnings.clone(),
            missing: contents.missing.clone(),
            figures: contents.figures,
            referenced: contents.referenced.clone(),
        })
    }

    pub(super) fn decode(self, outline: &Outline) -> Result<contents::Contents, PayloadError> {
        let streams = self.streams.into_iter().map(|stream| stream.decode(outline));
        Ok(contents::Contents {
            server_version: self.server_version,
            system_identifier: self.system_identifier,
            snapshot: self.snapshot,
            snapshots: self.snapshots,
            tools: self.tools,
            databases: self.databases,
            streams: streams.collect::<Result<_, _>>()?,
            warnings: self.warnings,
            missing: self.missing,
            figures: self.figures,
            referenced: self.referenced,
        })
    }
}

impl Stream {
    fn encode(
        stream: &contents::Stream,
        packs: &Table<PackId>,
        lists: &Table<ListId>,
    ) -> Result<Self, PayloadError> {
        let list = |list: &ListRef| {
            let number = lists.number(&list.id).ok_or_else(|| dangling("list", list.id))?;
            Ok(List(number, list.first_chunk, list.chunks, list.bytes))
        };
        let chunk = |chunk: &ChunkRef| {
            let number = packs
                .number(&chunk.pack)
                .ok_or_else(|| dangling("pack", chunk.pack))?;
            let (frame, offset) = (chunk.frame.0, chunk.offset);
            Ok(Chunk(
                chunk.id,
                number,
                frame,
                offset,
                chunk.stored_len,
                chunk.raw_len,
            ))
        };
        Ok(Self {
            header: stream.header.clone(),
            bytes: stream.bytes,
            rows: stream.rows,
            digest: stream.digest,
            lists: stream
                .lists
                .iter()
                .map(list)
                .collect::<Result<_, PayloadError>>()?,
            tail: stream
                .tail
                .iter()
                .map(chunk)
                .collect::<Result<_, PayloadError>>()?,
        })
    }

    fn decode(self, outline: &Outline) -> Result<contents::Stream, PayloadError> {
        let list = |List(number, first_chunk, chunks, bytes)| {
            let list = named(&outline.lists, number).ok_or_else(|| dangling("list number", number))?;
            Ok(ListRef {
                id: list.id,
                first_chunk,
                chunks,
                bytes,
            })
        };
        let chunk = |Chunk(id, number, frame, offset, stored_len, raw_len)| {
            let pack = named(&outline.packs, number).ok_or_else(|| dangling("pack number", number))?;
            let chunk = ChunkRef {
                id,
                pack: pack.id,
                frame: FrameNumber(frame),
                offset,
                stored_len,
                raw_len,
            };
            in_bounds(&chunk)
                .then_some(chunk)
                .ok_or_else(|| dangling("chunk out of bounds", id))
        };
        if self.tail.len() > MAX_INLINE_TAIL {
            return Err(dangling("a tail of chunks, number", self.tail.len()));
        }
        Ok(contents::Stream {
            header: self.header,
            bytes: self.bytes,
            rows: self.rows,
            digest: self.digest,
            lists: self
                .lists
                .into_iter()
                .map(list)
                .collect::<Result<_, PayloadError>>()?,
            tail: self
                .tail
                .into_iter()
                .map(chunk)
                .collect::<Result<_, PayloadError>>()?,
        })
    }
}

fn named<Id>(table: &[StoredObject<Id>], number: u32) -> Option<&StoredObject<Id>> {
    table.get(usize::try_from(number).ok()?)
}

fn dangling(kind: &str, what: impl Display) -> PayloadError {
    PayloadError::Dangling(format!("{kind} {what}"))
}

/// Finds an object's place in an outline's table.
pub(super) struct Table<Id> {
    numbers: HashMap<Id, u32>,
    /// One that is in the table twice.
    pub(super) twice: Option<Id>,
}

impl<Id: Copy + Eq + Hash> Table<Id> {
    pub(super) fn of(objects: &[StoredObject<Id>]) -> Self {
        let mut table = Self {
            numbers: HashMap::with_capacity(objects.len()),
            twice: None,
        };
        for (object, number) in objects.iter().zip(0_u32..) {
            if table.numbers.insert(object.id, number).is_some() {
                table.twice = Some(object.id);
            }
        }
        table
    }

    fn number(&self, id: &Id) -> Option<u32> {
        self.numbers.get(id).copied()
    }
}
