//! Figures for Prometheus, in its text format.

use std::time::Duration;

use prometheus::{
    Encoder as _, Gauge, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use tonic::Code;

use super::Pages;
use crate::reconcilers::LoopState;

/// The text format's content type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The control plane's figures. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Registry,
    calls: IntCounterVec,
    durations: HistogramVec,
    agents: IntGauge,
    loop_state: IntGaugeVec,
    loop_runs: IntGaugeVec,
    loop_totals: IntGaugeVec,
    worker_state: IntGaugeVec,
    queue_online: IntGauge,
    queue_turns: IntCounterVec,
    cpu_pool: IntGaugeVec,
    damaged: IntGaugeVec,
    process_memory: IntGauge,
    process_cpu: Gauge,
    runtime_lag: Gauge,
    load: Gauge,
}

impl Metrics {
    /// Figures that are all zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str| IntGauge::new(name, help);
        let gauges = |name: &str, help: &str, label: &str| IntGaugeVec::new(Opts::new(name, help), &[label]);
        let calls = Opts::new(
            "dataguardian_rpc_calls_total",
            "Calls that have ended, by method and code.",
        );
        let durations = HistogramOpts::new(
            "dataguardian_rpc_seconds",
            "How long calls took, streams until their first answer.",
        )
        .buckets(vec![0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0]);
        let metrics = Self {
            registry: Registry::new(),
            calls: IntCounterVec::new(calls, &["method", "code"])?,
            durations: HistogramVec::new(durations, &["method"])?,
            agents: gauge(
                "dataguardian_agents_connected",
                "Agents with a session on this replica.",
            )?,
            loop_state: gauges(
                "dataguardian_loop_running",
                "1 while a loop runs, 0 while it is paused or fails.",
                "loop",
            )?,
            loop_runs: gauges(
                "dataguardian_loop_passes",
                "Passes of a loop since the start.",
                "loop",
            )?,
            loop_totals: IntGaugeVec::new(
                Opts::new(
                    "dataguardian_loop_done",
                    "What the passes of a loop did since the start, by what its reports count.",
                ),
                &["loop", "what"],
            )?,
            worker_state: IntGaugeVec::new(
                Opts::new(
                    "dataguardian_worker_state",
                    "1 for the state that a worker is in: running, paused or error.",
                ),
                &["worker", "state"],
            )?,
            queue_online: gauge(
                "dataguardian_queue_online",
                "1 while work is queued and handed out, 0 while the queue is offline.",
            )?,
            queue_turns: IntCounterVec::new(
                Opts::new(
                    "dataguardian_queue_transitions_total",
                    "How often the queue went offline and came online again since the start.",
                ),
                &["to"],
            )?,
            cpu_pool: gauges(
                "dataguardian_cpu_pool",
                "The CPU pool: size, busy, queued, processed, failed.",
                "what",
            )?,
            damaged: gauges(
                "dataguardian_damaged",
                "What is known to be damaged or lost in the storages: copies of backups, and objects.",
                "what",
            )?,
            process_memory: gauge("dataguardian_process_resident_bytes", "Resident memory.")?,
            process_cpu: Gauge::new("dataguardian_process_cpu_percent", "CPU use, 100 for each CPU.")?,
            runtime_lag: Gauge::new(
                "dataguardian_runtime_lag_seconds",
                "The latest that a timer came of late.",
            )?,
            load: Gauge::new(
                "dataguardian_load1",
                "The machine's load average over one minute.",
            )?,
        };
        metrics.register()?;
        Ok(metrics)
    }

    /// A call has ended.
    pub fn call(&self, method: &str, code: Code, took: Duration) {
        let code = i32::from(code).to_string();
        self.calls.with_label_values(&[method, code.as_str()]).inc();
        self.durations
            .with_label_values(&[method])
            .observe(took.as_secs_f64());
    }

    /// Everything, as text. What is not counted as it happens is looked at now.
    pub(super) fn text(&self, pages: &Pages) -> String {
        self.look(pages);
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics can't be written");
        }
        String::from_utf8(text).unwrap_or_default()
    }

    fn look(&self, pages: &Pages) {
        self.agents.set(whole(pages.shared.sessions.count() as u64));
        self.look_at_queue(pages);
        for report in pages.shared.reconcilers.report() {
            let running = i64::from(report.state == LoopState::Running);
            self.loop_state.with_label_values(&[report.name]).set(running);
            self.loop_runs
                .with_label_values(&[report.name])
                .set(whole(report.passes));
            for (what, count) in &report.totals {
                self.loop_totals
                    .with_label_values(&[report.name, what.as_str()])
                    .set(whole(*count));
            }
        }
        let (copies, objects) = pages.shared.services.verifications.damaged();
        for (what, count) in [("copies", copies), ("objects", objects)] {
            self.damaged.with_label_values(&[what]).set(whole(count));
        }
        let cpu = pages.cpu.snapshot();
        let figures = [
            ("size", cpu.size as u64),
            ("busy", cpu.busy as u64),
            ("queued", cpu.queued as u64),
            ("processed", cpu.processed),
            ("failed", cpu.failed),
        ];
        for (what, value) in figures {
            self.cpu_pool.with_label_values(&[what]).set(whole(value));
        }
        if let Some(sample) = pages.monitor.current() {
            self.process_memory.set(whole(sample.process.memory));
            self.process_cpu.set(f64::from(sample.process.cpu_percent));
            self.runtime_lag
                .set(Duration::from_micros(sample.runtime_lag_us).as_secs_f64());
            self.load.set(sample.load.one);
        }
    }

    fn look_at_queue(&self, pages: &Pages) {
        for report in pages.shared.reconcilers.workers() {
            for state in LoopState::ALL {
                self.worker_state
                    .with_label_values(&[report.name, state.as_str()])
                    .set(i64::from(report.state == state));
            }
        }
        let queue = pages.shared.queue.status();
        self.queue_online.set(i64::from(queue.is_online()));
        let turns = queue
            .gate
            .map_or((0, 0), |gate| (gate.turned_online, gate.turned_offline));
        for (to, count) in [("online", turns.0), ("offline", turns.1)] {
            let counter = self.queue_turns.with_label_values(&[to]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let registry = &self.registry;
        registry.register(Box::new(self.calls.clone()))?;
        registry.register(Box::new(self.durations.clone()))?;
        registry.register(Box::new(self.agents.clone()))?;
        registry.register(Box::new(self.loop_state.clone()))?;
        registry.register(Box::new(self.loop_runs.clone()))?;
        registry.register(Box::new(self.loop_totals.clone()))?;
        registry.register(Box::new(self.worker_state.clone()))?;
        registry.register(Box::new(self.queue_online.clone()))?;
        registry.register(Box::new(self.queue_turns.clone()))?;
        registry.register(Box::new(self.cpu_pool.clone()))?;
        registry.register(Box::new(self.damaged.clone()))?;
        registry.register(Box::new(self.process_memory.clone()))?;
        registry.register(Box::new(self.process_cpu.clone()))?;
        registry.register(Box::new(self.runtime_lag.clone()))?;
        registry.register(Box::new(self.load.clone()))
    }
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
