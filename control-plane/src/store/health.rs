//! How datasources and storages do, and the looks behind it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{DatasourceId, StorageId};
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use uuid::Uuid;

use super::entity::{datasources, health, health_checks, storages};
use super::packs::BATCH;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::health::{Check, Health, Subject};
use crate::domain::text;

const FROM: convert::From = convert::From("health");
const CHECKS: convert::From = convert::From("health_checks");

/// How these do, as far as they were looked at.
pub async fn health_of(
    on: &impl Connected,
    subjects: &[Subject],
) -> Result<BTreeMap<Subject, Health>, StoreError> {
    let mut found = BTreeMap::new();
    for batch in subjects.chunks(BATCH) {
        let rows = health::Entity::find()
            .filter(health::Column::SubjectId.is_in(batch.iter().map(|subject| *subject.id())))
            .all(&on.executor())
            .await?;
        for row in rows {
            let (subject, health) = record(row)?;
            found.insert(subject, health);
        }
    }
    Ok(found)
}

/// How everything does that was looked at.
pub async fn health_all(on: &impl Connected) -> Result<BTreeMap<Subject, Health>, StoreError> {
    let rows = health::Entity::find().all(&on.executor()).await?;
    rows.into_iter().map(record).collect()
}

/// Everything that there is to look at.
pub async fn health_subjects(on: &impl Connected) -> Result<BTreeSet<Subject>, StoreError> {
    let datasources: Vec<Uuid> = datasources::Entity::find()
        .select_only()
        .column(datasources::Column::Id)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let storages: Vec<Uuid> = storages::Entity::find()
        .select_only()
        .column(storages::Column::Id)
        .into_tuple()
        .all(&on.executor())
        .await?;
    let datasources = datasources
        .into_iter()
        .map(|id| Subject::Datasource(DatasourceId::from_uuid(id)));
    let storages = storages
        .into_iter()
        .map(|id| Subject::Storage(StorageId::from_uuid(id)));
    Ok(datasources.chain(storages).collect())
}

/// Writes down how one does, and the look that said so.
pub async fn health_record_in_tx(
    tx: &Tx,
    subject: Subject,
    health: &Health,
    check: &Check,
) -> Result<(), StoreError> {
    use health::Column;
    let row = health::ActiveModel {
        subject: Set(subject.kind().to_owned()),
        subject_id: Set(*subject.id()),
        condition: Set(convert::word(&health.condition)?),
        since: Set(convert::time(health.since)),
        checked_at: Set(convert::time(health.checked_at)),
        written_at: Set(health.written_at.map(convert::time)),
        doubt: Set(convert::small(health.doubt)?),
        report: Set(convert::json(&health.report)?),
    };
    let mut over = OnConflict::columns([Column::Subject, Column::SubjectId]);
    over.update_columns([
        Column::Condition,
        Column::Since,
        Column::CheckedAt,
        Column::WrittenAt,
        Column::Doubt,
        Column::Report,
    ]);
    health::Entity::insert(row)
        .on_conflict(over)
        .exec_without_returning(&tx.executor())
        .await?;
    let row = health_checks::ActiveModel {
        subject: Set(subject.kind().to_owned()),
        subject_id: Set(*subject.id()),
        checked_at: Set(convert::time(check.checked_at)),
        condition: Set(convert::word(&check.condition)?),
        latency_us: Set(check.latency.map(microseconds).transpose()?),
        free_bytes: Set(check.free_bytes.map(convert::number).transpose()?),
        problem: Set(check
            .problem
            .as_deref()
            .map(|problem| text::kept(problem, text::MAX_MESSAGE))),
    };
    let mut once = OnConflict::new();
    once.do_nothing();
    health_checks::Entity::insert(row)
        .on_conflict(once)
        .exec_without_returning(&tx.executor())
        .await?;
    Ok(())
}

/// Up to `limit` looks at one before that moment, the newest first.
pub async fn health_checks_of(
    on: &impl Connected,
    subject: Subject,
    before: Option<DateTime<Utc>>,
    limit: u64,
) -> Result<Vec<Check>, StoreError> {
    use health_checks::Column;
    let mut query = health_checks::Entity::find()
        .filter(Column::Subject.eq(subject.kind()))
        .filter(Column::SubjectId.eq(*subject.id()))
        .order_by_desc(Column::CheckedAt)
        .limit(limit);
    if let Some(before) = before {
        query = query.filter(Column::CheckedAt.lt(convert::time(before)));
    }
    let rows = query.all(&on.executor()).await?;
    let check = |row: health_checks::Model| {
        Ok(Check {
            checked_at: row.checked_at,
            condition: CHECKS.word(row.condition)?,
            latency: row
                .latency_us
                .map(|latency| CHECKS.number(latency).map(Duration::from_micros))
                .transpose()?,
            free_bytes: row.free_bytes.map(|free| CHECKS.number(free)).transpose()?,
            problem: row.problem,
        })
    };
    rows.into_iter().map(check).collect()
}

/// Forgets the looks before that moment. Gives how many.
pub async fn health_checks_forget_in_tx(tx: &Tx, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let deleted = health_checks::Entity::delete_many()
        .filter(health_checks::Column::CheckedAt.lt(convert::time(before)))
        .exec(&tx.executor())
        .await?;
    Ok(deleted.rows_affected)
}

/// Forgets one that was deleted, and all looks at it.
pub async fn health_forget_in_tx(tx: &Tx, subject: Subject) -> Result<(), StoreError> {
    health::Entity::delete_by_id((subject.kind().to_owned(), *subject.id()))
        .exec(&tx.executor())
        .await?;
    health_checks::Entity::delete_many()
        .filter(health_checks::Column::Subject.eq(subject.kind()))
        .filter(health_checks::Column::SubjectId.eq(*subject.id()))
        .exec(&tx.executor())
        .await?;
    Ok(())
}

fn microseconds(latency: Duration) -> Result<i64, StoreError> {
    convert::number(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX >> 1))
}

fn record(row: health::Model) -> Result<(Subject, Health), StoreError> {
    let subject = match row.subject.as_str() {
        "datasource" => Subject::Datasource(DatasourceId::from_uuid(row.subject_id)),
        "storage" => Subject::Storage(StorageId::from_uuid(row.subject_id)),
        other => return Err(StoreError::unreadable("health", format!("subject {other:?}"))),
    };
    let health = Health {
        condition: FROM.word(row.condition)?,
        since: row.since,
        checked_at: row.checked_at,
        written_at: row.written_at,
        doubt: FROM.small(row.doubt)?,
        report: FROM.json(row.report)?,
    };
    Ok((subject, health))
}
