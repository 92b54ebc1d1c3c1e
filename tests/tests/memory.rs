//! The agent's memory is bounded whatever the database's size, and nothing but private small files is written on its host.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use dataguardian_tests::memory::peak_kib;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;
use dataguardian_tests::setting;
use dataguardian_tests::system::System;
use dataguardian_tests::wait;

/// More than 1 GB.
const ROWS: u64 = 2_000_000;
/// In which a million rows must be dumped.
const MILLION_WITHIN: Duration = Duration::from_secs(150);
/// The limit on the agent's resident memory at its highest, in KiB.
const LIMIT_KIB: u64 = 128 << 10;

/// The regular files that a process has open, but for those that hold programs and logs.
fn open_files(pid: u32) -> Result<Vec<PathBuf>> {
    let mut open = Vec::new();
    for descriptor in fs::read_dir(format!("/proc/{pid}/fd"))?.flatten() {
        if let Ok(path) = fs::read_link(descriptor.path())
            && path.is_absolute()
            && !path.starts_with("/dev")
            && !path.starts_with("/proc")
        {
            open.push(path);
        }
    }
    Ok(open)
}

#[test]
fn a_gigabyte_goes_through_a_small_agent() -> Result<()> {
    let server = Postgres::start(Version::V15)?;
    let rows = setting::number("DATAGUARDIAN_TEST_BULK_ROWS")?.unwrap_or(ROWS);
    load_bulk(&server, "shop", rows)?;
    let size = server.psql("postgres", "select pg_database_size('shop') >> 20")?;
    ensure!(
        size.trim().parse::<u64>()? > (rows * 500) >> 20,
        "only {size} MiB"
    );
    let system = System::start()?;
    system.add_datasource("main", &server, &["shop"])?;
    system.add_job("main", &[])?;

    let execution = system.start_job("main")?;
    let pid = system.agent.pid();
    let (vault, state) = (system.vault(), system.agent.state_dir());
    let within = MILLION_WITHIN.mul_f64(rows as f64 / 1e6);
    wait::until_within(within, "the dump to end", || {
        for path in open_files(pid)? {
            let private = path.starts_with(&state) || path.starts_with(&vault);
            let log = path.extension().is_some_and(|extension| extension == "log");
            let program = path.starts_with("/usr") || path.starts_with("/etc");
            ensure!(private || log || program, "the agent has {} open", path.display());
        }
        ensure!(
            size_of(&state.join("work"))? < 1 << 20,
            "more than small private files"
        );
        Ok(system.execution(&execution)?["state"] == "EXECUTION_STATE_COMPLETED")
    })?;
    let peak = peak_kib(pid)?;
    println!("peak of the agent for {} MiB: {} MiB", size.trim(), peak >> 10);
    ensure!(peak < LIMIT_KIB, "the agent's memory rose to {peak} KiB");

    // The next one looks each chunk up in what the first one stored.
    system.run_job("main").succeed()?;
    let latest = system.json(&["backup", "get", "latest", "--datasource", "main"])?;
    let number = |field: &str| {
        latest["backup"][field]
            .as_str()
            .unwrap_or_default()
            .parse::<u64>()
    };
    let (raw, reused) = (number("rawBytes")?, number("reusedBytes")?);
    ensure!(reused > raw / 10 * 9, "{reused} of {raw} bytes were reused");
    let peak = peak_kib(pid)?;
    println!("after a backup that builds on it: {} MiB", peak >> 10);
    ensure!(peak < LIMIT_KIB, "the agent's memory rose to {peak} KiB");

    system.restore_latest("main", &["--scratch"]).succeed()?;
    let peak = peak_kib(pid)?;
    println!("after the restore: {} MiB", peak >> 10);
    ensure!(peak < LIMIT_KIB, "the agent's memory rose to {peak} KiB");
    system.check_invariants()
}

fn size_of(folder: &Path) -> Result<u64> {
    let files = dataguardian_tests::system::files(folder).unwrap_or_default();
    Ok(files
        .iter()
        .filter_map(|path| path.metadata().ok())
        .map(|metadata| metadata.len())
        .sum())
}
