//! One look at everything that is not counted as it happens.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::performance::{CpuPoolSnapshot, Disk, Sample};

use crate::domain::overview::Overview;
use crate::domain::protection::Objectives;
use crate::http::Pages;
use crate::queue::QueueStatus;
use crate::reconcilers::LoopReport;

/// How long the metadata database may take. Whoever watches us must hear that it is away, rather than nothing.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) now: DateTime<Utc>,
    pub(super) uptime: Duration,
    pub(super) database_online: bool,
    pub(super) queue: Option<QueueStatus>,
    pub(super) agents_connected: usize,
    pub(super) loops: Vec<LoopReport>,
    pub(super) workers: Vec<LoopReport>,
    pub(super) damaged: (u64, u64),
    pub(super) cpu_pool: CpuPoolSnapshot,
    /// The pools of all agents that are connected here, added up.
    pub(super) agents_pool: CpuPoolSnapshot,
    pub(super) sample: Option<Sample>,
    pub(super) disks: Vec<Disk>,
    pub(super) objectives: Objectives,
    /// None while the metadata database is away.
    pub(super) overview: Option<Arc<Overview>>,
}

impl Seen {
    /// Looks.
    pub(super) async fn look(pages: &Pages) -> Self {
        let shared = &pages.shared;
        let overview = tokio::time::timeout(PATIENCE, shared.services.overview.figures()).await;
        let now = shared.clock.now();
        Self {
            now,
            uptime: (now - shared.facts.started_at).to_std().unwrap_or_default(),
            database_online: matches!(&overview, Ok(Ok(_))),
            queue: Some(shared.queue.status()),
            agents_connected: shared.sessions.count(),
            loops: shared.reconcilers.report(),
            workers: shared.reconcilers.workers(),
            damaged: shared.services.verifications.damaged(),
            cpu_pool: shared.node.cpu.snapshot(),
            agents_pool: agents_pool(pages),
            sample: shared.node.monitor.current(),
            disks: shared.node.monitor.disks(),
            objectives: shared.services.overview.objectives(),
            overview: overview.ok().and_then(Result::ok),
        }
    }
}

fn agents_pool(pages: &Pages) -> CpuPoolSnapshot {
    let sessions = pages.shared.sessions.all();
    let pools = sessions.iter().filter_map(|session| session.performance(0));
    pools.fold(CpuPoolSnapshot::default(), |sum, node| CpuPoolSnapshot {
        size: sum.size.saturating_add(node.cpu_pool.size),
        busy: sum.busy.saturating_add(node.cpu_pool.busy),
        queued: sum.queued.saturating_add(node.cpu_pool.queued),
        processed: sum.processed.saturating_add(node.cpu_pool.processed),
        failed: sum.failed.saturating_add(node.cpu_pool.failed),
    })
}
