//! Measures backup and restore beside PostgreSQL's own programs, on the same server, in the same run, taking turns.
//!
//! A figure is a ratio of medians: seconds of ours to seconds of a peer's. `pg_dump --compress=0` into nothing is the limit of
//! what the server and one connection give; `pg_dump` and `pg_restore` with their defaults are what people use. Written to
//! `target/bench/postgres.json` with the machine and the versions, so that two runs can be compared.
//!
//! With `--next-day` it measures bytes instead: what a second backup adds to its storage, beside restic. The test `reuse` holds
//! that figure to its limit.

mod contestants;
mod report;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Parser;
use dataguardian_tests::memory::peak_kib;
use dataguardian_tests::next_day;
use dataguardian_tests::postgres::{Postgres, Version};
use dataguardian_tests::sample::load_bulk;

use contestants::{Contestant, Ours, Peer, Ring};
use report::{Measured, Report};

/// Measures backup and restore beside `pg_dump` and `pg_restore`.
#[derive(Debug, Parser)]
struct Arguments {
    /// Orders in the sample shop: 1,500,000 make 1 GB
    #[arg(long, default_value_t = 1_500_000)]
    rows: u64,
    /// How often each contestant runs
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..100))]
    runs: u32,
    /// Where the figures go
    #[arg(long, default_value = "target/bench/postgres.json")]
    output: PathBuf,
    /// Measure what the next day's backup adds, beside restic, and nothing else
    #[arg(long)]
    next_day: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.next_day {
        return write_next_day(&arguments.output.with_file_name("next-day.json"));
    }
    let server = Postgres::start(Version::V18)?;
    load_bulk(&server, contestants::DATABASE, arguments.rows)?;
    let ring = Ring::new(&server)?;
    let mut report = Report::new(&server, arguments.rows)?;
    let contestants = Contestant::all();
    // The first round warms the caches and counts for nobody.
    for round in 0..=arguments.runs {
        for contestant in contestants {
            let seconds = ring.run(contestant)?;
            println!("{round}  {:<32} {seconds:>8.2} s", contestant.to_string());
            if round > 0 {
                report.add(contestant, seconds);
            }
        }
    }
    report.measured = Measured {
        stored_bytes: ring.stored_bytes()?,
        peer_bytes: ring.peer_bytes()?,
        agent_peak_kib: peak_kib(ring.agent_pid())?,
    };
    report.compare(Contestant::Ours(Ours::Backup), Contestant::Peer(Peer::Read));
    report.compare(Contestant::Ours(Ours::Backup), Contestant::Peer(Peer::Dump));
    report.compare(Contestant::Ours(Ours::Restore), Contestant::Peer(Peer::Restore));
    report.show();
    report.write(&arguments.output)
}

fn write_next_day(output: &Path) -> Result<()> {
    let figures = next_day::measure()?;
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
