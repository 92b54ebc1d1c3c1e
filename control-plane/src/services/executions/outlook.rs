//! What is seen of executions from here and now: what the waiting ones wait for, and which agents at work are silent.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use dataguardian_core::execution::{ExecutionKind, ExecutionState};
use dataguardian_core::ids::{AgentId, StorageId};

use crate::domain::eligibility::{Candidate, Obstacle, Occupant, Room};
use crate::domain::execution::{Execution, Outlook, WaitingReason, WaitsFor};
use crate::domain::patience::silent_since;
use crate::domain::storage::Storage;
use crate::services::{Context, Error};
use crate::store::Connected;
use crate::store::agents::{AgentAtWork, agents_at_work};
use crate::store::executions::execution_at_work;
use crate::store::storages::storage_get_many;

/// What an execution is and would occupy.
pub(in crate::services) fn candidate(execution: &Execution) -> Candidate {
    Candidate {
        what: occupant(execution),
        not_before: execution.not_before,
    }
}

fn occupant(execution: &Execution) -> Occupant {
    Occupant {
        id: execution.id,
        agent: execution.agent,
        kind: execution.kind(),
        datasource: execution.datasource,
        storages: execution.spec.storages().to_vec(),
    }
}

/// What there is room for, as far as these executions are concerned, and the storages that they write into.
pub(in crate::services) async fn room(
    context: &Context,
    on: &impl Connected,
    concerned: &[Execution],
) -> Result<(Room, Vec<Storage>), Error> {
    let mut ids: Vec<StorageId> = concerned
        .iter()
        .flat_map(|execution| execution.spec.storages().iter().copied())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let storages = storage_get_many(on, &ids).await?;
    let agents = agents_at_work(on, concerned.iter().map(|execution| execution.agent)).await?;
    let limited = |storage: &Storage| Some((storage.id, storage.max_concurrent?));
    let room = Room {
        limits: context.limits,
        at_work: execution_at_work(on).await?.iter().map(occupant).collect(),
        slots: agents
            .iter()
            .filter_map(|agent| Some((agent.id, agent.slots?)))
            .collect(),
        storages: storages.iter().filter_map(limited).collect(),
    };
    Ok((room, storages))
}

impl Context {
    /// Sets what is seen of each execution now.
    pub(in crate::services) async fn look_out(&self, executions: &mut [Execution]) -> Result<(), Error> {
        let unended: Vec<Execution> = executions
            .iter()
            .filter(|execution| !execution.state.is_terminal())
            .cloned()
            .collect();
        if unended.is_empty() {
            return Ok(());
        }
        let (room, storages) = room(self, &self.store, &unended).await?;
        let agents = agents_at_work(&self.store, unended.iter().map(|execution| execution.agent)).await?;
        let view = View {
            context: self,
            now: self.now(),
            room,
            storages,
            agents: agents.into_iter().map(|agent| (agent.id, agent)).collect(),
        };
        for execution in executions {
            execution.outlook = view.of(execution);
        }
        Ok(())
    }
}

/// What everything is judged by.
struct View<'a> {
    context: &'a Context,
    now: DateTime<Utc>,
    room: Room,
    storages: Vec<Storage>,
    agents: HashMap<AgentId, AgentAtWork>,
}

impl View<'_> {
    fn of(&self, execution: &Execution) -> Outlook {
        let agent = self.agents.get(&execution.agent);
        let last_seen = agent.and_then(|agent| agent.last_seen_at);
        match execution.state {
            ExecutionState::Queued | ExecutionState::RetryWait => Outlook {
                waits_for: Some(self.waits_for(execution, last_seen)),
                no_contact_since: None,
            },
            ExecutionState::Leased
            | ExecutionState::Running
            | ExecutionState::Committing
            | ExecutionState::Cancelling => {
                let given_at = execution.lease.map_or(execution.created_at, |lease| lease.since);
                Outlook {
                    no_contact_since: silent_since(last_seen, given_at, self.context.times()),
                    waits_for: None,
                }
            }
            ExecutionState::Completed
            | ExecutionState::Cancelled
            | ExecutionState::Failed
            | ExecutionState::Skipped => Outlook::default(),
        }
    }

    fn waits_for(&self, execution: &Execution, last_seen: Option<DateTime<Utc>>) -> WaitsFor {
        if let Some(reason) = self.context.queue.pause() {
            return waits(WaitingReason::Queue, format!("waits, since {reason}"));
        }
        let away = last_seen.is_none_or(|seen| self.now - seen > self.context.agent_away_after);
        if away && execution.state == ExecutionState::Queued {
            return waits(
                WaitingReason::AgentAway,
                away_text(&execution.agent_name, last_seen),
            );
        }
        if self
            .agents
            .get(&execution.agent)
            .is_some_and(|agent| !agent.active)
        {
            let agent = &execution.agent_name;
            let message = format!(
                "waits for agent {agent}, which takes nothing on: `dgctl agent get {agent}` says why, and a locked one goes on after `dgctl agent unlock {agent}`"
            );
            return waits(WaitingReason::AgentAway, message);
        }
        match self.room.obstacle(&candidate(execution), self.now) {
            None => waits(
                WaitingReason::Turn,
                format!(
                    "is offered to agent {} as soon as that is connected",
                    execution.agent_name
                ),
            ),
            Some(obstacle) => self.told(execution, obstacle),
        }
    }

    fn told(&self, execution: &Execution, obstacle: Obstacle) -> WaitsFor {
        match obstacle {
            Obstacle::NotBefore(time) => {
                let what = match execution.state {
                    ExecutionState::RetryWait => "the next attempt",
                    _ => "the next offer to its agent",
                };
                waits(
                    WaitingReason::Time,
                    format!("waits until {} for {what}", at(time)),
                )
            }
            Obstacle::Datasource(other, kind) => {
                let kind = match kind {
                    ExecutionKind::Backup => "backup",
                    ExecutionKind::Restore => "restore",
                    ExecutionKind::Verify => "verification",
                };
                let message = format!(
                    "waits for the {kind} {other} on datasource {}",
                    execution.datasource_name
                );
                waits(WaitingReason::Datasource, message)
            }
            Obstacle::AgentSlot => waits(
                WaitingReason::AgentSlot,
                format!("waits for a free slot of agent {}", execution.agent_name),
            ),
            Obstacle::Storage(id) => {
                let storage = self.storages.iter().find(|storage| storage.id == id);
                let name = storage.map_or_else(|| id.to_string(), |storage| storage.name.to_string());
                let limit = storage.and_then(|storage| storage.max_concurrent).unwrap_or(0);
                let message =
                    format!("waits for storage {name}, which takes {limit} backups at the same time");
                waits(WaitingReason::Storage, message)
            }
            Obstacle::Total => {
                let total = self.room.limits.total.unwrap_or(0);
                let message =
                    format!("waits for its turn: the control plane runs {total} executions at the same time");
                waits(WaitingReason::Total, message)
            }
        }
    }
}

fn waits(reason: WaitingReason, message: String) -> WaitsFor {
    WaitsFor { reason, message }
}

fn away_text(agent: &str, last_seen: Option<DateTime<Utc>>) -> String {
    match last_seen {
        Some(seen) => format!(
            "waits for agent {agent} to connect; it was last heard of at {}",
            at(seen)
        ),
        None => format!("waits for agent {agent} to connect; it was never heard of"),
    }
}

fn at(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
