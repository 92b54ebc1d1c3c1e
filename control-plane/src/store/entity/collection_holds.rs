//! Table `collection_holds`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "collection_holds")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub storage_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub datasource_id: Uuid,
    pub reason: String,
    pub since: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
