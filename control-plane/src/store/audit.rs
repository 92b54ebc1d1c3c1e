//! The audit log.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{AgentId, UserId};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait as _, Condition, EntityTrait as _, PaginatorTrait as _, QueryFilter as _, QueryOrder as _,
    QuerySelect as _, QueryTrait as _,
};
use uuid::Uuid;

use super::entity::audit_logs::{ActiveModel, Column, Entity, Model};
use super::entity::users;
use super::private::Executor as _;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::audit::{Actor, AuditEntry, AuditFilter, AuditRecord, FailedSignIns, Particulars};
use crate::domain::notification::facts::WaitingUser;

const FROM: convert::From = convert::From("audit_logs");

/// Adds an entry that no request stands behind.
pub async fn audit_insert_in_tx(tx: &Tx, entry: &AuditEntry, now: DateTime<Utc>) -> Result<(), StoreError> {
    audit_insert_with_in_tx(tx, entry, Particulars::default(), now).await
}

/// Adds an entry, with what more is known.
pub async fn audit_insert_with_in_tx(
    tx: &Tx,
    entry: &AuditEntry,
    particulars: Particulars,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let (actor_id, actor_name): (Option<Uuid>, String) = match &entry.actor {
        Actor::Anonymous | Actor::System => (None, String::new()),
        Actor::User(id, name) => (Some(*id.as_uuid()), name.clone()),
        Actor::Agent(id) => (Some(*id.as_uuid()), String::new()),
    };
    let row = ActiveModel {
        id: NotSet,
        at: Set(convert::time(now)),
        actor_kind: Set(entry.actor.kind().to_owned()),
        actor_id: Set(actor_id),
        actor_name: Set(actor_name),
        method: Set(entry.method.clone()),
        resource: Set(entry.resource.clone()),
        outcome: Set(entry.outcome.clone()),
        remote: Set(entry.remote.clone()),
        request: Set(particulars.request),
        changes: Set(particulars.changes),
        link: Set(None),
        day: Set(None),
        hash: Set(None),
    };
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// Up to `limit` entries older than number `before`, the newest first.
pub async fn audit_list(
    on: &impl Connected,
    filter: &AuditFilter,
    before: Option<u64>,
    limit: u64,
) -> Result<Vec<AuditRecord>, StoreError> {
    let mut query = Entity::find()
        .filter(fitting(filter))
        .order_by_desc(Column::Id)
        .limit(limit);
    if let Some(before) = before {
        query = query.filter(Column::Id.lt(convert::number(before)?));
    }
    let rows = query.all(&on.executor()).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Up to `limit` entries with a greater number than `after`, the oldest first.
pub async fn audit_list_after(
    on: &impl Connected,
    filter: &AuditFilter,
    after: u64,
    limit: u64,
) -> Result<Vec<AuditRecord>, StoreError> {
    let rows = Entity::find()
        .filter(fitting(filter))
        .filter(Column::Id.gt(convert::number(after)?))
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(&on.executor())
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// What the row is about that says that an account has to wait for wrong passwords.
pub const WAITING: &str = "wrong passwords";
/// The method by which people and programs sign in.
const LOGIN: &str = "/dataguardian.v1.AuthService/Login";
/// How a try ends that was made with something wrong.
const FAILED: [&str; 2] = ["WRONG_CREDENTIALS", "TOO_MANY_TRIES"];

/// Tries to sign in as that user that failed since the last one that did not, none before `since`.
pub async fn audit_failed_sign_ins(
    on: &impl Connected,
    username: &str,
    since: DateTime<Utc>,
) -> Result<Option<FailedSignIns>, StoreError> {
    let tries = || {
        Entity::find()
            .filter(Column::Resource.eq(username))
            .filter(Column::Method.eq(LOGIN))
            .filter(Column::At.gte(convert::time(since)))
    };
    let signed_in = tries()
        .filter(Column::Outcome.eq("ok"))
        .order_by_desc(Column::Id)
        .one(&on.executor())
        .await?;
    let failed = || {
        tries()
            .filter(Column::Outcome.is_in(FAILED))
            .filter(Column::Id.gt(signed_in.as_ref().map_or(0, |row| row.id)))
    };
    let Some(last) = failed().order_by_desc(Column::Id).one(&on.executor()).await? else {
        return Ok(None);
    };
    Ok(Some(FailedSignIns {
        count: failed().count(&on.executor()).await?,
        last_at: last.at,
        last_from: last.remote,
    }))
}

/// Users who had to wait for wrong passwords since that time, the first of them first; accounts that nobody has are left out.
pub async fn fact_waiting_users(
    on: &impl Connected,
    since: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<WaitingUser>, StoreError> {
    let rows = Entity::find()
        .filter(Column::At.gte(convert::time(since)))
        .filter(Column::Method.eq(WAITING))
        .filter(
            Column::Resource.in_subquery(
                users::Entity::find()
                    .select_only()
                    .column(users::Column::Username)
                    .into_query(),
            ),
        )
        .order_by_asc(Column::Id)
        .limit(limit)
        .all(&on.executor())
        .await?;
    let names = rows.iter().map(|row| row.resource.clone());
    let found = users::Entity::find()
        .filter(users::Column::Username.is_in(names))
        .all(&on.executor())
        .await?;
    let ids: HashMap<_, _> = found.into_iter().map(|user| (user.username, user.id)).collect();
    let waiting = rows.into_iter().filter_map(|row| {
        let id = *ids.get(&row.resource)?;
        Some(FROM.number(row.id).map(|number| WaitingUser {
            number,
            user: (UserId::from_uuid(id), row.resource),
            at: row.at,
            from: row.remote,
        }))
    });
    waiting.collect()
}

fn fitting(filter: &AuditFilter) -> Condition {
    let actor = filter.actor.as_ref().map(|actor| {
        let named = Condition::any()
            .add(Column::ActorName.eq(actor))
            .add(Column::ActorKind.eq(actor));
        match Uuid::try_parse(actor) {
            Ok(id) => named.add(Column::ActorId.eq(id)),
            Err(_) => named,
        }
    });
    let number = filter
        .number
        .map(|number| Column::Id.eq(i64::try_from(number).unwrap_or(-1)));
    Condition::all()
        .add_option(number)
        .add_option(actor)
        .add_option(filter.method.as_ref().map(|part| Column::Method.contains(part)))
        .add_option(filter.resource.as_ref().map(|text| Column::Resource.eq(text)))
        .add_option(filter.outcome.as_ref().map(|text| Column::Outcome.eq(text)))
        .add_option(filter.since.map(|since| Column::At.gte(convert::time(since))))
        .add_option(filter.until.map(|until| Column::At.lt(convert::time(until))))
}

impl TryFrom<Model> for AuditRecord {
    type Error = StoreError;
    fn try_from(row: Model) -> Result<Self, StoreError> {
        let actor = match (row.actor_kind.as_str(), row.actor_id) {
            ("anonymous", None) => Actor::Anonymous,
            ("system", None) => Actor::System,
            ("user", Some(id)) => Actor::User(UserId::from_uuid(id), row.actor_name),
            ("agent", Some(id)) => Actor::Agent(AgentId::from_uuid(id)),
            (kind, _) => return Err(StoreError::unreadable("audit_logs", format!("actor {kind:?}"))),
        };
        Ok(Self {
            number: FROM.number(row.id)?,
            at: row.at,
            particulars: Particulars {
                request: row.request,
                changes: row.changes,
            },
            entry: AuditEntry {
                actor,
                method: row.method,
                resource: row.resource,
                outcome: row.outcome,
                remote: row.remote,
            },
        })
    }
}
