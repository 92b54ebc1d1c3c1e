//! How the machines are: this replica's and its agents', and those that other replicas know, which are asked.
//!
//! Only shown, never decided by: a replica that does not answer soon is left out.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use dataguardian_core::ids::{AgentId, ReplicaId};
use dataguardian_core::performance::NodePerformance;
use dataguardian_telemetry::cpu_pool::CpuPool;
use dataguardian_telemetry::system_monitor::SystemMonitor;
use futures::future::join_all;
use serde::{Deserialize, Serialize};

use crate::domain::addressee::Addressee;
use crate::services::relay::{Relay, Relayed};
use crate::services::replicas::Replicas;
use crate::services::{Error, Services};
use crate::sessions::{SessionHandle, Sessions};

/// Samples in one answer to a caller: it stays below the size of a message.
const MOST_SAMPLES: usize = 20_000;
/// How long other replicas are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The machine that this replica runs on.
#[derive(Debug, Clone)]
pub struct Node {
    /// Looks at it.
    pub monitor: Arc<SystemMonitor>,
    /// Threads for CPU-bound work.
    pub cpu: CpuPool,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeSeen {
    /// The replica that tells.
    pub replica: ReplicaId,
    /// The agent; none for the replica itself.
    pub agent: Option<AgentId>,
    /// What it tells.
    pub performance: NodePerformance,
}

/// What one replica asks another.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Samples {
    /// Of each node.
    of_each: usize,
    /// Of all together.
    in_all: usize,
}

/// All nodes. Clones share everything.
#[derive(Debug, Clone)]
pub struct Nodes {
    own: Node,
    sessions: Sessions,
    replicas: Replicas,
    relay: Relay,
}

impl Nodes {
    /// Over this machine, and the agents that are here.
    pub fn new(own: Node, sessions: Sessions, services: &Services) -> Self {
        Self {
            own,
            sessions,
            replicas: services.replicas.clone(),
            relay: services.relay.clone(),
        }
    }

    /// All of them, with so many of the newest samples of each: this replica's first.
    pub async fn everywhere(&self, of_each: usize) -> Result<Vec<NodeSeen>, Error> {
        let others = self.replicas.others().await?;
        let wanted = Samples {
            of_each,
            in_all: MOST_SAMPLES / (others.len() + 1),
        };
        let mut nodes = self.here(wanted);
        for told in join_all(others.into_iter().map(|other| self.ask(other, wanted))).await {
            nodes.extend(told?);
        }
        // An agent that has just come from one replica to another is told of by both.
        let mut agents = HashSet::new();
        nodes.retain(|node| node.agent.is_none_or(|agent| agents.insert(agent)));
        Ok(nodes)
    }

    /// This replica.
    pub fn me(&self) -> ReplicaId {
        self.replicas.me()
    }

    /// What another replica is told that asked; none if it asked what this version does not know.
    pub fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let wanted = serde_json::from_slice(question).ok()?;
        serde_json::to_vec(&self.here(wanted)).ok()
    }

    fn here(&self, wanted: Samples) -> Vec<NodeSeen> {
        let sessions = self.sessions.all();
        let of_each = wanted.of_each.min(wanted.in_all / (sessions.len() + 1)).max(1);
        let mut own = self.own.monitor.performance(None, self.own.cpu.snapshot());
        let older = own.samples.len().saturating_sub(of_each);
        own.samples.drain(..older);
        let seen = |agent, performance| NodeSeen {
            replica: self.me(),
            agent,
            performance,
        };
        let agent =
            |session: &SessionHandle| Some(seen(Some(session.agent()), session.performance(of_each)?));
        std::iter::once(seen(None, own))
            .chain(sessions.iter().filter_map(agent))
            .collect()
    }

    /// What another replica tells; nothing if it does not answer.
    async fn ask(&self, other: ReplicaId, wanted: Samples) -> Result<Vec<NodeSeen>, Error> {
        let Ok(question) = serde_json::to_vec(&wanted) else {
            return Ok(Vec::new());
        };
        let relayed = self
            .relay
            .ask(Addressee::Replica(other), &question, PATIENCE)
            .await?;
        let told = match &relayed {
            Relayed::Answer(answer) => serde_json::from_slice(answer.expose()).ok(),
            Relayed::NotConnected | Relayed::Busy | Relayed::NoAnswer => None,
        };
        if told.is_none() {
            tracing::info!(replica.id = %other, "a replica does not tell how its machines are");
        }
        Ok(told.unwrap_or_default())
    }
}
