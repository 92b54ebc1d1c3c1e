//! The figures: medians, their ratios, and what they were measured on.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use comfy_table::Table;
use dataguardian_tests::postgres::Postgres;
use serde::Serialize;

use crate::contestants::{Contestant, DATABASE};

/// What was seen beside the times.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Measured {
    /// One backup of ours, in bytes.
    pub(super) stored_bytes: u64,
    /// The peer's archive, in bytes.
    pub(super) peer_bytes: u64,
    /// The agent's highest resident memory, in KiB.
    pub(super) agent_peak_kib: u64,
}

#[derive(Debug, Serialize)]
struct Times {
    contestant: String,
    seconds: Vec<f64>,
    median: f64,
}

#[derive(Debug, Serialize)]
struct Ratio {
    ours: String,
    peer: String,
    /// Seconds of ours to seconds of the peer's: below 1 we are quicker.
    ratio: f64,
}

#[derive(Debug, Serialize)]
struct Machine {
    processor: String,
    processors: usize,
    memory_kib: u64,
}

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    version: &'static str,
    server: String,
    optimised: bool,
    machine: Machine,
    rows: u64,
    database_bytes: u64,
    times: Vec<Times>,
    ratios: Vec<Ratio>,
    /// What was seen beside the times.
    pub(super) measured: Measured,
}

impl Report {
    /// No figures yet.
    pub(super) fn new(server: &Postgres, rows: u64) -> Result<Self> {
        let size = server.psql("postgres", &format!("SELECT pg_database_size('{DATABASE}')"))?;
        Ok(Self {
            version: env!("CARGO_PKG_VERSION"),
            server: server.version().to_string(),
            optimised: !cfg!(debug_assertions),
            machine: Machine::this()?,
            rows,
            database_bytes: size.trim().parse().context("the database's size")?,
            times: Vec::new(),
            ratios: Vec::new(),
            measured: Measured::default(),
        })
    }

    /// One more time of a contestant.
    pub(super) fn add(&mut self, contestant: Contestant, seconds: f64) {
        let name = contestant.to_string();
        let position = self.times.iter().position(|times| times.contestant == name);
        let index = position.unwrap_or_else(|| {
            self.times.push(Times {
                contestant: name,
                seconds: Vec::new(),
                median: 0.0,
            });
            self.times.len() - 1
        });
        if let Some(times) = self.times.get_mut(index) {
            times.seconds.push(seconds);
            times.median = median(&times.seconds);
        }
    }

    /// Sets the medians of two side by side. Nothing if one of them never ran.
    pub(super) fn compare(&mut self, ours: Contestant, peer: Contestant) {
        let (ours, peer) = (ours.to_string(), peer.to_string());
        let median = |name: &str| {
            let times = self.times.iter().find(|times| times.contestant == name)?;
            Some(times.median)
        };
        if let (Some(of_ours), Some(of_peer)) = (median(&ours), median(&peer)) {
            self.ratios.push(Ratio {
                ours,
                peer,
                ratio: of_ours / of_peer,
            });
        }
    }

    /// Prints it for people.
    pub(super) fn show(&self) {
        let mut table = Table::new();
        table.set_header(["", "median s", "MiB/s"]);
        let mebibytes = mebibytes(self.database_bytes);
        for times in &self.times {
            table.add_row([
                times.contestant.clone(),
                format!("{:.2}", times.median),
                format!("{:.0}", mebibytes / times.median),
            ]);
        }
        println!("{table}");
        for Ratio { ours, peer, ratio } in &self.ratios {
            println!("{ours} takes {ratio:.2} times as long as {peer}");
        }
        let Measured {
            stored_bytes,
            peer_bytes,
            agent_peak_kib,
        } = self.measured;
        println!(
            "{mebibytes:.0} MiB of database became {:.0} MiB, and {:.0} MiB with pg_dump; the agent took at most {} MiB",
            self::mebibytes(stored_bytes),
            self::mebibytes(peer_bytes),
            agent_peak_kib >> 10
        );
        if !self.optimised {
            println!("These are figures of an unoptimised build: `make bench` builds an optimised one.");
        }
    }

    /// Writes it for programs.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_vec_pretty(self)?).with_context(|| path.display().to_string())
    }
}

impl Machine {
    fn this() -> Result<Self> {
        let value = |path: &str, key: &str| -> Result<String> {
            let text = fs::read_to_string(path)?;
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            let line = line.with_context(|| format!("{path} has no {key}"))?;
            Ok(line.trim_start_matches([' ', '\t', ':']).to_owned())
        };
        let memory = value("/proc/meminfo", "MemTotal")?;
        Ok(Self {
            // Not every architecture's kernel names it.
            processor: value("/proc/cpuinfo", "model name").unwrap_or_else(|_| "unknown".to_owned()),
            processors: std::thread::available_parallelism()?.get(),
            memory_kib: memory.trim_end_matches(" kB").parse().context("MemTotal")?,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "sizes are shown with three digits")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = sorted.get(middle).copied().unwrap_or(f64::NAN);
    match sorted.len() % 2 {
        0 => f64::midpoint(
            sorted.get(middle.wrapping_sub(1)).copied().unwrap_or(f64::NAN),
            upper,
        ),
        _ => upper,
    }
}
