//! Table `manifests`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "manifests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub backup_id: Uuid,
    pub payload: Vec<u8>,
    pub agent_signature: Vec<u8>,
    pub agent_public_key: Vec<u8>,
    pub control_plane_signature: Vec<u8>,
    pub control_plane_public_key: Vec<u8>,
    pub stored_at: DateTimeUtc,
    pub refused_since: Option<DateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
