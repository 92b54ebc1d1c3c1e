//! Table `agents`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub state: String,
    pub signing_public_key: Vec<u8>,
    pub version: String,
    pub hostname: String,
    pub operating_system: String,
    pub slots: Option<i32>,
    #[sea_orm(column_type = "JsonBinary")]
    pub clients: Json,
    pub enrolled_at: DateTimeUtc,
    pub last_seen_at: Option<DateTimeUtc>,
    pub clock_skew_microseconds: Option<i64>,
    pub session_epoch: i64,
    pub session_replica: Option<Uuid>,
    pub certificate_floor: i32,
    pub certificate_generation_seen: i32,
    pub certificate_serial_seen: Option<String>,
    pub certificate_seen_at: Option<DateTimeUtc>,
    pub certificate_expires_at: Option<DateTimeUtc>,
    pub recovery_asked_at: Option<DateTimeUtc>,
    pub recovery_until: Option<DateTimeUtc>,
    #[sea_orm(column_type = "JsonBinary")]
    pub boots: Json,
    pub alert: Option<String>,
    pub alert_at: Option<DateTimeUtc>,
    pub alert_from: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
