//! Lengths that differ between a run in CI and one by hand.
//!
//! | variable | what | in CI |
//! |---|---|---|
//! | `DATAGUARDIAN_TEST_OUTAGE_SECONDS` | how long the control plane, the network or a process is away in `outages.rs` | see there |
//! | `DATAGUARDIAN_TEST_SIMULATION_SECONDS` | how long simulated agents work under faults in `simulated_agents` | see there |
//! | `DATAGUARDIAN_TEST_SIMULATED_AGENTS` | how many agents work there | see there |
//! | `DATAGUARDIAN_TEST_SEED` | the seed of the faults there; printed by each run | drawn |
//! | `DATAGUARDIAN_TEST_BACKING` | what the control plane of [`crate::system::System::start`] stands on: `embedded`, or `servers` for PostgreSQL and Redis | `embedded` |
//! | `DATAGUARDIAN_TEST_BULK_ROWS` | how many orders of `tests/sql/bulk.sql` go through the agent in `memory.rs`; 7,500,000 are 5 GB | 2,000,000 |
//!
//! nextest ends a test after ten minutes (`.config/nextest.toml`): run longer ones with `cargo test`.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// A number of seconds from the environment.
///
/// # Errors
/// If what is there is no number.
pub fn seconds(variable: &str, otherwise: Duration) -> Result<Duration> {
    Ok(number(variable)?.map_or(otherwise, Duration::from_secs))
}

/// A number from the environment.
///
/// # Errors
/// If what is there is no number.
pub fn number(variable: &str) -> Result<Option<u64>> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .map(Some)
            .with_context(|| format!("{variable}={text:?} is no number")),
        Err(_) => Ok(None),
    }
}
