//! Table `jobs`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub datasource_id: Uuid,
    pub strategy: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub options: Json,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub revision: i64,
    #[sea_orm(column_type = "JsonBinary")]
    pub schedule: Option<Json>,
    pub paused_at: Option<DateTimeUtc>,
    pub next_scheduled_for: Option<DateTimeUtc>,
    pub next_fire_at: Option<DateTimeUtc>,
    pub last_scheduled_id: Option<Uuid>,
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub retention: Option<Json>,
    pub expected_since: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
