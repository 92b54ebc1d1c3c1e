//! Table `object_checks`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "object_checks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub storage_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub object_id: Vec<u8>,
    pub datasource_id: Uuid,
    pub size: i64,
    pub due_from: DateTimeUtc,
    pub checked_at: Option<DateTimeUtc>,
    pub damaged_at: Option<DateTimeUtc>,
    pub problem: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
