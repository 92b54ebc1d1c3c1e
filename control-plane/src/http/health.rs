//! The full health report.

use dataguardian_telemetry::cpu_pool::CpuPoolSnapshot;
use dataguardian_telemetry::system_monitor::{Machine, Sample};
use serde::Serialize;

use super::Pages;
use crate::reconcilers::{LoopReport, LoopState};

/// Every part and its state.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
    control_plane_id: String,
    started_at: String,
    database: Database,
    queue: Queue,
    agents_connected: usize,
    workers: Vec<Worker>,
    reconcilers: Vec<LoopReport>,
    machine: Machine,
    current: Option<Sample>,
    cpu_pool: CpuPoolSnapshot,
}

#[derive(Debug, Serialize)]
struct Database {
    backend: &'static str,
    online: bool,
}

/// The queue, and since when it is online or offline: absent for the embedded one, which always is online.
#[derive(Debug, Serialize)]
struct Queue {
    backend: &'static str,
    online: bool,
    since: Option<String>,
    reason: Option<&'static str>,
}

/// One of the workers: why it is paused, or why its last pass failed.
#[derive(Debug, Serialize)]
struct Worker {
    name: &'static str,
    state: LoopState,
    reason: Option<String>,
    last_pass_at: Option<String>,
}

impl Health {
    pub(super) fn is_well(&self) -> bool {
        self.database.online
    }
}

pub(super) async fn report(pages: &Pages) -> Health {
    let facts = &pages.shared.facts;
    let online = pages.database.answers().await;
    let reconcilers = pages.shared.reconcilers.report();
    let queue = pages.shared.queue.status();
    let degraded = !queue.is_online() || reconcilers.iter().any(LoopReport::has_failed);
    Health {
        status: match (online, degraded) {
            (false, _) => "unavailable",
            (true, true) => "degraded",
            (true, false) => "ok",
        },
        version: env!("CARGO_PKG_VERSION"),
        control_plane_id: facts.control_plane.to_string(),
        started_at: facts.started_at.to_rfc3339(),
        database: Database {
            backend: facts.metadata_backend,
            online,
        },
        queue: Queue {
            backend: queue.backend,
            online: queue.is_online(),
            since: queue.gate.map(|gate| gate.since.to_rfc3339()),
            reason: queue.reason(),
        },
        agents_connected: pages.shared.sessions.count(),
        workers: pages.shared.reconcilers.workers().iter().map(worker).collect(),
        reconcilers,
        machine: pages.monitor.machine().clone(),
        current: pages.monitor.current(),
        cpu_pool: pages.cpu.snapshot(),
    }
}

fn worker(report: &LoopReport) -> Worker {
    Worker {
        name: report.name,
        state: report.state,
        reason: report.why_not().map(str::to_owned),
        last_pass_at: report.last_pass_at.map(|at| at.to_rfc3339()),
    }
}
