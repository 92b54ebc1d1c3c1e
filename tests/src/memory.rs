//! How much memory a process has taken.

use std::fs;

use anyhow::{Context as _, Result};

/// The highest resident memory of a process so far, in KiB: `VmHWM` of `proc_pid_status(5)`.
///
/// # Errors
/// If there is no such process.
pub fn peak_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.context("VmHWM")?.parse().context("VmHWM is a number")
}
