//! The dashboard: figures from the catalogue, and how the machines are as their nodes tell.

use dataguardian_proto::convert::timestamp;
use dataguardian_proto::v1;

use crate::domain::execution::Execution;
use crate::domain::job::Job;
use crate::domain::overview::{Dashboard, Statistics, waits};
use crate::domain::protection::{Objectives, Protection, ProtectionState};
use crate::grpc::{Shared, encode};
use crate::nodes::NodeSeen;
use crate::services::Error;

/// Samples of each node where the caller does not say.
const USUAL_HISTORY: usize = 60;

/// All of it.
pub(super) async fn show(shared: &Shared, history_size: u32) -> Result<v1::GetDashboardResponse, Error> {
    let dashboard = shared.services.overview.dashboard().await?;
    let connected = shared.asking.connected().await?.len();
    let nodes = shared.nodes.everywhere(wanted(history_size)).await?;
    let performance = performance(nodes, &dashboard);
    let (now, objectives) = (shared.clock.now(), shared.services.overview.objectives());
    let protection = dashboard.overview.protection.iter();
    Ok(v1::GetDashboardResponse {
        now: Some(timestamp(now)),
        counts: Some(counts(connected, &dashboard)),
        statistics: dashboard
            .statistics
            .iter()
            .map(|(period, ended)| statistics(*period, *ended))
            .collect(),
        protection: protection
            .map(|one| datasource(one, one.state(objectives, now), one.objectives(objectives)))
            .collect(),
        next_runs: dashboard.next_runs.iter().filter_map(next_run).collect(),
        recent_executions: dashboard.recent.into_iter().map(recent).collect(),
        performance,
    })
}

fn wanted(history_size: u32) -> usize {
    match usize::try_from(history_size).unwrap_or(usize::MAX) {
        0 => USUAL_HISTORY,
        size => size,
    }
}

fn counts(connected: usize, dashboard: &Dashboard) -> v1::DashboardCounts {
    let counts = &dashboard.overview.counts;
    v1::DashboardCounts {
        agents: small(counts.agents),
        agents_connected: small(connected as u64),
        datasources: small(counts.datasources),
        storages: small(counts.storages),
        jobs: small(counts.jobs),
        backups: counts.backups,
        executions_waiting: small(dashboard.overview.unfinished_in(waits)),
        executions_at_work: small(dashboard.overview.unfinished_in(|state| !waits(state))),
    }
}

fn next_run(job: &Job) -> Option<v1::NextRun> {
    let next = job.next_firing?;
    Some(v1::NextRun {
        job: job.name.to_string(),
        datasource: job.datasource_name.to_string(),
        fire_at: Some(timestamp(next.fire_at)),
    })
}

/// Without what its own page shows at length.
fn recent(execution: Execution) -> v1::Execution {
    v1::Execution {
        restore_report: None,
        verify_report: None,
        ..encode::execution(execution)
    }
}

fn statistics(period: chrono::TimeDelta, ended: Statistics) -> v1::ExecutionStatistics {
    v1::ExecutionStatistics {
        period: Some(encode::length(period)),
        completed: ended.completed,
        failed: ended.failed,
        cancelled: ended.cancelled,
        skipped: ended.skipped,
        success_rate: ended.success_rate(),
    }
}

fn datasource(
    protection: &Protection,
    state: ProtectionState,
    objectives: Objectives,
) -> v1::DatasourceProtection {
    let newest = protection.newest;
    let state = match state {
        ProtectionState::Protected => v1::ProtectionState::Protected,
        ProtectionState::Unverified => v1::ProtectionState::Unverified,
        ProtectionState::Late => v1::ProtectionState::Late,
        ProtectionState::Unprotected => v1::ProtectionState::Unprotected,
    };
    v1::DatasourceProtection {
        datasource: protection.datasource.clone(),
        state: state.into(),
        newest_backup_at: newest.map(|newest| timestamp(newest.at)),
        newest_backup_id: newest.map(|newest| newest.id.to_string()).unwrap_or_default(),
        newest_verified_backup_at: protection.verified_at.map(timestamp),
        copies: newest.map_or(0, |newest| newest.copies),
        copies_wanted: newest.map_or(0, |newest| newest.copies_wanted),
        backup_objective: objectives.backup.map(encode::length),
        verified_objective: objectives.verified.map(encode::length),
    }
}

/// The replicas, the one that answers first; then the agents in order of their names.
fn performance(nodes: Vec<NodeSeen>, dashboard: &Dashboard) -> Vec<v1::NodePerformance> {
    let named = |node: NodeSeen| {
        let name = match node.agent {
            Some(agent) => dashboard.agents.get(&agent)?.clone(),
            None => String::new(),
        };
        Some(self::node(name, &node))
    };
    let mut nodes: Vec<_> = nodes.into_iter().filter_map(named).collect();
    nodes.sort_by(|one, other| one.agent.cmp(&other.agent));
    nodes
}

fn node(agent: String, node: &NodeSeen) -> v1::NodePerformance {
    let seen = &node.performance;
    v1::NodePerformance {
        agent,
        replica_id: node.replica.to_string(),
        machine: Some((&seen.machine).into()),
        current: seen.samples.last().map(Into::into),
        history: seen.samples.iter().map(Into::into).collect(),
        thread_pool: Some(seen.cpu_pool.into()),
        disks: seen.disks.iter().map(Into::into).collect(),
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
