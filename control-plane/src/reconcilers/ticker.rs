//! The beat that wakes the loops, by tokio-cron-scheduler. It keeps no schedule of anything: it freezes a zone's offset and
//! drops ticks that it misses, which is harmless for loops and would not be for jobs.

use std::time::Duration;

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use super::Wake;

/// Wakes loops in equal steps.
pub struct Ticker(JobScheduler);

/// The beat can't be set up.
#[derive(Debug, thiserror::Error)]
#[error("the loops' ticker can't be set up")]
pub struct TickerError(#[from] JobSchedulerError);

impl Ticker {
    /// A ticker that wakes nobody yet.
    pub async fn new() -> Result<Self, TickerError> {
        Ok(Self(JobScheduler::new().await?))
    }

    /// Wakes a loop every so often, to half a second.
    pub async fn every(&self, period: Duration, wake: &Wake) -> Result<(), TickerError> {
        let wake = wake.clone();
        let job = Job::new_repeated(period, move |_, _| wake.wake())?;
        self.0.add(job).await?;
        Ok(())
    }

    /// Starts the beat.
    pub async fn start(&self) -> Result<(), TickerError> {
        Ok(self.0.start().await?)
    }

    /// Ends it.
    pub async fn stop(mut self) {
        if let Err(error) = self.0.shutdown().await {
            tracing::debug!(%error, "the ticker did not end well");
        }
    }
}

impl std::fmt::Debug for Ticker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ticker")
    }
}
