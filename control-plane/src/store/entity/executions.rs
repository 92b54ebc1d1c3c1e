//! Table `executions`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "executions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub state: String,
    pub attempt: i32,
    pub lease_token: Option<Uuid>,
    pub lease_attempt: Option<i32>,
    pub leased_at: Option<DateTimeUtc>,
    pub leased_backup_id: Option<Uuid>,
    pub job_id: Option<Uuid>,
    pub job_name: Option<String>,
    pub datasource_id: Option<Uuid>,
    pub datasource_name: String,
    pub agent_id: Uuid,
    pub agent_name: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub spec: Json,
    pub created_at: DateTimeUtc,
    pub started_at: Option<DateTimeUtc>,
    pub ended_at: Option<DateTimeUtc>,
    pub not_before: Option<DateTimeUtc>,
    pub cancel_requested_at: Option<DateTimeUtc>,
    pub failure_kind: Option<String>,
    pub failure_message: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub progress: Option<Json>,
    pub progressed_at: Option<DateTimeUtc>,
    #[sea_orm(column_type = "JsonBinary")]
    pub missing_databases: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub warnings: Json,
    #[sea_orm(column_type = "JsonBinary")]
    pub restore_report: Option<Json>,
    #[sea_orm(column_type = "JsonBinary")]
    pub verify_report: Option<Json>,
    pub revision: i64,
    pub chunking: Option<String>,
    pub chunking_reason: Option<String>,
    pub base_backup_id: Option<Uuid>,
    pub scheduled_for: Option<DateTimeUtc>,
    #[sea_orm(column_type = "JsonBinary")]
    pub schedule_gap: Option<Json>,
    pub priority: i16,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
