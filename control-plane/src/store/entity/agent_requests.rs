//! Table `agent_requests`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "agent_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// An agent, or a replica: no two things have the same id.
    #[sea_orm(column_name = "agent_id")]
    pub addressee_id: Uuid,
    pub question_sealed: Vec<u8>,
    pub expires_at: DateTimeUtc,
    pub taken_at: Option<DateTimeUtc>,
    pub answer_sealed: Option<Vec<u8>>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
