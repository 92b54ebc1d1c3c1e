//! How datasources and storages do: what is to be looked at now, what came of it, and the history.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{AgentId, DatasourceId, StorageId};
use dataguardian_core::selection::DatabaseSelection;
use dataguardian_core::target::ConnectionTarget;

use super::datasources::target;
use super::storages::location;
use super::verifications::reaching;
use super::{Context, Error};
use crate::domain::access::Within;
use crate::domain::assignment::RepositoryLocation;
use crate::domain::health::{Check, Condition, Depth, Health as Record, Policy, Report, Subject, depth};
use crate::domain::page::{Cursor, Page, PageRequest, bad_token};
use crate::store::datasources::datasource_list;
use crate::store::health::{
    health_all, health_checks_forget_in_tx, health_checks_of, health_forget_in_tx, health_of,
    health_record_in_tx, health_subjects,
};
use crate::store::storages::storage_list;

/// Datasources, and storages, that are considered at once.
const AT_ONCE: u64 = 1000;

/// How datasources and storages do.
#[derive(Debug, Clone)]
pub struct Health {
    context: Context,
}

/// A look that is due.
#[derive(Debug, Clone)]
pub struct Look {
    /// At what.
    pub subject: Subject,
    /// Its name, for people.
    pub name: String,
    /// Who looks.
    pub agent: AgentId,
    /// What is asked.
    pub at: LookAt,
}

/// What an agent needs for a look.
#[derive(Debug, Clone)]
pub enum LookAt {
    /// At a database server.
    Datasource(Box<ConnectionTarget>, DatabaseSelection),
    /// At a storage, so closely.
    Storage(Box<RepositoryLocation>, Depth),
}

/// A condition that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Of what.
    pub subject: Subject,
    /// From what; none at the first look.
    pub from: Option<Condition>,
    /// To what.
    pub to: Condition,
    /// Why, if it is not well.
    pub problem: Option<String>,
}

/// How one does, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// How it does now.
    pub condition: Condition,
    /// The record behind it; none if nobody has looked.
    pub record: Option<Record>,
}

impl LookAt {
    const fn depth(&self) -> Depth {
        match self {
            Self::Datasource(..) => Depth::Read,
            Self::Storage(_, depth) => *depth,
        }
    }
}

impl Health {
    /// Over that context.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// The looks that are due and that one of these agents can take. Forgets what was deleted.
    pub async fn due(&self, here: &[AgentId]) -> Result<Vec<Look>, Error> {
        let store = &self.context.store;
        let known = health_all(store).await?;
        self.forget_deleted(&known).await?;
        let (now, policy) = (self.context.now(), self.policy());
        let is_due = |subject| {
            known
                .get(&subject)
                .is_none_or(|health| health.is_due(now, &policy))
        };
        let mut looks = Vec::new();
        for datasource in datasource_list(store, &Within::default(), None, AT_ONCE).await? {
            let subject = Subject::Datasource(datasource.id);
            if here.contains(&datasource.agent) && is_due(subject) {
                let connection = target(&self.context, store, &datasource).await?;
                looks.push(Look {
                    subject,
                    name: datasource.name.to_string(),
                    agent: datasource.agent,
                    at: LookAt::Datasource(Box::new(connection), datasource.databases),
                });
            }
        }
        for storage in storage_list(store, &Within::default(), None, AT_ONCE).await? {
            let subject = Subject::Storage(storage.id);
            let Some(agent) = reaching(&storage, here).filter(|_| is_due(subject)) else {
                continue;
            };
            let depth = depth(&storage.location, known.get(&subject), now);
            looks.push(Look {
                subject,
                name: storage.name.to_string(),
                agent,
                at: LookAt::Storage(Box::new(location(&self.context, &storage)?), depth),
            });
        }
        Ok(looks)
    }

