//! Table `storages`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "storages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub kind: String,
    pub agent_id: Option<Uuid>,
    pub path: Option<String>,
    pub repository_id: Uuid,
    pub conditional_put: bool,
    pub max_concurrent: Option<i32>,
    pub created_at: DateTimeUtc,
    pub revision: i64,
    pub s3: Option<Json>,
    pub secret_sealed: Option<Vec<u8>>,
    pub delete_secret_sealed: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
