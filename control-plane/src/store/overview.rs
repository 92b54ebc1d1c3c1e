//! The figures of the whole installation, in a few grouped queries however much there is.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::execution::{ExecutionKind, ExecutionState};
use dataguardian_core::ids::{AgentId, BackupId};
use dataguardian_repository::verify::Level;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _, Select,
};
use uuid::Uuid;

use super::entity::{agents, backup_copies, backups, copy_checks, datasources, executions, jobs, storages};
use super::executions::TERMINAL;
use super::packs::BATCH;
use super::{Connected, StoreError, convert};
use crate::domain::agent::AgentState;
use crate::domain::deletion::BackupState;
use crate::domain::overview::{Counts, JobFigures, MAX_DATASOURCES, MAX_JOBS, Statistics};
use crate::domain::protection::{NewestBackup, Protection};
use crate::domain::verification::CheckOutcome;

const FROM: convert::From = convert::From("executions");

/// How much there is. An agent that was last heard of before `away_since` does not reach its folders.
pub async fn overview_counts(on: &impl Connected, away_since: DateTime<Utc>) -> Result<Counts, StoreError> {
    let at = &on.executor();
    let unrevoked = agents::Column::State.ne(AgentState::Revoked.as_str());
    let there = agents::Entity::find()
        .select_only()
        .column(agents::Column::Id)
        .filter(unrevoked.clone())
        .filter(agents::Column::LastSeenAt.gte(convert::time(away_since)));
    let unreachable = storages::Entity::find()
        .filter(storages::Column::AgentId.is_not_null())
        .filter(storages::Column::AgentId.not_in_subquery(there.into_query()));
    Ok(Counts {
        agents: agents::Entity::find().filter(unrevoked).count(at).await?,
        datasources: datasources::Entity::find().count(at).await?,
        storages: storages::Entity::find().count(at).await?,
        storages_unreachable: unreachable.count(at).await?,
        jobs: jobs::Entity::find().count(at).await?,
        backups: usable().count(at).await?,
    })
}

/// The names of the agents that were not revoked.
pub async fn overview_agents(on: &impl Connected) -> Result<HashMap<AgentId, String>, StoreError> {
    let rows: Vec<(Uuid, String)> = agents::Entity::find()
        .select_only()
        .columns([agents::Column::Id, agents::Column::Name])
        .filter(agents::Column::State.ne(AgentState::Revoked.as_str()))
        .into_tuple()
        .all(&on.executor())
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, name)| (AgentId::from_uuid(id), name))
        .collect())
}

/// How many executions have not ended, by kind and state.
pub async fn overview_unfinished(
    on: &impl Connected,
) -> Result<HashMap<(ExecutionKind, ExecutionState), u64>, StoreError> {
    use executions::Column;
    let ended = TERMINAL.iter().map(|state| state.as_str());
    let rows: Vec<(String, String, i64)> = executions::Entity::find()
        .select_only()
        .columns([Column::Kind, Column::State])
        .column_as(Column::Id.count(), "executions")
        .filter(Column::State.is_not_in(ended))
        .group_by(Column::Kind)
        .group_by(Column::State)
        .into_tuple()
        .all(&on.executor())
        .await?;
    rows.into_iter()
        .map(|(kind, state, count)| Ok(((FROM.parse(&kind)?, FROM.parse(&state)?), FROM.number(count)?)))
        .collect()
}

/// What executions came to that have ended since then. `made_since` bounds the search by the index of their ids: whatever was
/// asked for longer ago is not looked at.
pub async fn overview_statistics(
    on: &impl Connected,
    since: DateTime<Utc>,
    made_since: DateTime<Utc>,
) -> Result<Statistics, StoreError> {
    use executions::Column;
    let rows: Vec<(String, i64)> = executions::Entity::find()
        .select_only()
        .column(Column::State)
        .column_as(Column::Id.count(), "executions")
        .filter(Column::EndedAt.gte(convert::time(since)))
        .filter(Column::Id.gte(first_id_of(made_since)))
        .group_by(Column::State)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let mut statistics = Statistics::default();
    for (state, count) in rows {
        statistics = statistics.with(FROM.parse(&state)?, FROM.number(count)?);
    }
    Ok(statistics)
}

/// No UUIDv7 that was made at that time or later is smaller.
pub(super) fn first_id_of(time: DateTime<Utc>) -> Uuid {
    let milliseconds = u64::try_from(time.timestamp_millis()).unwrap_or(0);
    Uuid::from_u128(u128::from(milliseconds) << 80)
}

/// When the newest usable backup of each job and datasource was complete.
#[derive(Debug, Default)]
struct Newest {
    of_job: HashMap<Uuid, DateTime<Utc>>,
    of_datasource: HashMap<Uuid, DateTime<Utc>>,
}

impl Newest {
    async fn among(on: &impl Connected, backups: Select<backups::Entity>) -> Result<Self, StoreError> {
        use backups::Column;
        let rows: Vec<(Option<Uuid>, Uuid, DateTime<Utc>)> = backups
            .select_only()
            .columns([Column::JobId, Column::DatasourceId])
            .column_as(Column::CompletedAt.max(), "newest")
            .group_by(Column::JobId)
            .group_by(Column::DatasourceId)
            .into_tuple()
            .all(&on.executor())
            .await?;
        let mut newest = Self::default();
        for (job, datasource, at) in rows {
            let of_datasource = newest.of_datasource.entry(datasource).or_insert(at);
            *of_datasource = Ord::max(at, *of_datasource);
            if let Some(job) = job {
                let of_job = newest.of_job.entry(job).or_insert(at);
                *of_job = Ord::max(at, *of_job);
            }
        }
        Ok(newest)
    }
}

