//! Table `audit_days`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_days")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub day: String,
    pub first_link: i64,
    pub last_link: i64,
    pub last_hash: Vec<u8>,
    pub seal: Option<Vec<u8>>,
    pub forgotten_at: Option<DateTimeUtc>,
    pub forgotten_seal: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
