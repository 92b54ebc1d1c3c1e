//! Table `pack_copies`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "pack_copies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub pack_id: Vec<u8>,
    #[sea_orm(primary_key, auto_increment = false)]
    pub storage_id: Uuid,
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
