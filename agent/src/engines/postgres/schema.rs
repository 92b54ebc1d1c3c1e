//! The schema of a database, by `pg_dump` under our snapshot.
//!
//! One run makes a custom archive of everything but rows; `pg_restore` turns that into the two SQL sections, so all three
//! show the same moment. Two sections rather than `--schema-only`, because only so does the archive hold what refreshes
//! materialised views, in the order that their dependencies demand; large objects, whose metadata would come along, are left
//! out and dumped by [`super::large_objects`].
//!
//! `pg_dump` locks the tables in its own session. If another session has asked for an exclusive lock since we took ours, it
//! waits behind us and `pg_dump` waits behind it: a deadlock that the server can't see, since our session is idle. Our
//! session therefore watches for it; the answer is to let go of everything and take a new snapshot.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dataguardian_core::database::ToolUse;
use dataguardian_core::failure::{Failure, FailureKind};
use dataguardian_core::stream::{StreamEnd, StreamHeader, StreamRole};
use sqlx::PgConnection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout};

use super::run::Run;
use super::snapshot::Snapshot;
use super::{failure, quote};
use crate::engines::StreamSink;
use crate::engines::clients::Client;
use crate::engines::spool::Spool;

/// How often the lock queue is looked at while `pg_dump` runs.
const LOOK: Duration = Duration::from_millis(50);
/// How many looks in a row must see it wait behind somebody who waits for us.
const LOOKS_STUCK: u32 = 3;
/// How much is read from a pipe at once.
const PIECE: usize = 64 << 10;

/// What became of `pg_dump`.
#[derive(Debug)]
pub(super) enum Archived {
    /// Here is the archive.
    Done {
        /// The archive.
        archive: Spool,
        /// For the manifest.
        tool: ToolUse,
        /// What `pg_dump` had to say.
        said: Vec<String>,
    },
    /// It waits for locks behind somebody who waits for ours: begin again.
    Stuck,
}

/// Runs `pg_dump` to its end, or until it is stuck.
pub(super) async fn archive(
    run: &Run,
    client: &Client,
    database: &str,
    snapshot: &mut Snapshot,
) -> Result<Archived, Failure> {
    let arguments = dump_arguments(snapshot);
    let mut command = run.command(&client.program("pg_dump"), database);
    command.args(&arguments);
    let mut process = run.spawn(command)?;
    let mut stdout = process.stdout()?;
    let reading = async {
        let mut archive = Spool::new(run.private_directory("spool")?);
        while let Some(piece) = next_piece(&mut stdout).await? {
            archive.write(&piece)?;
        }
        let said = process.succeed().await?;
        Ok::<_, Failure>((archive, said))
    };
    let marker = run.marker.to_string();
    let outcome = tokio::select! {
        read = reading => read.map(Some),
        stuck = watch(&mut snapshot.session, &marker) => stuck.map(|()| None),
    };
    match outcome {
        Ok(Some((archive, said))) => Ok(Archived::Done {
            archive,
            tool: ToolUse {
                name: "pg_dump".to_owned(),
                version: client.version.clone(),
                arguments,
            },
            said,
        }),
        Ok(None) => Ok(Archived::Stuck),
        Err(failure) => Err(explained(&mut snapshot.session, failure).await),
    }
}

fn dump_arguments(snapshot: &Snapshot) -> Vec<String> {
    let mut arguments: Vec<String> = [
        "--format=custom",
        "--compress=0",
        "--section=pre-data",
        "--section=post-data",
        "--no-blobs",
        "--no-password",
    ]
    .map(str::to_owned)
    .into();
    arguments.push(format!("--snapshot={}", snapshot.id));
    for name in &snapshot.contents.left_out.tables {
        // In double quotes, a pattern means itself.
        arguments.push(format!(
            "--exclude-table={}",
            quote::qualified(&name.schema, &name.name)
        ));
    }
    arguments
}

