//! The looking itself, through sysinfo.

use std::path::PathBuf;

use chrono::DateTime;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use super::{Disk, LoadAverage, Machine, ProcessSample, Sample, disks};

/// Remembers what it saw last: CPU use is a difference.
#[derive(Debug)]
pub(super) struct Probe {
    system: System,
    pid: Option<Pid>,
    watched: Vec<PathBuf>,
}

/// What one look saw.
#[derive(Debug)]
pub(super) struct Look {
    /// A sample without time and lag, which only the caller knows.
    pub(super) sample: Sample,
    pub(super) disks: Vec<Disk>,
}

impl Probe {
    pub(super) fn new(watched: Vec<PathBuf>) -> Result<Self, sysinfo::Error> {
        Ok(Self {
            watched,
            system: System::new()?,
            pid: sysinfo::get_current_pid().ok(),
        })
    }

    pub(super) fn look(&mut self) -> Look {
        Look {
            sample: self.sample(),
            disks: disks::of(&self.watched),
        }
    }

    fn sample(&mut self) -> Sample {
        self.system.refresh_cpu_usage();
        self.system.refresh_memory();
        Sample {
            at: DateTime::UNIX_EPOCH,
            cpu_percent: self.system.global_cpu_usage(),
            memory_total: self.system.total_memory(),
            memory_used: self.system.used_memory(),
            memory_available: self.system.available_memory(),
            process: self.process(),
            load: load(),
            runtime_lag_us: 0,
        }
    }

    fn process(&mut self) -> ProcessSample {
        let Some(pid) = self.pid else {
            return ProcessSample::default();
        };
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        self.system
            .refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
        let seen = self.system.process(pid).map(|process| ProcessSample {
            cpu_percent: process.cpu_usage(),
            memory: process.memory(),
            uptime_seconds: process.run_time(),
        });
        seen.unwrap_or_default()
    }
}

fn load() -> LoadAverage {
    let load = System::load_average().map(|load| LoadAverage {
        one: load.one,
        five: load.five,
        fifteen: load.fifteen,
    });
    load.unwrap_or_default()
}

pub(super) fn machine() -> Machine {
    Machine {
        hostname: System::host_name().unwrap_or_default(),
        operating_system: System::long_os_version().unwrap_or_else(|_| std::env::consts::OS.to_owned()),
        architecture: System::cpu_arch(),
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    }
}
