//! Table `backups`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "backups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub execution_id: Uuid,
    pub job_id: Option<Uuid>,
    pub job_name: Option<String>,
    pub datasource_id: Uuid,
    pub datasource_name: String,
    pub agent_id: Uuid,
    pub engine: String,
    pub server_version: String,
    pub started_at: DateTimeUtc,
    pub ended_at: DateTimeUtc,
    pub completed_at: Option<DateTimeUtc>,
    #[sea_orm(column_type = "JsonBinary")]
    pub databases: Json,
    pub raw_bytes: i64,
    pub stored_bytes: i64,
    pub row_count: i64,
    pub tables: i32,
    pub packs: i32,
    pub encrypted: bool,
    #[sea_orm(column_type = "JsonBinary")]
    pub warnings: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub missing_databases: Json,
    pub chunking: Option<String>,
    pub chunking_reason: Option<String>,
    pub base_backup_id: Option<Uuid>,
    pub reused_bytes: Option<i64>,
    pub state: String,
    pub state_since: Option<DateTimeUtc>,
    pub pinned_at: Option<DateTimeUtc>,
    pub pinned_by: Option<String>,
    pub pin_reason: Option<String>,
    pub revision: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
