//! Every datasource and storage is looked at from time to time by an agent that reaches it, so that what is broken is known
//! before a backup finds it. See [`crate::domain::health`] for what a look comes to.
//!
//! One agent takes one look at a time: it has a database to spare.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::clock::SharedClock;
use dataguardian_core::ids::AgentId;
use futures::StreamExt as _;
use serde::Serialize;

use super::{Pass, Reconcile};
use crate::domain::health::{Condition, Report};
use crate::services::Error;
use crate::services::health::{Change, Health as Catalogue, Look};
use crate::sessions::{SessionHandle, Sessions};

/// How long a look may take: a server that is away is told by the agent before.
const PATIENCE: Duration = Duration::from_secs(40);
/// Agents that look at the same time.
const AGENTS_AT_ONCE: usize = 16;
/// Looks by one agent in a pass; the others come with the next one.
const LOOKS_PER_AGENT: usize = 16;
/// Between two times at which old looks are forgotten.
const AGE_OUT_EVERY: TimeDelta = TimeDelta::hours(1);

/// Looks at datasources and storages.
#[derive(Debug, Clone)]
pub struct Health {
    /// Knows what is due, and writes down what was found.
    pub catalogue: Catalogue,
    /// The agents that are here.
    pub sessions: Sessions,
    /// How long looks are kept.
    pub keep: TimeDelta,
    /// Paces the forgetting.
    pub clock: SharedClock,
    /// When old looks were last forgotten. It is only for the pace, so it may be lost.
    pub forgotten_at: Arc<Mutex<Option<DateTime<Utc>>>>,
}

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Looked {
    /// Looks that were taken.
    pub looks: usize,
    /// Looks that no agent took.
    pub not_taken: usize,
    /// Conditions that changed.
    pub changes: usize,
    /// Old looks that were forgotten.
    pub forgotten: u64,
}

impl Reconcile for Health {
    const NAME: &'static str = "health";
    type Report = Looked;

    async fn pass(&self) -> Result<Pass<Looked>, Error> {
        let mut here: Vec<_> = self.sessions.all().iter().map(SessionHandle::agent).collect();
        here.sort();
        let mut of_agents: BTreeMap<AgentId, Vec<Look>> = BTreeMap::new();
        for look in self.catalogue.due(&here).await? {
            of_agents.entry(look.agent).or_default().push(look);
        }
        let rounds = of_agents.into_values().map(|looks| self.round(looks));
        let rounds: Vec<_> = futures::stream::iter(rounds)
            .buffer_unordered(AGENTS_AT_ONCE)
            .collect()
            .await;
        let mut report = Looked::default();
        let mut found = Vec::new();
        for (taken, not_taken) in rounds {
            report.looks += taken.len();
            report.not_taken += not_taken;
            found.extend(taken);
        }
        let changes = self.catalogue.record(found).await?;
        report.changes = changes.len();
        changes.iter().for_each(tell);
        report.forgotten = self.age_out().await?;
        Ok(Pass::Done(report))
    }
}

impl Health {
    /// One agent's looks, one after the other. Gives those that were taken, and how many were not.
    async fn round(&self, looks: Vec<Look>) -> (Vec<(Look, Report)>, usize) {
        let (mut taken, mut not_taken) = (Vec::new(), 0);
        for look in looks.into_iter().take(LOOKS_PER_AGENT) {
            match self.sessions.look(&look, PATIENCE).await {
                Ok(report) => taken.push((look, report)),
                Err(error) => {
                    tracing::debug!(agent.id = %look.agent, name = look.name, %error, "a look was not taken");
                    not_taken += 1;
                }
            }
        }
        (taken, not_taken)
    }

    async fn age_out(&self) -> Result<u64, Error> {
        let now = self.clock.now();
        let due = {
            let mut last = self.forgotten_at.lock().unwrap_or_else(PoisonError::into_inner);
            let due = last.is_none_or(|last| now - last >= AGE_OUT_EVERY || now < last);
            if due {
                *last = Some(now);
            }
            due
        };
        if due {
            self.catalogue.age_out(self.keep).await
        } else {
            Ok(0)
        }
    }
}

fn tell(change: &Change) {
    let (subject, id) = (change.subject.kind(), change.subject.id());
    match (change.to, &change.problem) {
        (Condition::Healthy, _) if change.from.is_none() => {}
        (Condition::Healthy, _) => tracing::info!(subject, %id, "it is well again"),
        (_, Some(problem)) => tracing::warn!(subject, %id, problem, "it is not well"),
        (to, None) => tracing::warn!(subject, %id, condition = ?to, "it is not well"),
    }
}
