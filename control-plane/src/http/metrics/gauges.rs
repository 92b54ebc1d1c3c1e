//! The gauges: their names, what they say, and where their values come from.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::execution::{ExecutionKind, ExecutionState};
use dataguardian_core::performance::{CpuPoolSnapshot, Sample};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;

use super::seen::Seen;
use crate::domain::overview::{JobFigures, MAX_JOBS, Overview, waits};
use crate::domain::protection::{Protection, ProtectionState};
use crate::queue::QueueStatus;
use crate::reconcilers::{LoopReport, LoopState};

/// A value and its labels.
type Point = (f64, Vec<KeyValue>);

/// A name, what is said of it, and the values.
type Gauge = (&'static str, &'static str, fn(&Seen) -> Vec<Point>);

/// The same of a look at the machine: one value.
type MachineGauge = (&'static str, &'static str, fn(&Sample) -> f64);

/// The same of the catalogue.
type CatalogueGauge = (&'static str, &'static str, fn(&Seen, &Overview) -> Vec<Point>);

const REPLICA: &[Gauge] = &[
    (
        "dataguardian_build_info",
        "1, with the version as a label.",
        |_| vec![(1.0, vec![KeyValue::new("version", env!("CARGO_PKG_VERSION"))])],
    ),
    (
        "dataguardian_uptime_seconds",
        "Since when this replica runs.",
        |seen| one(seen.uptime.as_secs_f64()),
    ),
    (
        "dataguardian_database_online",
        "1 while the metadata database answers.",
        |seen| one(flag(seen.database_online)),
    ),
    (
        "dataguardian_queue_online",
        "1 while work is queued and handed out, 0 while the queue is offline.",
        |seen| one(flag(seen.queue.as_ref().is_some_and(QueueStatus::is_online))),
    ),
    (
        "dataguardian_worker_state",
        "1 for the state that a worker is in: running, paused, standby or error.",
        |seen| {
            let states = seen.workers.iter().flat_map(|report| {
                LoopState::ALL.map(|state| {
                    let labels = [("worker", report.name), ("state", state.as_str())];
                    let labels = labels.map(|(label, value)| KeyValue::new(label, value));
                    (flag(report.state == state), labels.to_vec())
                })
            });
            states.collect()
        },
    ),
    (
        "dataguardian_agents_connected",
        "Agents with a session on this replica.",
        |seen| one(seen.agents_connected as f64),
    ),
    (
        "dataguardian_loop_running",
        "1 while a loop runs or another replica does its work, 0 while it is paused or fails.",
        |seen| {
            by_loop(seen, |report| {
                flag(matches!(report.state, LoopState::Running | LoopState::Standby))
            })
        },
    ),
    (
        "dataguardian_loop_failed",
        "1 while the last pass of a loop failed.",
        |seen| by_loop(seen, |report| flag(report.has_failed())),
    ),
    (
        "dataguardian_loop_passes",
        "Passes of a loop since the start.",
        |seen| by_loop(seen, |report| report.passes as f64),
    ),
    (
        "dataguardian_loop_done",
        "What the passes of a loop did since the start, by what its reports count.",
        loops_done,
    ),
    (
        "dataguardian_cpu_pool",
        "The CPU pool: size, busy, queued, processed, failed.",
        |seen| pool(&seen.cpu_pool),
    ),
    (
        "dataguardian_agents_cpu_pool",
        "The CPU pools of the agents with a session on this replica, added up.",
        |seen| pool(&seen.agents_pool),
    ),
    (
        "dataguardian_damaged",
        "What is known to be damaged or lost in the storages: copies of backups, and objects.",
        |seen| by_what(&[("copies", seen.damaged.0), ("objects", seen.damaged.1)]),
    ),
    (
        "dataguardian_disk_bytes",
        "File systems that this replica writes to.",
        |seen| {
            let disks = seen.disks.iter().flat_map(|disk| {
                let point = |what, bytes: u64| {
                    let path = KeyValue::new("path", disk.path.clone());
                    (bytes as f64, vec![path, KeyValue::new("what", what)])
                };
                [point("total", disk.total), point("available", disk.available)]
            });
            disks.collect()
        },
    ),
];