    /// Writes down what looks have found. Gives what has changed.
    pub async fn record(&self, found: Vec<(Look, Report)>) -> Result<Vec<Change>, Error> {
        let (now, policy) = (self.context.now(), self.policy());
        let mut changes = Vec::new();
        if found.is_empty() {
            return Ok(changes);
        }
        let tx = self.context.store.begin().await?;
        let subjects: Vec<_> = found.iter().map(|(look, _)| look.subject).collect();
        let before = health_of(&tx, &subjects).await?;
        let there = health_subjects(&tx).await?;
        for (look, report) in found
            .into_iter()
            .filter(|(look, _)| there.contains(&look.subject))
        {
            let before = before.get(&look.subject);
            let check = Check {
                checked_at: now,
                condition: report.condition(&policy),
                latency: report.latency,
                free_bytes: report.free_bytes,
                problem: report.problems.first().map(ToString::to_string),
            };
            let after = Record::after(before, report, look.at.depth(), now, &policy);
            let from = before.map(|before| before.condition);
            if from != Some(after.condition) {
                changes.push(Change {
                    subject: look.subject,
                    from,
                    to: after.condition,
                    problem: check.problem.clone(),
                });
            }
            health_record_in_tx(&tx, look.subject, &after, &check).await?;
        }
        tx.commit().await?;
        Ok(changes)
    }

    /// Forgets looks that are older than that. Gives how many.
    pub async fn age_out(&self, keep: TimeDelta) -> Result<u64, Error> {
        let tx = self.context.store.begin().await?;
        let forgotten = health_checks_forget_in_tx(&tx, self.context.now() - keep).await?;
        tx.commit().await?;
        Ok(forgotten)
    }

    /// How these datasources do.
    pub async fn of_datasources(&self, ids: &[DatasourceId]) -> Result<HashMap<DatasourceId, Shown>, Error> {
        let subjects: Vec<_> = ids.iter().copied().map(Subject::Datasource).collect();
        let known = health_of(&self.context.store, &subjects).await?;
        let shown = |id: &DatasourceId| (*id, self.shown(known.get(&Subject::Datasource(*id))));
        Ok(ids.iter().map(shown).collect())
    }

    /// How these storages do.
    pub async fn of_storages(&self, ids: &[StorageId]) -> Result<HashMap<StorageId, Shown>, Error> {
        let subjects: Vec<_> = ids.iter().copied().map(Subject::Storage).collect();
        let known = health_of(&self.context.store, &subjects).await?;
        let shown = |id: &StorageId| (*id, self.shown(known.get(&Subject::Storage(*id))));
        Ok(ids.iter().map(shown).collect())
    }

    /// How many do how: datasources, then storages.
    pub async fn count(&self) -> Result<[BTreeMap<Condition, u64>; 2], Error> {
        let known = health_all(&self.context.store).await?;
        let mut counts = [BTreeMap::new(), BTreeMap::new()];
        for subject in health_subjects(&self.context.store).await? {
            let kind = match subject {
                Subject::Datasource(_) => 0,
                Subject::Storage(_) => 1,
            };
            let condition = self.shown(known.get(&subject)).condition;
            *counts[kind].entry(condition).or_default() += 1;
        }
        Ok(counts)
    }

    /// The looks at one, the newest first.
    pub async fn history(&self, subject: Subject, page: &PageRequest) -> Result<Page<Check>, Error> {
        let before = match page.from_number()? {
            0 => None,
            number => Some(moment(number).ok_or_else(bad_token)?),
        };
        let limit = u64::from(page.size) + 1;
        let checks = health_checks_of(&self.context.store, subject, before, limit).await?;
        Ok(Page::from_overfull(checks, page.size, |check| {
            Cursor::Number(check.checked_at.timestamp_micros().unsigned_abs())
        }))
    }

    fn shown(&self, record: Option<&Record>) -> Shown {
        let now = self.context.now();
        Shown {
            condition: record.map_or(Condition::Unknown, |record| record.shown(now, &self.policy())),
            record: record.cloned(),
        }
    }

    async fn forget_deleted(&self, known: &BTreeMap<Subject, Record>) -> Result<(), Error> {
        let there = health_subjects(&self.context.store).await?;
        let gone: Vec<_> = known.keys().filter(|subject| !there.contains(subject)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let tx = self.context.store.begin().await?;
        for subject in gone {
            health_forget_in_tx(&tx, *subject).await?;
        }
        Ok(tx.commit().await?)
    }

    const fn policy(&self) -> Policy {
        self.context.health
    }
}

/// The moment that is so many microseconds after 1970.
fn moment(microseconds: u64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(i64::try_from(microseconds).ok()?)
}
