//! Table `installation`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "installation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    pub control_plane_id: Uuid,
    pub master_key_fingerprint: String,
    pub repository_key_sealed: Vec<u8>,
    pub signing_key_sealed: Vec<u8>,
    pub signing_public_key: Vec<u8>,
    pub setup_token_sha256: Option<Vec<u8>>,
    pub created_at: DateTimeUtc,
    pub recovery_recipients: Option<String>,
    pub recovery_kit_at: Option<DateTimeUtc>,
    pub recovery_kit_generation: Option<i32>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
