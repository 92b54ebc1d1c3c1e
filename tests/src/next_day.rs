//! What the next day's backup adds to a storage, beside restic with the same data: 600 rows scattered over a wide table are
//! changed, and one row in a hundred is new.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use crate::cache;
use crate::postgres::{Postgres, Version};
use crate::system::{System, files};

/// Rows on the first day.
const ROWS: u64 = 63_000;
/// Columns of 64 characters in each row.
const COLUMNS: u32 = 30;
const DATABASE: &str = "wide";

/// What both added to their storages, in bytes.
#[derive(Debug, Serialize)]
pub struct NextDay {
    /// Of the database, on the server's disk.
    pub database_bytes: u64,
    /// Ours on the first day.
    pub ours_first: u64,
    /// Ours on the next day.
    pub ours_next: u64,
    /// The peer's on the first day.
    pub restic_first: u64,
    /// The peer's on the next day.
    pub restic_next: u64,
    /// Which peer.
    pub restic_version: String,
}

/// Measures both, side by side.
///
/// # Errors
/// If a part is missing, or a backup fails.
pub fn measure() -> Result<NextDay> {
    let restic = cache::part("restic")?.join("restic");
    let restic_version = version(&restic)?;
    let server = Postgres::start(Version::V18)?;
    load(&server)?;
    let system = System::start()?;
    system.add_datasource("main", &server, &[DATABASE])?;
    system.add_job("main", &[])?;
    let peer = Restic::new(restic, system.folder())?;
    let both = || -> Result<(u64, u64)> {
        system.run_job("main").succeed()?;
        peer.back_up(&server)?;
        Ok((size(&system.vault())?, peer.size()?))
    };
    let (ours_first, restic_first) = both()?;
    change(&server)?;
    let (ours, restic) = both()?;
    let bytes = server.psql("postgres", &format!("SELECT pg_database_size('{DATABASE}')"))?;
    Ok(NextDay {
        database_bytes: bytes.trim().parse().context("the database's size")?,
        ours_first,
        ours_next: ours - ours_first,
        restic_first,
        restic_next: restic - restic_first,
        restic_version,
    })
}

/// Texts that look like hashes: about half of each is information.
fn row(number: &str) -> String {
    let column = |column| format!("md5('{column}' || {number}) || md5({number} || 'x{column}')");
    (0..COLUMNS).map(column).collect::<Vec<_>>().join(", ")
}

fn load(server: &Postgres) -> Result<()> {
    server.create_database(DATABASE)?;
    let columns: Vec<_> = (0..COLUMNS).map(|column| format!("c{column} text")).collect();
    server.psql(
        DATABASE,
        &format!(
            "create table wide (id bigint primary key, {}); insert into wide select g, {} from generate_series(1, {ROWS}) g",
            columns.join(", "),
            row("g")
        ),
    )?;
    Ok(())
}

fn change(server: &Postgres) -> Result<()> {
    server.psql(
        DATABASE,
        &format!(
            "update wide set c7 = md5(c7) where id % {} = 17; insert into wide select g, {} from generate_series({}, {}) g",
            ROWS / 600,
            row("g"),
            ROWS + 1,
            ROWS + ROWS / 100
        ),
    )?;
    Ok(())
}

fn size(folder: &Path) -> Result<u64> {
    let sizes = files(folder)?
        .into_iter()
        .map(|file| Ok(fs::metadata(file)?.len()));
    sizes.sum::<Result<u64>>()
}

fn version(restic: &Path) -> Result<String> {
    let said = Command::new(restic).arg("version").output()?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// A repository of restic's.
struct Restic {
    program: PathBuf,
    repository: String,
    password: String,
}

impl Restic {
    fn new(program: PathBuf, folder: &Path) -> Result<Self> {
        let password = folder.join("restic.password");
        fs::write(&password, "of no importance")?;
        let peer = Self {
            program,
            repository: folder.join("restic").display().to_string(),
            password: password.display().to_string(),
        };
        let status = peer.command().arg("init").stdout(Stdio::null()).status()?;
        ensure!(status.success(), "restic init ended with {status}");
        Ok(peer)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args([
            "--repo",
            &self.repository,
            "--password-file",
            &self.password,
            "--no-cache",
        ]);
        command
    }

    /// `pg_dump` as text into `restic backup --stdin`.
    fn back_up(&self, server: &Postgres) -> Result<()> {
        let mut dump: Command = server.command("pg_dump", DATABASE);
        let mut dumping = dump.stdout(Stdio::piped()).stdin(Stdio::null()).spawn()?;
        let stream = dumping.stdout.take().context("a pipe")?;
        let mut backup = self.command();
        backup.args(["backup", "--stdin", "--stdin-filename", "wide.sql", "--quiet"]);
        let status = backup.stdin(stream).stdout(Stdio::null()).status()?;
        ensure!(status.success(), "restic ended with {status}");
        let status = dumping.wait()?;
        ensure!(status.success(), "pg_dump ended with {status}");
        Ok(())
    }

    fn size(&self) -> Result<u64> {
        size(Path::new(&self.repository))
    }
}
