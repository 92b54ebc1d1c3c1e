//! The full health report.

use dataguardian_telemetry::cpu_pool::CpuPoolSnapshot;
use dataguardian_telemetry::system_monitor::{Machine, Sample};
use serde::Serialize;

use super::Pages;
use crate::reconcilers::LoopReport;

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

#[derive(Debug, Serialize)]
struct Queue {
    online: bool,
}

impl Health {
    pub(super) fn is_well(&self) -> bool {
        self.database.online
    }
}

pub(super) async fn report(pages: &Pages) -> Health {
    let facts = &pages.shared.facts;
    let online = pages.database.answers().await;
    let reconcilers = pages.reconcilers.report();
    let queue = pages.queue.is_online();
    let degraded = !queue || reconcilers.iter().any(LoopReport::has_failed);
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
        queue: Queue { online: queue },
        agents_connected: pages.shared.sessions.count(),
        reconcilers,
        machine: pages.monitor.machine().clone(),
        current: pages.monitor.current(),
        cpu_pool: pages.cpu.snapshot(),
    }
}
