//! The full health report.

use std::time::Duration;

use dataguardian_telemetry::cpu_pool::CpuPoolSnapshot;
use dataguardian_telemetry::system_monitor::{Machine, Sample};
use serde::Serialize;

use super::Pages;
use crate::domain::overview::Counts;
use crate::reconcilers::{LoopReport, LoopState};

/// How long the metadata database may take to say how much there is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Every part and its state.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
    control_plane_id: String,
    replica_id: String,
    started_at: String,
    uptime_seconds: u64,
    database: Database,
    queue: Queue,
    agents_connected: usize,
    workers: Vec<Worker>,
    agents: Agents,
    storages: Storages,
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

/// What is not known while the metadata database is away is left out.
#[derive(Debug, Serialize)]
struct Agents {
    /// With a session on this replica.
    connected: usize,
    /// Those that were not revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Storages {
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// Those on the hosts of agents that have not been heard of lately. Whether a bucket answers is not known here.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<u64>,
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
    let (facts, node) = (&pages.shared.facts, &pages.shared.node);
    let online = pages.database.answers().await;
    let reconcilers = pages.shared.reconcilers.report();
    let queue = pages.shared.queue.status();
    let counts = counts(pages).await;
    let connected = pages.shared.sessions.count();
    let uptime = pages.shared.clock.now() - facts.started_at;
    let degraded = !queue.is_online() || reconcilers.iter().any(LoopReport::has_failed);
    Health {
        status: match (online, degraded) {
            (false, _) => "unavailable",
            (true, true) => "degraded",
            (true, false) => "ok",
        },
        version: env!("CARGO_PKG_VERSION"),
        control_plane_id: facts.control_plane.to_string(),
        replica_id: facts.replica.to_string(),
        started_at: facts.started_at.to_rfc3339(),
        uptime_seconds: uptime.to_std().unwrap_or_default().as_secs(),
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
        agents_connected: connected,
        workers: pages.shared.reconcilers.workers().iter().map(worker).collect(),
        agents: Agents {
            connected,
            known: counts.map(|counts| counts.agents),
        },
        storages: Storages {
            count: counts.map(|counts| counts.storages),
            unreachable: counts.map(|counts| counts.storages_unreachable),
        },
        reconcilers,
        machine: node.monitor.machine().clone(),
        current: node.monitor.current(),
        cpu_pool: node.cpu.snapshot(),
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

/// How much there is; none while the metadata database is away.
async fn counts(pages: &Pages) -> Option<Counts> {
    let figures = pages.shared.services.overview.figures();
    let figures = tokio::time::timeout(PATIENCE, figures).await;
    figures.ok()?.ok().map(|figures| figures.counts)
}
