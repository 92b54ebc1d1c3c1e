//! The last steps of a backup before its commit: its payload, and the look at what is really stored.

use chrono::{DateTime, Utc};
use dataguardian_core::database::{DatabaseDescription, ToolUse, Warning};
use dataguardian_core::engine::Engine;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::ids::{BackupId, DatasourceId, ExecutionId, JobId};
use dataguardian_repository::format::FORMAT_VERSION;
use dataguardian_repository::keys::Protection;
use dataguardian_repository::manifest::{
    Contents, DatabaseSnapshot, Encryption, Figures, ListRef, MissingDatabase, Outline, Payload,
    SnapshotPosition, StoredObject, Stream,
};
use dataguardian_repository::presence;

use super::{Destination, Written, WrittenStream};

/// What the payload says besides what the pipeline wrote.
#[derive(Debug)]
pub struct Particulars {
    /// The backup.
    pub backup: BackupId,
    /// Of what.
    pub datasource: DatasourceId,
    /// The execution that made it.
    pub execution: ExecutionId,
    /// The job that it is of; none if it was deleted after the run was asked for.
    pub job: Option<JobId>,
    /// The kind of server.
    pub engine: Engine,
    /// When the first snapshot was taken, by the server's clock.
    pub started_at: DateTime<Utc>,
    /// When the last stream ended, by the server's clock.
    pub finished_at: DateTime<Utc>,
    /// The server's version as it says it.
    pub server_version: String,
    /// What tells the server from every other one.
    pub system_identifier: Option<String>,
    /// Where in the server's log the one snapshot of all databases stands, if they share one and it is known.
    pub snapshot: Option<SnapshotPosition>,
    /// The snapshots of the databases, if each has its own.
    pub snapshots: Vec<DatabaseSnapshot>,
    /// The programs that took part.
    pub tools: Vec<ToolUse>,
    /// The databases.
    pub databases: Vec<DatabaseDescription>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// The databases that were meant to be in it and are not.
    pub missing: Vec<MissingDatabase>,
}

/// The payload of the manifest, open.
pub fn payload(particulars: Particulars, written: &Written, protection: &Protection) -> Payload {
    let encryption = match protection {
        Protection::Plain => None,
        Protection::Encrypted(keys) => Some(Encryption {
            cipher: "AES-256-GCM".to_owned(),
            keys: keys.key_ids(),
        }),
    };
    let packs = written
        .packs
        .iter()
        .chain(&written.earlier_packs)
        .map(|pack| StoredObject {
            id: pack.id,
            size: pack.stored_bytes,
        });
    let mut lists: Vec<_> = written
        .streams
        .iter()
        .flat_map(|stream| &stream.lists)
        .map(|list| StoredObject {
            id: list.id,
            size: list.stored_bytes,
        })
        .collect();
    lists.sort_by_key(|list| list.id);
    lists.dedup_by_key(|list| list.id);
    let outline = Outline {
        format: FORMAT_VERSION,
        product: env!("CARGO_PKG_VERSION").to_owned(),
        datasource: particulars.datasource,
        backup: particulars.backup,
        execution: particulars.execution,
        job: particulars.job,
        engine: particulars.engine,
        started_at: particulars.started_at,
        finished_at: particulars.finished_at,
        encryption,
        packs: packs.collect(),
        lists,
    };
    let contents = Contents {
        server_version: particulars.server_version,
        system_identifier: particulars.system_identifier,
        snapshot: particulars.snapshot,
        snapshots: particulars.snapshots,
        tools: particulars.tools,
        databases: particulars.databases,
        streams: written.streams.iter().map(stream).collect(),
        warnings: particulars.warnings,
        missing: particulars.missing,
        figures: Some(Figures {
            base: written.base,
            stored: written.packs.iter().map(|pack| pack.stored_bytes).sum(),
            reused: written.reused_bytes,
        }),
        referenced: written.referenced.clone(),
    };
    Payload { outline, contents }
}

fn stream(written: &WrittenStream) -> Stream {
    let list = |list: &super::WrittenList| ListRef {
        id: list.id,
        first_chunk: list.first_chunk,
        chunks: list.entries,
        bytes: list.raw_bytes,
    };
    Stream {
        header: written.header.clone(),
        bytes: written.bytes,
        rows: written.end.rows,
        digest: written.digest,
        lists: written.lists.iter().map(list).collect(),
        tail: written.tail.clone(),
    }
}

/// Looks whether everything that the payload names is in each storage with its size. Gives those where it is, and the
/// others with what is missing there.
pub async fn check_presence(
    destinations: Vec<Destination>,
    outline: &Outline,
) -> (Vec<Destination>, Vec<(Destination, Failure)>) {
    let (mut complete, mut incomplete) = (Vec::new(), Vec::new());
    for destination in destinations {
        match missing(&destination, outline).await {
            Ok(()) => complete.push(destination),
            Err(failure) => incomplete.push((destination, failure)),
        }
    }
    (complete, incomplete)
}

async fn missing(destination: &Destination, outline: &Outline) -> Result<(), Failure> {
    let wrong = presence::check_presence(&destination.storage, outline)
        .await
        .map_err(|error| error.failure())?;
    let Some(first) = wrong.first() else { return Ok(()) };
    let what = match first.found {
        None => "is missing".to_owned(),
        Some(found) => format!("has {found} bytes, not {}", first.expected),
    };
    let message = format!(
        "storage {}: {} {what}, though the backup needs it ({} objects in all)",
        destination.name,
        first.key,
        wrong.len()
    );
    Err(Failure::new(FailureKind::StorageError, message))
}
