//! What the machine and this process are doing: sampled on a beat, kept in a ring, shown on dashboards and as metrics.
//!
//! A sample is an observation and never a reason to act. One that can't be taken is missing from the history.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::clock::SharedClock;
use dataguardian_core::performance::{CpuPoolSnapshot, NodePerformance};
pub use dataguardian_core::performance::{Disk, LoadAverage, Machine, ProcessSample, Sample};
use serde::Deserialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

mod disks;
mod probe;

use probe::{Look, Probe};

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

/// Samples the machine while [`SystemMonitor::run`] runs.
#[derive(Debug)]
pub struct SystemMonitor {
    config: MonitorConfig,
    clock: SharedClock,
    history: Mutex<VecDeque<Sample>>,
    disks: Mutex<Vec<Disk>>,
    /// Folders whose file systems are looked at.
    watched: Vec<PathBuf>,
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
            disks: Mutex::default(),
            watched: Vec::new(),
            machine: probe::machine(),
        })
    }

    /// The same, which also looks at the file systems that these folders are on; each of them once, at most
    /// [`dataguardian_core::performance::MAX_DISKS`].
    #[must_use]
    pub fn watching(self, folders: Vec<PathBuf>) -> Self {
        Self {
            watched: folders,
            ..self
        }
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

    /// The samples that are newer than that moment, the oldest first.
    pub fn since(&self, moment: Option<DateTime<Utc>>) -> Vec<Sample> {
        let history = self.history();
        let newer = history
            .iter()
            .rev()
            .take_while(|sample| moment.is_none_or(|moment| sample.at > moment));
        let mut samples: Vec<_> = newer.copied().collect();
        samples.reverse();
        samples
    }

    /// The file systems that are watched, as of the newest sample.
    pub fn disks(&self) -> Vec<Disk> {
        self.disks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All of it, with the samples that are newer than that moment.
    pub fn performance(&self, since: Option<DateTime<Utc>>, cpu_pool: CpuPoolSnapshot) -> NodePerformance {
        NodePerformance {
            machine: self.machine.clone(),
            samples: self.since(since),
            cpu_pool,
            disks: self.disks(),
        }
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
            if let Some(seen) = self.look(&mut probe).await {
                *self.disks.lock().unwrap_or_else(PoisonError::into_inner) = seen.disks;
                self.remember(Sample {
                    at: self.clock.now(),
                    runtime_lag_us: u64::try_from(lag.as_micros()).unwrap_or(u64::MAX),
                    ..seen.sample
                });
            }
            lag = Duration::ZERO;
        }
    }

    /// Looks on a thread where blocking does no harm: reading /proc can take long on a machine that is short of memory.
    async fn look(&self, probe: &mut Option<Box<Probe>>) -> Option<Look> {
        let mut lent = match probe.take() {
            Some(probe) => probe,
            None => match Probe::new(self.watched.clone()) {
                Ok(probe) => Box::new(probe),
                Err(error) => {
                    tracing::warn!(%error, "the machine can't be looked at");
                    return None;
                }
            },
        };
        let looked = tokio::task::spawn_blocking(move || (lent.look(), lent));
        let (seen, back) = looked.await.ok()?;
        *probe = Some(back);
        Some(seen)
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
        let monitor = SystemMonitor::new(config, SystemClock::shared()).unwrap();
        let folder = std::env::temp_dir();
        let monitor = Arc::new(monitor.watching(vec![folder.clone(), folder]));
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
        let disks = monitor.disks();
        assert_eq!(disks.len(), 1, "the same file system is there once: {disks:?}");
        assert!(
            disks[0].total > 0 && disks[0].available <= disks[0].total,
            "{disks:?}"
        );
        assert_eq!(monitor.since(Some(kept[0])).len(), 2);
        assert_eq!(monitor.since(None).len(), 3);
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
