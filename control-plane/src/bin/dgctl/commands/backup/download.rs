//! `dgctl backup download`.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use dataguardian_proto::v1;
use dataguardian_proto::v1::download_backup_response::Message;
use tokio::io::AsyncWriteExt as _;
use tonic::Streaming;

use super::{Context, Get};
use crate::connect::Api;
use crate::error::{Error, Result};
use crate::output::text::{bytes, cell};
use crate::progress::Transferred;

type Pieces = Streaming<v1::DownloadBackupResponse>;

/// `dgctl backup download`
///
/// One database of a backup as one SQL script, read from a storage by an agent and checked piece by piece. The database itself, its
/// owner and its settings are not in it: make an empty one first. Only exit status 0 means that the script is whole.
#[derive(Debug, Args)]
pub(crate) struct Download {
    #[command(flatten)]
    backup: Get,
    /// Which database; may be left out where the backup has only one
    #[arg(long, value_name = "DATABASE")]
    database: Option<String>,
    /// The roles and users instead of a database
    #[arg(long, conflicts_with = "database")]
    globals: bool,
    /// Write to this file, which is there when it is whole [else: to standard output]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Write to a terminal, or over a file that is there
    #[arg(long)]
    force: bool,
}

impl Download {
    pub(crate) async fn run(self, context: &Context) -> Result<()> {
        self.check()?;
        let request = v1::DownloadBackupRequest {
            backup: self.backup.backup,
            datasource: self.backup.datasource.unwrap_or_default(),
            database: self.database.unwrap_or_default(),
            globals: self.globals,
        };
        match self.file {
            Some(path) => into_file(context, request, &path).await,
            None => {
                let (mut pieces, start) = begin(context, request).await?;
                let written = copy(&mut pieces, &start, &mut tokio::io::stdout(), "standard output").await;
                written.map_err(|error| cut_off(error, "throw away what came of it"))
            }
        }
    }

    fn check(&self) -> Result<()> {
        let special = |path: &Path| path.metadata().is_ok_and(|found| !found.is_file());
        match &self.file {
            Some(path) if special(path) => Err(Error::usage(format!(
                "{} is no file that could be written over: give another name",
                path.display()
            ))),
            _ if self.force => Ok(()),
            Some(path) if path.exists() => Err(Error::usage(format!(
                "{} is there already: give another name, or --force to write over it",
                path.display()
            ))),
            None if io::stdout().is_terminal() => Err(Error::usage(
                "a script is not for a terminal: send it into a program or a file, name a file with --file, or give --force",
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// How many connections are tried for the replica that the agent is connected to.
const REPLICAS: usize = 20;

/// The pieces that come, and what they are of. The script comes through the replica that has the agent's session: a balancer is asked
/// until it gives us that one. The connections that led elsewhere stand meanwhile, so that a balancer that counts them gives another.
async fn begin(context: &Context, request: v1::DownloadBackupRequest) -> Result<(Pieces, v1::DownloadStart)> {
    let mut elsewhere = Vec::new();
    loop {
        let api = context.api().await?;
        match ask(&api, request.clone()).await {
            Err(error) if error.has_reason("AGENT_ELSEWHERE") && elsewhere.len() < REPLICAS => {
                elsewhere.push(api);
            }
            begun => return begun,
        }
    }
}

async fn ask(api: &Api, request: v1::DownloadBackupRequest) -> Result<(Pieces, v1::DownloadStart)> {
    let mut pieces = api.backups().download_backup(request).await?.into_inner();
    match pieces.message().await?.and_then(|first| first.message) {
        Some(Message::Start(start)) => Ok((pieces, start)),
        _ => Err(Error::Incomplete("start")),
    }
}

/// Writes it under another name first: the file is there when it is whole.
async fn into_file(context: &Context, request: v1::DownloadBackupRequest, path: &Path) -> Result<()> {
    let file_error = |source| Error::File {
        action: "writing",
        path: path.to_owned(),
        source,
    };
    // Before anything is asked for that there is no place for.
    let (file, unfinished) = Unfinished::create(path).map_err(file_error)?;
    let (mut pieces, start) = begin(context, request).await?;
    let mut file = tokio::fs::File::from_std(file);
    let written = copy(&mut pieces, &start, &mut file, &path.display().to_string()).await;
    written.map_err(|error| cut_off(error, "nothing was left of it"))?;
    file.sync_all().await.map_err(file_error)?;
    unfinished.rename_to(path).map_err(file_error)?;
    eprintln!("{} is whole: {}", path.display(), bytes(start.bytes));
    Ok(())
}

/// Writes all pieces, unless it is interrupted.
async fn copy(
    pieces: &mut Pieces,
    start: &v1::DownloadStart,
    out: &mut (impl tokio::io::AsyncWrite + Unpin),
    name: &str,
) -> Result<()> {
    tokio::select! {
        biased;
        written = copy_all(pieces, start, out, name) => written,
        _ = tokio::signal::ctrl_c() => Err(Error::BrokenOff),
    }
}

/// Writes all pieces, and is an error unless they were as many as announced.
async fn copy_all(
    pieces: &mut Pieces,
    start: &v1::DownloadStart,
    out: &mut (impl tokio::io::AsyncWrite + Unpin),
    name: &str,
) -> Result<()> {
    let bar = Transferred::begin(start.bytes, headline(start));
    let unwritable = |source| Error::File {
        action: "writing",
        path: name.into(),
        source,
    };
    let mut written = 0;
    while let Some(response) = pieces.message().await? {
        let Some(Message::Piece(piece)) = response.message else {
            return Err(Error::Incomplete("piece"));
        };
        out.write_all(&piece).await.map_err(unwritable)?;
        written += piece.len() as u64;
        bar.at(written);
    }
    out.flush().await.map_err(unwritable)?;
    match written == start.bytes {
        true => Ok(()),
        false => Err(Error::Incomplete("rest of the script")),
    }
}

/// `downloading shop through agent db1`.
fn headline(start: &v1::DownloadStart) -> String {
    let what = match start.database.as_str() {
        "" => "roles",
        name => name,
    };
    cell(&format!("downloading {what} through agent {}", start.agent))
}

fn cut_off(source: Error, left: &'static str) -> Error {
    Error::CutOff {
        left,
        source: Box::new(source),
    }
}

/// A file that is not whole yet; it goes when this is dropped.
struct Unfinished(Option<PathBuf>);

impl Unfinished {
    /// Beside the file that it will be, for its owner alone.
    fn create(path: &Path) -> io::Result<(fs::File, Self)> {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let name = PathBuf::from(name);
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&name)?;
        Ok((file, Self(Some(name))))
    }

    fn rename_to(mut self, path: &Path) -> io::Result<()> {
        if let Some(name) = &self.0 {
            fs::rename(name, path)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(name) = &self.0
            && let Err(error) = fs::remove_file(name)
        {
            eprintln!("warning: {} could not be removed: {error}", name.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_file_goes_and_a_finished_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.sql");
        let left = || fs::read_dir(folder.path()).unwrap().count();
        let (_, unfinished) = Unfinished::create(&path).unwrap();
        assert_eq!(left(), 1);
        drop(unfinished);
        assert_eq!(left(), 0);
        let (_, unfinished) = Unfinished::create(&path).unwrap();
        unfinished.rename_to(&path).unwrap();
        assert!(path.exists() && left() == 1);
    }
}