/// Returns when another session of ours waits for a lock behind somebody else's request for several looks in a row.
async fn watch(session: &mut PgConnection, marker: &str) -> Result<(), Failure> {
    const SQL: &str = "
        SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
        WHERE a.application_name = $1 AND a.pid <> pg_catalog.pg_backend_pid() AND a.wait_event_type = 'Lock'
            AND pg_catalog.cardinality(pg_catalog.pg_blocking_pids(a.pid)) > 0";
    let mut stuck = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        // Within a transaction the view would show the first look for ever.
        let looked = sqlx::raw_sql("SELECT pg_catalog.pg_stat_clear_snapshot()")
            .execute(&mut *session)
            .await;
        let waiting: Result<i64, sqlx::Error> = match looked {
            Ok(_) => {
                sqlx::query_scalar(SQL)
                    .bind(marker)
                    .fetch_one(&mut *session)
                    .await
            }
            Err(error) => Err(error),
        };
        let waiting = waiting.map_err(failure::at("watching the locks"))?;
        stuck = if waiting > 0 { stuck + 1 } else { 0 };
        if stuck >= LOOKS_STUCK {
            return Ok(());
        }
    }
}

/// A program says "failed" whatever the reason. If our own session is gone too, the server is the reason.
pub(super) async fn explained(session: &mut PgConnection, failure: Failure) -> Failure {
    if failure.kind != FailureKind::ClientFailed {
        return failure;
    }
    match sqlx::raw_sql("SELECT 1").execute(session).await {
        Ok(_) => failure,
        Err(error) => super::failure::working(&failure.message, &error),
    }
}

/// Hands the archive on as a stream of its own.
pub(super) async fn send_archive(
    sink: &dyn StreamSink,
    database: &str,
    archive: &mut Spool,
) -> Result<(), Failure> {
    let mut writer = sink.open(header(StreamRole::SchemaArchive, database)).await?;
    archive.rewind()?;
    while let Some(piece) = archive.read(PIECE)? {
        writer.write(piece).await?;
    }
    writer.finish(StreamEnd::default()).await
}

/// One of the two SQL sections, as `pg_restore` writes it.
pub(super) struct Section<'a> {
    /// [`StreamRole::SchemaBeforeData`] or [`StreamRole::SchemaAfterData`].
    pub(super) role: StreamRole,
    /// The database.
    pub(super) database: &'a str,
    /// The server's major version.
    pub(super) server_major: u32,
    /// The key for psql's `\restrict`.
    pub(super) restrict_key: &'a str,
    /// The only entries of the archive that go into it; all if none.
    pub(super) entries: Option<&'a [i64]>,
}

impl Section<'_> {
    /// Makes the section from the archive and hands it on.
    pub(super) async fn send(
        &self,
        run: &Run,
        client: &Client,
        sink: &dyn StreamSink,
        archive: &mut Spool,
    ) -> Result<ToolUse, Failure> {
        let section = match self.role {
            StreamRole::SchemaBeforeData => "pre-data",
            _ => "post-data",
        };
        let mut arguments = vec![format!("--section={section}"), "--file=-".to_owned()];
        if client.knows_restrict_key() {
            arguments.push(format!("--restrict-key={}", self.restrict_key));
        }
        let mut command = run.command(&client.program("pg_restore"), self.database);
        command.args(&arguments);
        if let Some(entries) = self.entries {
            command.arg(format!("--use-list={}", keep_list(run, entries).await?));
        }
        let mut process = run.spawn(command)?;
        let (stdin, mut stdout) = (process.stdin()?, process.stdout()?);
        archive.rewind()?;
        let writing = async {
            let mut writer = sink.open(header(self.role, self.database)).await?;
            let mut preamble = Preamble::new(client.major, self.server_major);
            while let Some(piece) = next_piece(&mut stdout).await? {
                if let Some(piece) = preamble.pass(piece) {
                    writer.write(piece).await?;
                }
            }
            if let Some(rest) = preamble.end() {
                writer.write(rest).await?;
            }
            Ok(writer)
        };
        let (writer, ()) = tokio::try_join!(writing, feed(archive, stdin))?;
        process.succeed().await?;
        writer.finish(StreamEnd::default()).await?;
        Ok(ToolUse {
            name: "pg_restore".to_owned(),
            version: client.version.clone(),
            arguments,
        })
    }
}

