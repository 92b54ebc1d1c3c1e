//! How an agent's machine is: what its session has told, in memory and nowhere else, and no more of it than is asked for.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use dataguardian_core::performance::{NodePerformance, Sample};

/// What one session has told of its agent's machine.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Option<Seen>>);

#[derive(Debug)]
struct Seen {
    /// As told last, without its samples.
    newest: NodePerformance,
    samples: VecDeque<Sample>,
}

impl Told {
    /// Takes more in; of the samples the newest are kept, so many.
    pub(super) fn note(&self, told: NodePerformance, kept: usize) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut samples = seen.take().map(|seen| seen.samples).unwrap_or_default();
        samples.extend(told.samples.iter().copied());
        samples.drain(..samples.len().saturating_sub(kept));
        let newest = NodePerformance {
            samples: Vec::new(),
            ..told
        };
        *seen = Some(Seen { newest, samples });
    }

    /// What is known, with so many of the newest samples; none before the first word.
    pub(super) fn show(&self, samples: usize) -> Option<NodePerformance> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = seen.as_ref()?;
        let older = seen.samples.len().saturating_sub(samples);
        Some(NodePerformance {
            samples: seen.samples.iter().skip(older).copied().collect(),
            ..seen.newest.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use dataguardian_core::performance::{CpuPoolSnapshot, LoadAverage, Machine, ProcessSample};

    use super::*;

    fn told(seconds: std::ops::Range<i64>) -> NodePerformance {
        let sample = |second| Sample {
            at: DateTime::from_timestamp(second, 0).unwrap(),
            cpu_percent: 1.0,
            memory_total: 4,
            memory_used: 3,
            memory_available: 1,
            process: ProcessSample::default(),
            load: LoadAverage::default(),
            runtime_lag_us: 0,
        };
        NodePerformance {
            machine: Machine {
                hostname: "db1".to_owned(),
                operating_system: String::new(),
                architecture: String::new(),
                cpus: 1,
            },
            samples: seconds.map(sample).collect(),
            cpu_pool: CpuPoolSnapshot::default(),
            disks: Vec::new(),
        }
    }

    fn seconds(shown: &NodePerformance) -> Vec<i64> {
        shown.samples.iter().map(|sample| sample.at.timestamp()).collect()
    }

    #[test]
    fn the_newest_samples_are_kept_and_no_more() {
        let seen = Told::default();
        assert_eq!(seen.show(10), None);
        seen.note(told(0..3), 4);
        seen.note(told(3..6), 4);
        assert_eq!(seconds(&seen.show(10).unwrap()), [2, 3, 4, 5]);
        assert_eq!(seconds(&seen.show(2).unwrap()), [4, 5]);
        seen.note(told(6..6), 4);
        assert_eq!(seconds(&seen.show(10).unwrap()), [2, 3, 4, 5]);
        seen.note(told(6..30), 4);
        assert_eq!(seconds(&seen.show(10).unwrap()), [26, 27, 28, 29]);
    }
}
