//! What the control plane is told of this machine: after each heartbeat, whatever is new since the last time.

use chrono::{DateTime, Utc};
use dataguardian_proto::agent::v1;
use dataguardian_telemetry::cpu_pool::CpuPool;
use dataguardian_telemetry::system_monitor::SystemMonitor;

/// Remembers what one session has told. A new session begins anew, since the control plane has forgotten the last one's.
#[derive(Debug, Default)]
pub(super) struct Telling {
    told_until: Option<DateTime<Utc>>,
}

impl Telling {
    /// What is new. It counts as told.
    pub(super) fn news(&mut self, monitor: &SystemMonitor, cpu: &CpuPool) -> v1::Performance {
        let seen = monitor.performance(self.told_until, cpu.snapshot());
        self.told_until = seen.samples.last().map(|sample| sample.at).or(self.told_until);
        (&seen).into()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use dataguardian_core::clock::SystemClock;
    use dataguardian_telemetry::system_monitor::MonitorConfig;
    use tokio::task::JoinSet;
    use tokio_util::sync::CancellationToken;

    use super::*;

    #[tokio::test]
    async fn no_sample_is_told_twice() {
        let config = MonitorConfig {
            interval_ms: 100,
            history_size: 100,
        };
        let monitor = Arc::new(SystemMonitor::new(config, SystemClock::shared()).unwrap());
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let (running, token) = (Arc::clone(&monitor), stop.clone());
        tasks.spawn(async move { running.run(token).await });
        let (cpu, mut telling) = (CpuPool::new(2), Telling::default());
        let mut told = Vec::new();
        while told.len() < 4 {
            let news = telling.news(&monitor, &cpu);
            assert_eq!(news.thread_pool.unwrap().size, 2);
            told.extend(news.samples.into_iter().map(|sample| sample.at.unwrap()));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
        tasks.join_all().await;
        let moments: Vec<_> = told.iter().map(|at| (at.seconds, at.nanos)).collect();
        assert!(
            moments.is_sorted_by(|before, after| before < after),
            "{moments:?}"
        );
    }
}