/// As of the newest look at the machine.
const MACHINE: &[MachineGauge] = &[
    (
        "dataguardian_process_resident_bytes",
        "Resident memory.",
        |sample| sample.process.memory as f64,
    ),
    (
        "dataguardian_process_cpu_percent",
        "CPU use, 100 for each CPU.",
        |sample| f64::from(sample.process.cpu_percent),
    ),
    (
        "dataguardian_runtime_lag_seconds",
        "The latest that a timer came of late.",
        |sample| Duration::from_micros(sample.runtime_lag_us).as_secs_f64(),
    ),
    (
        "dataguardian_load1",
        "The machine's load average over one minute.",
        |sample| sample.load.one,
    ),
    (
        "dataguardian_load5",
        "The machine's load average over five minutes.",
        |sample| sample.load.five,
    ),
    (
        "dataguardian_load15",
        "The machine's load average over 15 minutes.",
        |sample| sample.load.fifteen,
    ),
    (
        "dataguardian_machine_cpu_percent",
        "Use of all CPUs together, 0 to 100.",
        |sample| f64::from(sample.cpu_percent),
    ),
    (
        "dataguardian_machine_memory_bytes",
        "The machine's memory.",
        |sample| sample.memory_total as f64,
    ),
    (
        "dataguardian_machine_memory_available_bytes",
        "Memory that programs could still have.",
        |sample| sample.memory_available as f64,
    ),
];

/// The same on every replica: take the greatest, do not add them up.
const CATALOGUE: &[CatalogueGauge] = &[
    (
        "dataguardian_agents",
        "Agents that were not revoked.",
        |_, overview| one(overview.counts.agents as f64),
    ),
    ("dataguardian_storages", "Storages.", |_, overview| {
        one(overview.counts.storages as f64)
    }),
    (
        "dataguardian_storages_unreachable",
        "Storages on the hosts of agents that have not been heard of lately.",
        |_, overview| one(overview.counts.storages_unreachable as f64),
    ),
    (
        "dataguardian_backups",
        "Backups that can be restored.",
        |_, overview| one(overview.counts.backups as f64),
    ),
    (
        "dataguardian_queue_depth",
        "Executions that wait for their turn, by kind.",
        |_, overview| by_kind(overview, waits),
    ),
    (
        "dataguardian_executions_at_work",
        "Executions that an agent is at work on or was offered, by kind.",
        |_, overview| by_kind(overview, |state| !waits(state)),
    ),
    (
        "dataguardian_datasources",
        "Datasources, by how well they are protected.",
        protected,
    ),
    (
        "dataguardian_copies_missing",
        "Of the newest backups of all datasources, copies that are not whole.",
        |_, overview| {
            let newest = overview.protection.iter().filter_map(|one| one.newest);
            one(newest
                .map(|newest| f64::from(newest.copies_wanted.saturating_sub(newest.copies)))
                .sum())
        },
    ),
    (
        "dataguardian_datasource_backup_age_seconds",
        "Age of a datasource's newest backup; of the datasource while it has none.",
        |seen, overview| by_datasource(seen, overview, |one| one.newest.map(|newest| newest.at)),
    ),
    (
        "dataguardian_datasource_verified_age_seconds",
        "Age of a datasource's newest verified backup; of the datasource while it has none.",
        |seen, overview| by_datasource(seen, overview, |one| one.verified_at),
    ),
    (
        "dataguardian_job_last_success_age_seconds",
        "How long ago a job last made a backup; since when there is the job while it has made none.",
        |seen, overview| by_job(seen, overview, |job| job.succeeded_at),
    ),
    (
        "dataguardian_job_last_verified_age_seconds",
        "Age of a job's newest verified backup; since when there is the job while it has none.",
        |seen, overview| by_job(seen, overview, |job| job.verified_at),
    ),
];

/// Has them all observed by what was seen last.
pub(super) fn observe(meter: &Meter, seen: &Arc<Mutex<Seen>>) {
    for &(name, help, points) in REPLICA {
        register(meter, seen, (name, help), points);
    }
    observe_turns(meter, seen);
    for &(name, help, value) in MACHINE {
        let points = move |seen: &Seen| seen.sample.as_ref().map(value).map(one).unwrap_or_default();
        register(meter, seen, (name, help), points);
    }
    for &(name, help, points) in CATALOGUE {
        let points = move |seen: &Seen| match &seen.overview {
            Some(overview) => points(seen, overview),
            None => Vec::new(),
        };
        register(meter, seen, (name, help), points);
    }
}

