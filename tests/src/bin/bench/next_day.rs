//! What the next day's backup adds to a storage, beside restic with the same data: 600 rows scattered over a wide table are
//! changed, and one row in a hundred is new.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::system::{System, files};
use serde::Serialize;

/// Rows on the first day.
const ROWS: u64 = 63_000;
/// Columns of 64 characters in each row.
const COLUMNS: u32 = 30;
const DATABASE: &str = "wide";

/// What both added to their storages, in bytes.
#[derive(Debug, Serialize)]
struct NextDay {
    database_bytes: u64,
    ours_first: u64,
    ours_next: u64,
    restic_first: u64,
    restic_next: u64,
    restic_version: String,
}

/// Measures both, prints the figures and writes them.
pub(super) fn run(output: &Path) -> Result<()> {
    let restic_version = version()?;
    let server = Postgres::start(Version::V18)?;
    load(&server)?;
    let system = System::start()?;
    system.add_datasource("main", &server, &[DATABASE])?;
    system.add_job("main", &[])?;
    let peer = Restic::new(system.folder())?;
    let both = || -> Result<(u64, u64)> {
        system.run_job("main").succeed()?;
        peer.back_up(&server)?;
        Ok((size(&system.vault())?, peer.size()?))
    };
    let (ours_first, restic_first) = both()?;
    change(&server)?;
    let (ours, restic) = both()?;
    let bytes = server.psql("postgres", &format!("SELECT pg_database_size('{DATABASE}')"))?;
    let figures = NextDay {
        database_bytes: bytes.trim().parse().context("the database's size")?,
        ours_first,
        ours_next: ours - ours_first,
        restic_first,
        restic_next: restic - restic_first,
        restic_version,
    };
    println!("{figures:#?}");
    println!(
        "the next day adds {} % of what it adds to restic",
        figures.ours_next * 100 / figures.restic_next.max(1)
    );
    if let Some(folder) = output.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(output, serde_json::to_vec_pretty(&figures)?).with_context(|| output.display().to_string())
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

fn version() -> Result<String> {
    let said = Command::new("restic").arg("version").output();
    let said = said.context("restic is not installed: `apt install restic`")?;
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// A repository of restic's.
struct Restic {
    repository: String,
    password: String,
}

impl Restic {
    fn new(folder: &Path) -> Result<Self> {
        let password = folder.join("restic.password");
        fs::write(&password, "of no importance")?;
        let peer = Self {
            repository: folder.join("restic").display().to_string(),
            password: password.display().to_string(),
        };
        let status = peer.command().arg("init").stdout(Stdio::null()).status()?;
        ensure!(status.success(), "restic init ended with {status}");
        Ok(peer)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("restic");
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
