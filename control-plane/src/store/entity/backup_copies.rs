//! Table `backup_copies`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "backup_copies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub backup_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub storage_id: Uuid,
    pub position: i32,
    pub checked_by: String,
    pub completed_at: Option<DateTimeUtc>,
    pub failure_kind: Option<String>,
    pub failure_message: Option<String>,
    pub enrolled_at: Option<DateTimeUtc>,
    pub damaged_at: Option<DateTimeUtc>,
    pub leaving: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
