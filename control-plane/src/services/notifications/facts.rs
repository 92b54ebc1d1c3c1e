//! Gathers what is looked at for troubles.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::failure::Failure;
use dataguardian_core::ids::{DatasourceId, StorageId};

use super::Notifications;
use crate::domain::access::Within;
use crate::domain::agent::AgentState;
use crate::domain::health::{Health, Subject};
use crate::domain::job::Job;
use crate::domain::notification::channel::Standing;
use crate::domain::notification::facts::{
    AgentFacts, ChannelFacts, Damage, DatasourceFacts, Facts, FailedExecution, HealthFacts, JobFacts,
    JobFailure, StorageFacts,
};
use crate::services::Error;
use crate::store::agents::agent_list;
use crate::store::audit::fact_waiting_users;
use crate::store::datasources::datasource_list;
use crate::store::health::health_all;
use crate::store::jobs::job_list;
use crate::store::notification_channels::channel_list;
use crate::store::notification_deliveries::delivery_undelivered_since;
use crate::store::notification_facts::{
    Failed, JobEnds, JobUnfinished, fact_damage, fact_failures, fact_job_ends, fact_job_failure,
    fact_job_unfinished, fact_tokens,
};
use crate::store::overview::overview_backups;
use crate::store::storages::storage_list;

/// Of each kind of thing so many are looked at.
const AT_ONCE: u64 = 10_000;
/// A restore or verification that ended longer ago is not told of any more: a pass comes every few seconds.
const LATELY: TimeDelta = TimeDelta::hours(24);
/// One that was asked for longer ago than that is not looked for.
const LONGEST_LIFE: TimeDelta = TimeDelta::days(31);
/// Failures that are told of in one pass.
const FAILURES: u64 = 1000;
/// Users who had to wait that are told of in one pass.
const WAITING: u64 = 100;
/// Damaged copies that are counted.
const DAMAGED: u64 = 10_000;
/// Tokens that end within this time are looked at.
const TOKENS: TimeDelta = TimeDelta::days(7);

impl Notifications {
    /// Everything as it is now.
    pub(super) async fn facts(&self) -> Result<Facts, Error> {
        let (store, now) = (&self.context.store, self.context.now());
        let health = health_all(store).await?;
        let storages = storage_list(store, &Within::default(), None, AT_ONCE).await?;
        let storages: Vec<_> = storages
            .into_iter()
            .map(|storage| StorageFacts {
                id: storage.id,
                name: storage.name.to_string(),
                health: health.get(&Subject::Storage(storage.id)).map(health_facts),
            })
            .collect();
        let datasources = self.datasource_facts(&health).await?;
        let agents = agent_list(store, &Within::default(), None, AT_ONCE).await?;
        let agents = agents
            .into_iter()
            .filter(|agent| agent.state != AgentState::Revoked);
        let agents = agents.map(|agent| AgentFacts {
            id: agent.id,
            name: agent.name.to_string(),
            last_seen_at: agent.last_seen_at.unwrap_or(agent.enrolled_at),
            certificate_ends: agent.certificate_expires_at,
        });
        let failures = fact_failures(store, now - LATELY, now - LONGEST_LIFE, FAILURES).await?;
        let queue = self.context.queue.status();
        let offline = queue.gate.filter(|gate| !gate.is_online());
        Ok(Facts {
            jobs: self.job_facts().await?,
            damage: self.damage(&storages, &datasources).await?,
            datasources,
            storages,
            agents: agents.collect(),
            failures: failures.into_iter().map(failed).collect(),
            tokens: fact_tokens(store, now, now + TOKENS).await?,
            queue_offline: offline.map(|gate| {
                let why = gate
                    .outage
                    .map_or("Redis was not asked yet", |outage| outage.as_str());
                (gate.since, why.to_owned())
            }),
            channels: self.channel_facts().await?,
            waiting_users: fact_waiting_users(store, now - LATELY, WAITING).await?,
            seen_since: self.context.started_at,
        })
    }

    async fn channel_facts(&self) -> Result<Vec<ChannelFacts>, Error> {
        let store = &self.context.store;
        let channels = channel_list(store, None, AT_ONCE).await?;
        let mut facts = Vec::new();
        for channel in channels.into_iter().filter(|channel| !channel.disabled) {
            let Standing { delivered_at, failed } = channel.standing;
            let last = delivered_at.unwrap_or(channel.created_at);
            let undelivered_since = match (&failed, channel.target.interval()) {
                (None, _) => None,
                // Of a ping nothing is kept: each is due again.
                (Some(_), Some(_)) => Some(last),
                (Some(_), None) => delivery_undelivered_since(store, channel.id, last).await?,
            };
            facts.push(ChannelFacts {
                id: (channel.id, channel.name.to_string()),
                delivered_at,
                failure: failed.map(|(_, why)| why),
                undelivered_since,
            });
        }
        Ok(facts)
    }