/// The newest backups of every datasource and every job.
pub async fn overview_backups(on: &impl Connected) -> Result<(Vec<Protection>, Vec<JobFigures>), StoreError> {
    let newest = Newest::among(on, usable()).await?;
    let verified = Newest::among(on, verified()?).await?;
    let mut copies = newest_backups(on).await?;
    let sources: Vec<(Uuid, String, DateTime<Utc>, Option<i64>)> = datasources::Entity::find()
        .select_only()
        .columns([
            datasources::Column::Id,
            datasources::Column::Name,
            datasources::Column::CreatedAt,
            datasources::Column::VerifiedWithinS,
        ])
        .order_by_asc(datasources::Column::Name)
        .limit(MAX_DATASOURCES)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let names: HashMap<Uuid, String> = sources.iter().map(|(id, name, ..)| (*id, name.clone())).collect();
    let protection = |(id, datasource, created_at, verified_within): (Uuid, _, _, Option<i64>)| Protection {
        datasource,
        created_at,
        newest: copies.remove(&id),
        verified_at: verified.of_datasource.get(&id).copied(),
        verified_within: verified_within.and_then(TimeDelta::try_seconds),
    };
    let protection = sources.into_iter().map(protection).collect();
    let rows: Vec<(Uuid, String, Uuid, DateTime<Utc>)> = jobs::Entity::find()
        .select_only()
        .columns([
            jobs::Column::Id,
            jobs::Column::Name,
            jobs::Column::DatasourceId,
            jobs::Column::CreatedAt,
        ])
        .order_by_asc(jobs::Column::Name)
        .limit(MAX_JOBS)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let job = |(id, name, datasource, created_at): (Uuid, String, Uuid, DateTime<Utc>)| JobFigures {
        name,
        datasource: names.get(&datasource).cloned().unwrap_or_default(),
        created_at,
        succeeded_at: newest.of_job.get(&id).copied(),
        verified_at: verified.of_job.get(&id).copied(),
    };
    Ok((protection, rows.into_iter().map(job).collect()))
}

/// The newest usable backup of each datasource, with its copies counted.
async fn newest_backups(on: &impl Connected) -> Result<HashMap<Uuid, NewestBackup>, StoreError> {
    use backups::Column;
    let newest = usable()
        .select_only()
        .column(Column::DatasourceId)
        .column_as(Column::CompletedAt.max(), "newest")
        .group_by(Column::DatasourceId);
    let key = Expr::tuple([Expr::col(Column::DatasourceId), Expr::col(Column::CompletedAt)]);
    let rows: Vec<(Uuid, Uuid, DateTime<Utc>)> = usable()
        .select_only()
        .columns([Column::DatasourceId, Column::Id, Column::CompletedAt])
        .filter(key.in_subquery(newest.into_query()))
        .order_by_asc(Column::Id)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let newest: HashMap<Uuid, (Uuid, DateTime<Utc>)> = rows
        .into_iter()
        .map(|(datasource, id, at)| (datasource, (id, at)))
        .collect();
    let ids: Vec<Uuid> = newest.values().map(|(id, _)| *id).collect();
    let mut copies: HashMap<Uuid, (u32, u32)> = HashMap::new();
    for batch in ids.chunks(BATCH) {
        let of_these = backup_copies::Column::BackupId.is_in(batch.iter().copied());
        let rows = backup_copies::Entity::find()
            .filter(of_these)
            .filter(backup_copies::Column::Leaving.is_null())
            .all(&on.executor())
            .await?;
        for row in rows {
            let (whole, wanted) = copies.entry(row.backup_id).or_default();
            *wanted += 1;
            *whole += u32::from(row.completed_at.is_some() && row.damaged_at.is_none());
        }
    }
    let found = |(datasource, (id, at)): (Uuid, (Uuid, DateTime<Utc>))| {
        let (whole, wanted) = copies.get(&id).copied().unwrap_or_default();
        let newest = NewestBackup {
            id: BackupId::from_uuid(id),
            at,
            copies: whole,
            copies_wanted: wanted,
        };
        (datasource, newest)
    };
    Ok(newest.into_iter().map(found).collect())
}

/// Backups that can be restored.
fn usable() -> Select<backups::Entity> {
    backups::Entity::find()
        .filter(backups::Column::CompletedAt.is_not_null())
        .filter(backups::Column::State.eq(BackupState::Complete.as_str()))
}

/// Those of which the last look at a copy's contents found all as it should be.
fn verified() -> Result<Select<backups::Entity>, StoreError> {
    let good = copy_checks::Entity::find()
        .select_only()
        .column(copy_checks::Column::BackupId)
        .filter(copy_checks::Column::Level.gte(i32::from(Level::Contents.number())))
        .filter(copy_checks::Column::Outcome.eq(convert::word(&CheckOutcome::Good)?));
    Ok(usable().filter(backups::Column::Id.in_subquery(good.into_query())))
}
