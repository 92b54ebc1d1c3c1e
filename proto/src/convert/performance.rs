//! What nodes see of themselves. From the wire nothing is refused, since nothing depends on it: what makes no sense becomes
//! zero or is left out, and everything is bounded.

use chrono::{DateTime, Utc};
use dataguardian_core::performance::{
    CpuPoolSnapshot, Disk, LoadAverage, MAX_DISKS, MAX_SAMPLES_AT_ONCE, Machine, NodePerformance,
    ProcessSample, Sample,
};

use super::{time, timestamp};
use crate::{agent, v1};

/// The longest name or path that is kept, in characters.
const MAX_TEXT: usize = 255;

impl From<&Machine> for v1::Machine {
    fn from(machine: &Machine) -> Self {
        Self {
            hostname: machine.hostname.clone(),
            operating_system: machine.operating_system.clone(),
            architecture: machine.architecture.clone(),
            cpus: small(machine.cpus),
        }
    }
}

impl From<&Sample> for v1::MachineSample {
    fn from(sample: &Sample) -> Self {
        Self {
            at: Some(timestamp(sample.at)),
            cpu_percent: sample.cpu_percent,
            memory_total: sample.memory_total,
            memory_used: sample.memory_used,
            memory_available: sample.memory_available,
            process: Some(v1::ProcessSample {
                cpu_percent: sample.process.cpu_percent,
                memory: sample.process.memory,
                uptime_seconds: sample.process.uptime_seconds,
            }),
            load: Some(v1::LoadAverage {
                one: sample.load.one,
                five: sample.load.five,
                fifteen: sample.load.fifteen,
            }),
            runtime_lag_microseconds: sample.runtime_lag_us,
        }
    }
}

impl From<CpuPoolSnapshot> for v1::ThreadPool {
    fn from(pool: CpuPoolSnapshot) -> Self {
        Self {
            size: small(pool.size),
            busy: small(pool.busy),
            queued: small(pool.queued),
            processed: pool.processed,
            failed: pool.failed,
        }
    }
}

impl From<&Disk> for v1::Disk {
    fn from(disk: &Disk) -> Self {
        Self {
            path: disk.path.clone(),
            total: disk.total,
            available: disk.available,
        }
    }
}

impl From<&NodePerformance> for agent::v1::Performance {
    fn from(seen: &NodePerformance) -> Self {
        let older = seen.samples.len().saturating_sub(MAX_SAMPLES_AT_ONCE);
        Self {
            machine: Some((&seen.machine).into()),
            samples: seen.samples.iter().skip(older).map(Into::into).collect(),
            thread_pool: Some(seen.cpu_pool.into()),
            disks: seen.disks.iter().take(MAX_DISKS).map(Into::into).collect(),
        }
    }
}

/// What an agent tells of itself. A sample without a time is left out.
pub fn node_performance(told: agent::v1::Performance) -> NodePerformance {
    let machine = told.machine.unwrap_or_default();
    let pool = told.thread_pool.unwrap_or_default();
    let disk = |disk: v1::Disk| Disk {
        path: kept(disk.path),
        total: disk.total,
        available: disk.available,
    };
    NodePerformance {
        machine: Machine {
            hostname: kept(machine.hostname),
            operating_system: kept(machine.operating_system),
            architecture: kept(machine.architecture),
            cpus: large(machine.cpus),
        },
        samples: told
            .samples
            .into_iter()
            .take(MAX_SAMPLES_AT_ONCE)
            .filter_map(sample)
            .collect(),
        cpu_pool: CpuPoolSnapshot {
            size: large(pool.size),
            busy: large(pool.busy),
            queued: large(pool.queued),
            processed: pool.processed,
            failed: pool.failed,
        },
        disks: told.disks.into_iter().take(MAX_DISKS).map(disk).collect(),
    }
}

fn sample(told: v1::MachineSample) -> Option<Sample> {
    let at: DateTime<Utc> = told.at.as_ref().and_then(time)?;
    let process = told.process.unwrap_or_default();
    let load = told.load.unwrap_or_default();
    Some(Sample {
        at,
        cpu_percent: percent(told.cpu_percent),
        memory_total: told.memory_total,
        memory_used: told.memory_used,
        memory_available: told.memory_available,
        process: ProcessSample {
            cpu_percent: percent(process.cpu_percent),
            memory: process.memory,
            uptime_seconds: process.uptime_seconds,
        },
        load: LoadAverage {
            one: number(load.one),
            five: number(load.five),
            fifteen: number(load.fifteen),
        },
        runtime_lag_us: told.runtime_lag_microseconds,
    })
}

fn percent(value: f32) -> f32 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

fn number(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

fn kept(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

fn small(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn large(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample_at(second: i64) -> Sample {
        Sample {
            at: DateTime::from_timestamp(second, 0).unwrap(),
            cpu_percent: 12.5,
            memory_total: 8 << 30,
            memory_used: 3 << 30,
            memory_available: 5 << 30,
            process: ProcessSample {
                cpu_percent: 150.0,
                memory: 64 << 20,
                uptime_seconds: 7,
            },
            load: LoadAverage {
                one: 0.5,
                five: 0.25,
                fifteen: 0.125,
            },
            runtime_lag_us: 900,
        }
    }

    fn seen(samples: usize) -> NodePerformance {
        NodePerformance {
            machine: Machine {
                hostname: "db1".to_owned(),
                operating_system: "Linux".to_owned(),
                architecture: "x86_64".to_owned(),
                cpus: 4,
            },
            samples: (0..samples).map(|second| sample_at(second as i64)).collect(),
            cpu_pool: CpuPoolSnapshot {
                size: 2,
                busy: 1,
                queued: 3,
                processed: 99,
                failed: 1,
            },
            disks: vec![Disk {
                path: "/var/lib".to_owned(),
                total: 100,
                available: 40,
            }],
        }
    }

    #[test]
    fn what_an_agent_tells_arrives_as_it_was() {
        let told = seen(3);
        assert_eq!(node_performance((&told).into()), told);
    }

    #[test]
    fn of_many_samples_the_newest_are_told() {
        let arrived = node_performance((&seen(100)).into());
        assert_eq!(arrived.samples.len(), MAX_SAMPLES_AT_ONCE);
        assert_eq!(arrived.samples.last(), Some(&sample_at(99)));
    }

    #[test]
    fn what_makes_no_sense_is_bounded_and_never_refused() {
        let mut told = agent::v1::Performance::from(&seen(1));
        told.samples[0].cpu_percent = f32::NAN;
        let endless = told.samples[0].load.as_mut().unwrap();
        (endless.one, endless.five) = (f64::INFINITY, -1.0);
        told.samples = vec![told.samples[0]; 1000];
        told.samples.insert(0, v1::MachineSample::default());
        told.disks = vec![v1::Disk::default(); 100];
        told.machine.as_mut().unwrap().hostname = "ä".repeat(1000);
        let arrived = node_performance(told);
        assert_eq!(arrived.samples.len(), MAX_SAMPLES_AT_ONCE - 1);
        assert_eq!(arrived.samples[0].cpu_percent, 0.0);
        assert_eq!(
            (arrived.samples[0].load.one, arrived.samples[0].load.five),
            (0.0, 0.0)
        );
        assert_eq!(arrived.disks.len(), MAX_DISKS);
        assert_eq!(arrived.machine.hostname.chars().count(), MAX_TEXT);
        let nothing = node_performance(agent::v1::Performance::default());
        assert!(nothing.samples.is_empty() && nothing.disks.is_empty());
    }
}
