//! Datasources.

use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use dataguardian_core::ids::{AgentId, DatasourceId};
use dataguardian_core::name::ResourceName;
use dataguardian_core::selection::DatabaseSelection;
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};

use super::agents::agent_names;
use super::entity::datasources::{ActiveModel, Column, Entity, Model};
use super::private::Executor as _;
use super::within::visible;
use super::{Connected, StoreError, Tx, convert};
use crate::domain::access::{ResourceKind, Within};
use crate::domain::datasource::{ConnectionSettings, Datasource};
use crate::domain::reference::Reference;

const FROM: convert::From = convert::From("datasources");

/// Makes a datasource.
pub async fn datasource_insert_in_tx(
    tx: &Tx,
    datasource: &Datasource,
    password_sealed: Option<Vec<u8>>,
) -> Result<(), StoreError> {
    let mut row = settings(&datasource.connection, &datasource.databases)?;
    row.id = Set(*datasource.id.as_uuid());
    row.name = Set(datasource.name.to_string());
    row.engine = Set(datasource.engine.as_str().to_owned());
    row.verified_within_s = Set(datasource.verified_within.map(seconds).transpose()?);
    row.agent_id = Set(*datasource.agent.as_uuid());
    row.password_sealed = Set(password_sealed);
    row.created_at = Set(convert::time(datasource.created_at));
    row.updated_at = Set(convert::time(datasource.updated_at));
    row.revision = Set(datasource.revision);
    Entity::insert(row).exec_without_returning(&tx.executor()).await?;
    Ok(())
}

/// One datasource.
pub async fn datasource_get(
    on: &impl Connected,
    which: &Reference<DatasourceId>,
) -> Result<Option<Datasource>, StoreError> {
    let query = match which {
        Reference::Id(id) => Entity::find().filter(Column::Id.eq(*id.as_uuid())),
        Reference::Name(name) => Entity::find().filter(Column::Name.eq(name.as_str())),
    };
    let rows = query.all(&on.executor()).await?;
    Ok(with_agents(on, rows).await?.pop())
}

/// Up to `limit` datasources after that name, in order of their names.
pub async fn datasource_list(
    on: &impl Connected,
    within: &Within,
    after: Option<&str>,
    limit: u64,
) -> Result<Vec<Datasource>, StoreError> {
    let mut query = Entity::find()
        .filter(visible(within, &[(ResourceKind::Datasource, Column::Id)]))
        .order_by_asc(Column::Name)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(Column::Name.gt(after));
    }
    let rows = query.all(&on.executor()).await?;
    with_agents(on, rows).await
}

/// The sealed password of a datasource, if it has one.
pub async fn datasource_password(
    on: &impl Connected,
    id: DatasourceId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sealed: Option<Option<Vec<u8>>> = Entity::find_by_id(*id.as_uuid())
        .select_only()
        .column(Column::PasswordSealed)
        .into_tuple()
        .one(&on.executor())
        .await?;
    Ok(sealed.flatten())
}

/// What a datasource is to be from now on.
#[derive(Debug)]
pub struct DatasourceUpdate<'a> {
    /// Who connects.
    pub agent: AgentId,
    /// How it is reached.
    pub connection: &'a ConnectionSettings,
    /// Which databases are meant.
    pub databases: &'a DatabaseSelection,
    /// How old its newest verified backup may be; as the settings say if none.
    pub verified_within: Option<Duration>,
    /// The new password, sealed; an inner none takes it away, none leaves it.
    pub password_sealed: Option<Option<Vec<u8>>>,
    /// When.
    pub now: DateTime<Utc>,
}

/// Changes a datasource; false if it has changed since that revision.
pub async fn datasource_update_in_tx(
    tx: &Tx,
    id: DatasourceId,
    revision: i64,
    update: DatasourceUpdate<'_>,
) -> Result<bool, StoreError> {
    let mut row = settings(update.connection, update.databases)?;
    row.agent_id = Set(*update.agent.as_uuid());
    row.verified_within_s = Set(update.verified_within.map(seconds).transpose()?);
    row.updated_at = Set(convert::time(update.now));
    if let Some(password) = update.password_sealed {
        row.password_sealed = Set(password);
    }
    let result = Entity::update_many()
        .set(row)
        .col_expr(Column::Revision, Expr::col(Column::Revision).add(1))
        .filter(Column::Id.eq(*id.as_uuid()))
        .filter(Column::Revision.eq(revision))
        .exec(&tx.executor())
        .await?;
    Ok(result.rows_affected == 1)
}

/// Deletes a datasource; [`StoreError::Referenced`] while a job or backup belongs to it.
pub async fn datasource_delete_in_tx(tx: &Tx, id: DatasourceId) -> Result<(), StoreError> {
    Entity::delete_by_id(*id.as_uuid()).exec(&tx.executor()).await?;
    Ok(())
}

fn settings(
    connection: &ConnectionSettings,
    databases: &DatabaseSelection,
) -> Result<ActiveModel, StoreError> {
    let text = |path: &PathBuf| path.to_string_lossy().into_owned();
    Ok(ActiveModel {
        host: Set(connection.host.clone()),
        port: Set(connection.port.into()),
        username: Set(connection.username.clone()),
        tls_mode: Set(connection.tls.as_str().to_owned()),
        tls_ca_file: Set(connection.tls_ca.as_ref().map(text)),
        databases: Set(convert::json(databases)?),
        maintenance_database: Set(connection.maintenance_database.clone()),
        credential_ref: Set(connection.credential_ref.clone()),
        service: Set(connection.service.clone()),
        ..Default::default()
    })
}

fn seconds(length: Duration) -> Result<i64, StoreError> {
    convert::number(length.as_secs())
}

async fn with_agents(on: &impl Connected, rows: Vec<Model>) -> Result<Vec<Datasource>, StoreError> {
    let names = agent_names(on, rows.iter().map(|row| row.agent_id)).await?;
    rows.into_iter()
        .map(|row| {
            let name = names.get(&row.agent_id).cloned();
            record(
                row,
                name.ok_or_else(|| StoreError::unreadable("datasources", "its agent is gone"))?,
            )
        })
        .collect()
}

fn record(row: Model, agent_name: ResourceName) -> Result<Datasource, StoreError> {
    let port = u16::try_from(row.port).map_err(|error| StoreError::unreadable("datasources", error))?;
    Ok(Datasource {
        id: DatasourceId::from_uuid(row.id),
        name: FROM.parse(&row.name)?,
        engine: FROM.parse(&row.engine)?,
        agent: AgentId::from_uuid(row.agent_id),
        agent_name,
        connection: ConnectionSettings {
            host: row.host,
            port,
            username: row.username,
            tls: FROM.word(row.tls_mode)?,
            tls_ca: row.tls_ca_file.map(PathBuf::from),
            maintenance_database: row.maintenance_database,
            credential_ref: row.credential_ref,
            service: row.service,
        },
        databases: FROM.json(row.databases)?,
        verified_within: row
            .verified_within_s
            .map(|seconds| FROM.number(seconds).map(Duration::from_secs))
            .transpose()?,
        created_at: row.created_at,
        updated_at: row.updated_at,
        revision: row.revision,
    })
}
