//! What the machine and this process are doing: sampled on a beat, kept in a ring, shown on dashboards and as metrics.
//!
//! A sample is an observation and never a reason to act. One that can't be taken is missing from the history.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::clock::SharedClock;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

mod probe;

use probe::Probe;

/// How often to look, and how much to remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorConfig {
    /// Milliseconds from one sample to the next: `SYSTEM_MONITOR_INTERVAL_MS`.
    pub interval_ms: u64,
    /// Samples that are kept: `SYSTEM_MONITOR_HISTORY_SIZE`.
    pub history_size: usize,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            interval_ms: 5_000,
            history_size: 720,
        }
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMonitorConfig {
    /// Not 100 ms to an hour.
    #[error("interval_ms is {0}: it must be 100 to 3600000")]
    Interval(u64),
    /// Not 1 to 100,000 samples.
    #[error("history_size is {0}: it must be 1 to 100000")]
    HistorySize(usize),
}

impl MonitorConfig {
    /// Checks the ranges.
    pub fn validate(&self) -> Result<(), InvalidMonitorConfig> {
        if !(100..=3_600_000).contains(&self.interval_ms) {
            return Err(InvalidMonitorConfig::Interval(self.interval_ms));
        }
        if !(1..=100_000).contains(&self.history_size) {
            return Err(InvalidMonitorConfig::HistorySize(self.history_size));
        }
        Ok(())
    }
}

/// One look at the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    /// When.
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ProcessSample {
    /// Use of CPUs, 100 for each one that is kept busy.
    pub cpu_percent: f32,
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Seconds since it started.
    pub uptime_seconds: u64,
}

/// The system's load averages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct LoadAverage {
    /// Over one minute.
    pub one: f64,
    /// Over five minutes.
    pub five: f64,
    /// Over fifteen minutes.
    pub fifteen: f64,
}

/// What does not change while the process lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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

/// Samples the machine while [`SystemMonitor::run`] runs.
#[derive(Debug)]
pub struct SystemMonitor {
    config: MonitorConfig,
    clock: SharedClock,
    history: Mutex<VecDeque<Sample>>,
    machine: Machine,
}

/// Timers are set this often to see how late they come.
const LAG_BEAT: Duration = Duration::from_millis(100);

impl SystemMonitor {
    /// A monitor that has seen nothing yet.
    pub fn new(config: MonitorConfig, clock: SharedClock) -> Result<Self, InvalidMonitorConfig> {
        config.validate()?;
        Ok(Self {
            config,
            clock,
            history: Mutex::new(VecDeque::new()),
            machine: probe::machine(),
        })
    }

    /// What does not change.
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The newest sample; none before the first.
    pub fn current(&self) -> Option<Sample> {
        self.history().back().copied()
    }

    /// The samples that are kept, the oldest first.
    pub fn recent(&self) -> Vec<Sample> {
        self.history().iter().copied().collect()
    }

    /// Samples until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut probe = None;
        let every = Duration::from_millis(self.config.interval_ms);
        let beat = LAG_BEAT.min(every);
        let mut ticks = interval_at(Instant::now() + beat, beat);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut due = Instant::now();
        let mut lag = Duration::ZERO;
        loop {
            let expected = tokio::select! {
                () = stop.cancelled() => return,
                expected = ticks.tick() => expected,
            };
            lag = lag.max(expected.elapsed());
            if expected < due {
                continue;
            }
            due = expected + every;
            if let Some(sample) = look(&mut probe).await {
                self.remember(Sample {
                    at: self.clock.now(),
                    runtime_lag_us: u64::try_from(lag.as_micros()).unwrap_or(u64::MAX),
                    ..sample
                });
            }
            lag = Duration::ZERO;
        }
    }

    fn remember(&self, sample: Sample) {
        let mut history = self.history();
        while history.len() >= self.config.history_size {
            history.pop_front();
        }
        history.push_back(sample);
    }

    fn history(&self) -> std::sync::MutexGuard<'_, VecDeque<Sample>> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks on a thread where blocking does no harm: reading /proc can take long on a machine that is short of memory.
async fn look(probe: &mut Option<Box<Probe>>) -> Option<Sample> {
    let mut lent = match probe.take() {
        Some(probe) => probe,
        None => match Probe::new() {
            Ok(probe) => Box::new(probe),
            Err(error) => {
                tracing::warn!(%error, "the machine can't be looked at");
                return None;
            }
        },
    };
    let looked = tokio::task::spawn_blocking(move || (lent.look(), lent));
    let (sample, back) = looked.await.ok()?;
    *probe = Some(back);
    Some(sample)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use dataguardian_core::clock::SystemClock;

    use super::*;

    #[tokio::test]
    async fn it_keeps_the_newest_samples_and_no_more() {
        let config = MonitorConfig {
            interval_ms: 100,
            history_size: 3,
        };
        let monitor = Arc::new(SystemMonitor::new(config, SystemClock::shared()).unwrap());
        let stop = CancellationToken::new();
        let mut tasks = tokio::task::JoinSet::new();
        let (running, token) = (Arc::clone(&monitor), stop.clone());
        tasks.spawn(async move { running.run(token).await });
        let mut seen = Vec::new();
        while seen.len() < 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if let Some(sample) = monitor.current()
                && seen.last() != Some(&sample.at)
            {
                seen.push(sample.at);
            }
        }
        stop.cancel();
        tasks.join_all().await;
        let kept: Vec<_> = monitor.recent().iter().map(|sample| sample.at).collect();
        assert_eq!(kept.len(), 3);
        assert!(kept.is_sorted());
        let sample = monitor.current().unwrap();
        assert!(sample.memory_total > 0 && sample.process.memory > 0, "{sample:?}");
        assert!(monitor.machine().cpus > 0);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let never = MonitorConfig {
            interval_ms: 0,
            ..MonitorConfig::default()
        };
        assert_eq!(never.validate(), Err(InvalidMonitorConfig::Interval(0)));
        let nothing = MonitorConfig {
            history_size: 0,
            ..MonitorConfig::default()
        };
        assert_eq!(nothing.validate(), Err(InvalidMonitorConfig::HistorySize(0)));
    }
}
