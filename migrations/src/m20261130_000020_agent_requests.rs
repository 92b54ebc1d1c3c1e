//! Questions to agents whose session another replica has.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{bytes, bytes_or_null, drop_tables, id, index, primary_id, time, time_or_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(agent_requests()).await?;
        manager.create_index(index("agent_requests", &["agent_id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["agent_requests"]).await
    }
}

/// One row per question that is under way. Both texts are sealed: a question may hold a password.
fn agent_requests() -> TableCreateStatement {
    Table::create()
        .table("agent_requests")
        .col(primary_id("id"))
        .col(id("agent_id"))
        .col(bytes("question_sealed"))
        .col(time("expires_at"))
        .col(time_or_null("taken_at"))
        .col(bytes_or_null("answer_sealed"))
        .to_owned()
}
