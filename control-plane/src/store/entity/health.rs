//! Table `health`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "health")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    pub condition: String,
    pub since: DateTimeUtc,
    pub checked_at: DateTimeUtc,
    pub written_at: Option<DateTimeUtc>,
    pub doubt: i32,
    #[sea_orm(column_type = "JsonBinary")]
    pub report: Json,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