    async fn job_facts(&self) -> Result<Vec<JobFacts>, Error> {
        let store = &self.context.store;
        let jobs = job_list(store, &Within::default(), None, AT_ONCE).await?;
        let ends = fact_job_ends(store).await?;
        let unfinished = fact_job_unfinished(store).await?;
        let mut facts = Vec::with_capacity(jobs.len());
        for job in jobs {
            // One that was made since the other queries is looked at in the next pass.
            let Some(ends) = ends.get(&job.id).copied() else {
                continue;
            };
            let failure = match ends.failed_at > ends.completed_at {
                true => fact_job_failure(store, job.id).await?,
                false => None,
            };
            let unfinished = unfinished.get(&job.id).copied().unwrap_or_default();
            facts.push(job_facts(job, ends, unfinished, failure));
        }
        Ok(facts)
    }

    async fn datasource_facts(
        &self,
        health: &BTreeMap<Subject, Health>,
    ) -> Result<Vec<DatasourceFacts>, Error> {
        let (protection, _) = overview_backups(&self.context.store).await?;
        let protection: HashMap<&str, _> = protection
            .iter()
            .map(|protection| (protection.datasource.as_str(), protection))
            .collect();
        let objectives = self.context.objectives;
        let datasources = datasource_list(&self.context.store, &Within::default(), None, AT_ONCE).await?;
        let facts = datasources.into_iter().map(|datasource| {
            let protection = protection.get(datasource.name.as_str());
            let own = datasource
                .verified_within
                .and_then(|own| TimeDelta::from_std(own).ok());
            DatasourceFacts {
                id: datasource.id,
                created_at: datasource.created_at,
                health: health.get(&Subject::Datasource(datasource.id)).map(health_facts),
                newest_at: protection.and_then(|protection| protection.newest.map(|newest| newest.at)),
                verified_at: protection.and_then(|protection| protection.verified_at),
                backup_within: objectives.backup.filter(|_| protection.is_some()),
                verified_within: own.or(objectives.verified).filter(|_| protection.is_some()),
                name: datasource.name.to_string(),
            }
        });
        Ok(facts.collect())
    }

    async fn damage(
        &self,
        storages: &[StorageFacts],
        datasources: &[DatasourceFacts],
    ) -> Result<Vec<Damage>, Error> {
        let mut damage: BTreeMap<(StorageId, DatasourceId), (u64, DateTime<Utc>)> = BTreeMap::new();
        for copy in fact_damage(&self.context.store, DAMAGED).await? {
            let of = damage
                .entry((copy.storage, copy.datasource))
                .or_insert((0, copy.since));
            *of = (of.0 + 1, of.1.min(copy.since));
        }
        let named = damage
            .into_iter()
            .filter_map(|((storage, datasource), (copies, since))| {
                let storage = storages.iter().find(|known| known.id == storage)?;
                let datasource = datasources.iter().find(|known| known.id == datasource)?;
                Some(Damage {
                    storage: (storage.id, storage.name.clone()),
                    datasource: (datasource.id, datasource.name.clone()),
                    copies,
                    since,
                })
            });
        Ok(named.collect())
    }
}

fn job_facts(job: Job, ends: JobEnds, unfinished: JobUnfinished, failure: Option<Failed>) -> JobFacts {
    JobFacts {
        id: job.id,
        name: job.name.to_string(),
        datasource: (job.datasource, job.datasource_name.to_string()),
        schedule: job.schedule.filter(|_| job.paused_at.is_none()),
        expected_since: ends.expected_since,
        completed_at: ends.completed_at,
        failed_at: ends.failed_at,
        failure: failure.map(|failed| {
            let (why, advice) = words(failed.failure.as_ref());
            JobFailure {
                execution: failed.id,
                at: failed.at,
                why,
                advice,
            }
        }),
        waits: unfinished.waits,
        at_work: unfinished.at_work,
    }
}

fn health_facts(health: &Health) -> HealthFacts {
    let problems = health.report.problems.iter().map(|problem| {
        let (why, advice) = words(Some(problem));
        format!("{why}\n{advice}")
    });
    HealthFacts {
        condition: health.condition,
        since: health.since,
        problems: problems.collect::<Vec<_>>().join("\n"),
        free_bytes: health.report.free_bytes,
    }
}

fn failed(failed: Failed) -> FailedExecution {
    let (why, advice) = words(failed.failure.as_ref());
    FailedExecution {
        id: failed.id,
        kind: failed.kind,
        datasource: failed.datasource,
        at: failed.at,
        why,
        advice,
    }
}

/// What went wrong, and what to do about it.
fn words(failure: Option<&Failure>) -> (String, String) {
    match failure {
        Some(failure) => (
            format!("{} ({})", failure.message, failure.kind.as_str()),
            failure.kind.advice().to_owned(),
        ),
        None => ("No reason was given.".to_owned(), String::new()),
    }
}
