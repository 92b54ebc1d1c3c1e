//! What a machine and a process of ours on it are doing: seen by every node of itself, told to the control plane by agents,
//! and by one replica of it to another.
//!
//! These are observations, shown to people and to monitoring. Nothing is ever decided by them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// One look at the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When, by the machine's own clock.
    pub at: DateTime<Utc>,
    /// Use of all CPUs together, 0 to 100, since the sample before.
    pub cpu_percent: f32,
    /// The machine's memory, in bytes.
    pub memory_total: u64,
    /// Memory in use, in bytes.
    pub memory_used: u64,
    /// Memory that programs could still have, in bytes.
    pub memory_available: u64,
    /// This process.
    pub process: ProcessSample,
    /// Runnable threads, averaged.
    pub load: LoadAverage,
    /// The longest that a timer of the async runtime came late since the sample before, in microseconds: how much the
    /// runtime is held up by work that does not belong on it.
    pub runtime_lag_us: u64,
}

/// This process at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ProcessSample {
    /// Use of CPUs, 100 for each one that is kept busy.
    pub cpu_percent: f32,
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Seconds since it started.
    pub uptime_seconds: u64,
}

/// The system's load averages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadAverage {
    /// Over one minute.
    pub one: f64,
    /// Over five minutes.
    pub five: f64,
    /// Over fifteen minutes.
    pub fifteen: f64,
}

/// What does not change while the process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The host's name.
    pub hostname: String,
    /// Such as `Linux (Debian GNU/Linux 12)`.
    pub operating_system: String,
    /// Such as `x86_64`.
    pub architecture: String,
    /// CPUs, as the system counts them.
    pub cpus: usize,
}

/// A file system that matters to this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// A folder of this process that lies on it.
    pub path: String,
    /// Its size, in bytes.
    pub total: u64,
    /// What this process could still write, in bytes.
    pub available: u64,
}

/// What a pool of threads is doing at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuPoolSnapshot {
    /// Threads that live.
    pub size: usize,
    /// Threads that run a task.
    pub busy: usize,
    /// Tasks that wait for a thread.
    pub queued: usize,
    /// Tasks that ended well, since the start; those run on their caller's thread included.
    pub processed: u64,
    /// Tasks whose worker died under them, since the start. Each was run again on its caller's thread.
    pub failed: u64,
}

/// What a node has seen of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodePerformance {
    /// What does not change.
    pub machine: Machine,
    /// Samples, the oldest first.
    pub samples: Vec<Sample>,
    /// Its pool of threads for CPU-bound work.
    pub cpu_pool: CpuPoolSnapshot,
    /// The file systems that matter to it, as of the newest sample.
    pub disks: Vec<Disk>,
}

/// The most samples that an agent tells at once: a message stays small however often it looks.
pub const MAX_SAMPLES_AT_ONCE: usize = 32;

/// The most file systems that a node looks at.
pub const MAX_DISKS: usize = 8;