/// Counted by the queue's gate, and told as it is.
fn observe_turns(meter: &Meter, seen: &Arc<Mutex<Seen>>) {
    let seen = Arc::clone(seen);
    let counter = meter
        .u64_observable_counter("dataguardian_queue_transitions")
        .with_description("How often the queue went offline and came online again since the start.")
        .with_callback(move |observer| {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let gate = seen.queue.as_ref().and_then(|queue| queue.gate.as_ref());
            let turns = gate.map_or((0, 0), |gate| (gate.turned_online, gate.turned_offline));
            for (to, count) in [("online", turns.0), ("offline", turns.1)] {
                observer.observe(count, &[KeyValue::new("to", to)]);
            }
        });
    // The callback is the meter's; nothing is done by this handle.
    counter.build();
}

fn register(
    meter: &Meter,
    seen: &Arc<Mutex<Seen>>,
    (name, help): (&'static str, &'static str),
    points: impl Fn(&Seen) -> Vec<Point> + Send + Sync + 'static,
) {
    let seen = Arc::clone(seen);
    let gauge = meter.f64_observable_gauge(name).with_description(help);
    let gauge = gauge.with_callback(move |observer| {
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (value, labels) in points(&seen) {
            observer.observe(value, &labels);
        }
    });
    // The callback is the meter's; nothing is done by this handle.
    gauge.build();
}

fn one(value: f64) -> Vec<Point> {
    vec![(value, Vec::new())]
}

const fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}

fn by_what(values: &[(&'static str, u64)]) -> Vec<Point> {
    let point = |(what, value): &(&'static str, u64)| (*value as f64, vec![KeyValue::new("what", *what)]);
    values.iter().map(point).collect()
}

fn pool(pool: &CpuPoolSnapshot) -> Vec<Point> {
    by_what(&[
        ("size", pool.size as u64),
        ("busy", pool.busy as u64),
        ("queued", pool.queued as u64),
        ("processed", pool.processed),
        ("failed", pool.failed),
    ])
}

fn by_loop(seen: &Seen, value: impl Fn(&LoopReport) -> f64) -> Vec<Point> {
    let point = |report: &LoopReport| (value(report), vec![KeyValue::new("loop", report.name)]);
    seen.loops.iter().map(point).collect()
}

fn loops_done(seen: &Seen) -> Vec<Point> {
    let of_one = |report: &LoopReport| {
        let name = KeyValue::new("loop", report.name);
        let point = |(what, count): (&String, &u64)| {
            (
                *count as f64,
                vec![name.clone(), KeyValue::new("what", what.clone())],
            )
        };
        report.totals.iter().map(point).collect::<Vec<_>>()
    };
    seen.loops.iter().flat_map(of_one).collect()
}

fn by_kind(overview: &Overview, wanted: impl Fn(ExecutionState) -> bool) -> Vec<Point> {
    let of_kind = |kind: ExecutionKind| {
        let these = overview.unfinished.iter();
        let these = these.filter(|((of, state), _)| *of == kind && wanted(*state));
        let count: u64 = these.map(|(_, count)| count).sum();
        (count as f64, vec![KeyValue::new("kind", kind.as_str())])
    };
    ExecutionKind::ALL.into_iter().map(of_kind).collect()
}

fn protected(seen: &Seen, overview: &Overview) -> Vec<Point> {
    let in_state = |state: ProtectionState| {
        let all = overview.protection.iter();
        let count = all
            .filter(|one| one.state(seen.objectives, seen.now) == state)
            .count();
        (count as f64, vec![KeyValue::new("state", state.as_str())])
    };
    ProtectionState::ALL.into_iter().map(in_state).collect()
}

fn by_datasource(
    seen: &Seen,
    overview: &Overview,
    moment: impl Fn(&Protection) -> Option<DateTime<Utc>>,
) -> Vec<Point> {
    let point = |one: &Protection| {
        let age = age(seen, moment(one).unwrap_or(one.created_at));
        (age, vec![KeyValue::new("datasource", one.datasource.clone())])
    };
    let most = usize::try_from(MAX_JOBS).unwrap_or(usize::MAX);
    overview.protection.iter().take(most).map(point).collect()
}

fn by_job(
    seen: &Seen,
    overview: &Overview,
    moment: impl Fn(&JobFigures) -> Option<DateTime<Utc>>,
) -> Vec<Point> {
    let point = |job: &JobFigures| {
        let labels = vec![
            KeyValue::new("job", job.name.clone()),
            KeyValue::new("datasource", job.datasource.clone()),
        ];
        (age(seen, moment(job).unwrap_or(job.created_at)), labels)
    };
    overview.jobs.iter().map(point).collect()
}

fn age(seen: &Seen, at: DateTime<Utc>) -> f64 {
    (seen.now - at).to_std().unwrap_or_default().as_secs_f64()
}