/// Writes entries for `--use-list`, which reads no more of a line than the number.
async fn keep_list(run: &Run, entries: &[i64]) -> Result<String, Failure> {
    let path = run.private_directory("spool")?.join("entries");
    let list: String = entries.iter().map(|entry| format!("{entry};\n")).collect();
    let kept = tokio::fs::write(&path, list).await;
    kept.map_err(|error| failure::local("keeping the archive's list", &error))?;
    Ok(path.display().to_string())
}

/// Gives a program the archive. One that reads no further says why by its exit status.
pub(super) async fn feed(archive: &mut Spool, mut stdin: ChildStdin) -> Result<(), Failure> {
    while let Some(piece) = archive.read(PIECE)? {
        if stdin.write_all(&piece).await.is_err() {
            break;
        }
    }
    Ok(())
}

pub(super) async fn next_piece(stdout: &mut ChildStdout) -> Result<Option<Bytes>, Failure> {
    let mut piece = BytesMut::with_capacity(PIECE);
    let read = stdout
        .read_buf(&mut piece)
        .await
        .map_err(|error| failure::local("reading a client program's output", &error))?;
    Ok((read > 0).then(|| piece.freeze()))
}

/// Takes out of a script's first lines what an older server does not know: `SET transaction_timeout` (PostgreSQL 17).
#[derive(Debug)]
pub(super) struct Preamble {
    /// The beginning of the script until it is long enough to be looked at; none when nothing is held back.
    held: Option<BytesMut>,
}

impl Preamble {
    /// The settings stand in the first lines: far less than this.
    const LENGTH: usize = 4 << 10;
    const UNKNOWN: &[u8] = b"\nSET transaction_timeout = 0;\n";

    pub(super) fn new(client_major: u32, server_major: u32) -> Self {
        let needed = client_major >= 17 && server_major < 17;
        Self {
            held: needed.then(BytesMut::new),
        }
    }

    /// Passes a piece on, unless the beginning has to be waited for.
    pub(super) fn pass(&mut self, piece: Bytes) -> Option<Bytes> {
        let Some(held) = &mut self.held else {
            return Some(piece);
        };
        held.extend_from_slice(&piece);
        if held.len() < Self::LENGTH {
            return None;
        }
        self.end()
    }

    /// What is still held back.
    pub(super) fn end(&mut self) -> Option<Bytes> {
        let mut held = self.held.take()?;
        let look_at = &held[..held.len().min(Self::LENGTH)];
        if let Some(at) = look_at
            .windows(Self::UNKNOWN.len())
            .position(|window| window == Self::UNKNOWN)
        {
            let after = held.split_off(at + Self::UNKNOWN.len() - 1);
            held.truncate(at);
            held.unsplit(after);
        }
        Some(held.freeze())
    }
}

fn header(role: StreamRole, database: &str) -> StreamHeader {
    StreamHeader {
        role,
        database: Some(database.to_owned()),
        object: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(client: u32, server: u32, pieces: &[&'static str]) -> String {
        let mut preamble = Preamble::new(client, server);
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(
                preamble
                    .pass(Bytes::from_static(piece.as_bytes()))
                    .unwrap_or_default(),
            );
        }
        out.extend(preamble.end().unwrap_or_default());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_older_server_is_spared_a_setting_that_it_does_not_know() {
        let script = [
            "-- dump\nSET lock_timeout = 0;\nSET transac",
            "tion_timeout = 0;\nSET x = 1;\n",
        ];
        assert_eq!(
            through(18, 15, &script),
            "-- dump\nSET lock_timeout = 0;\nSET x = 1;\n"
        );
        assert_eq!(through(18, 17, &script), script.concat());
        assert_eq!(through(15, 15, &script), script.concat());
    }
}
