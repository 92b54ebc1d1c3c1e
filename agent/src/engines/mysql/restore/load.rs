//! Runs streams by the client program of the server's family.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use dataguardian_core::database::ToolUse;
use dataguardian_core::failure::{Failure, FailureKind};
use futures::StreamExt as _;
use futures::stream::{BoxStream, FuturesUnordered};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use crate::engines::StreamSource;
use crate::engines::mysql::clients::Tool;
use crate::engines::mysql::failure;
use crate::engines::mysql::run::{Programs, Run, argument};
use crate::engines::mysql::sessions::SessionId;
use crate::engines::restore::planned::PlannedTable;

/// What the program is told: to take what it reads as it is, and to end at the first error.
const ARGUMENTS: [&str; 7] = [
    "--batch",
    "--unbuffered",
    "--binary-mode",
    "--comments",
    "--skip-column-names",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
];

/// The rest of a schema is kept in memory up to here: triggers, routines and views of a database.
const LONGEST_SCHEMA: u64 = 256 << 20;

/// First of all, to know which session on the server is the program's.
const WHO: &[u8] = b"SELECT CONNECTION_ID();\n";

/// Brings scripts into one database.
#[derive(Clone, Copy)]
pub(super) struct Loader<'a> {
    pub(super) run: &'a Run,
    pub(super) programs: &'a Programs,
    pub(super) database: &'a str,
}

/// How the program is told of in reports.
pub(super) fn tool(programs: &Programs) -> ToolUse {
    ToolUse {
        name: programs.name(Tool::Shell),
        version: programs.client.version.clone(),
        arguments: ARGUMENTS.map(str::to_owned).into(),
    }
}

/// A stream as a whole.
pub(super) async fn gather(source: &dyn StreamSource, stream: usize) -> Result<Vec<u8>, Failure> {
    let length = source.streams().get(stream).map_or(0, |stream| stream.bytes);
    if length > LONGEST_SCHEMA {
        let message = "the rest of the schema is longer than any schema is";
        return Err(Failure::new(FailureKind::RepositoryDamaged, message));
    }
    let mut pieces = source.read(stream).await?;
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await.transpose()? {
        text.extend_from_slice(&piece);
    }
    Ok(text)
}

impl Loader<'_> {
    /// Runs a stream. `what` names it in failures.
    pub(super) async fn run_stream(
        &self,
        mut pieces: BoxStream<'static, Result<Bytes, Failure>>,
        what: &str,
    ) -> Result<(), Failure> {
        let mut command = self.programs.command(Tool::Shell);
        command
            .args(ARGUMENTS)
            .arg(argument(&format!("--database={}", self.database))?);
        let mut process = self.run.spawn(command)?;
        let mut input = process.stdin()?;
        let mut output = BufReader::new(process.stdout()?);
        let feeding = async {
            if self.introduce(&mut input, &mut output).await {
                tokio::try_join!(feed(input, &mut pieces), drain(&mut output))?;
            }
            Ok::<(), Failure>(())
        };
        let fed = feeding.await;
        // Why it ended says more than that its pipe broke; that the stream broke says more than both.
        fed?;
        let said = process.succeed().await;
        said.map(drop).map_err(|failure| {
            let failure = failure::of_client(failure);
            Failure::new(
                failure.kind,
                format!("restoring {what} of {}: {}", self.database, failure.message),
            )
        })
    }

    /// Runs a text.
    pub(super) async fn run_text(&self, script: &[u8], what: &str) -> Result<(), Failure> {
        const PIECE: usize = 1 << 20;
        let pieces: Vec<_> = script
            .chunks(PIECE)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        self.run_stream(futures::stream::iter(pieces).boxed(), what).await
    }

    /// Learns which session is the program's. False if it is gone already.
    async fn introduce(&self, input: &mut ChildStdin, output: &mut BufReader<ChildStdout>) -> bool {
        if input.write_all(WHO).await.is_err() || input.flush().await.is_err() {
            return false;
        }
        let mut line = String::new();
        match output.take(1024).read_line(&mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return false,
        }
        if let Ok(number) = line.trim_end().parse() {
            let host = String::new();
            self.run.register(SessionId { number, host });
        }
        true
    }
}

async fn feed(
    mut input: ChildStdin,
    pieces: &mut BoxStream<'static, Result<Bytes, Failure>>,
) -> Result<(), Failure> {
    while let Some(piece) = pieces.next().await.transpose()? {
        if input.write_all(&piece).await.is_err() {
            return Ok(());
        }
    }
    // A program that ended has its own reason.
    input.shutdown().await.unwrap_or_default();
    Ok(())
}

/// Takes what the program prints, so that it does not wait for a reader.
async fn drain(output: &mut BufReader<ChildStdout>) -> Result<(), Failure> {
    let mut piece = [0; 4096];
    while let Ok(1..) = output.read(&mut piece).await {}
    Ok(())
}

/// Loads the rows of all tables, `jobs` at once.
pub(super) async fn load_rows(
    loader: &Loader<'_>,
    source: &Arc<dyn StreamSource>,
    tables: &[PlannedTable],
    jobs: usize,
) -> Result<(), Failure> {
    let waiting: Mutex<VecDeque<&PlannedTable>> = Mutex::new(tables.iter().collect());
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let worker = || async {
        while let Some(table) = next() {
            let stream = source.read(table.stream).await?;
            loader
                .run_stream(stream, &format!("the rows of table {}", table.name.name))
                .await?;
        }
        Ok::<(), Failure>(())
    };
    let mut workers: FuturesUnordered<_> = (0..jobs.clamp(1, tables.len().max(1)))
        .map(|_| worker())
        .collect();
    while let Some(ended) = workers.next().await {
        ended?;
    }
    Ok(())
}
