//! Table `packs`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "packs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Vec<u8>,
    pub datasource_id: Uuid,
    pub kind: String,
    pub execution_id: Option<Uuid>,
    pub attempt: i32,
    pub state: String,
    pub state_since: DateTimeUtc,
    pub stored_bytes: i64,
    pub raw_bytes: i64,
    pub chunks: i32,
    pub created_at: DateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
