//! Retention of jobs, which of them are to be looked at, and what ageing asks for.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{belongs, drop_tables, index, json_or_null, primary_id, time};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let retention = Table::alter()
            .table("jobs")
            .add_column(json_or_null("retention"))
            .to_owned();
        manager.alter_table(retention).await?;
        manager.create_table(retention_due()).await?;
        manager.create_index(index("executions", &["ended_at"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let ended = Index::drop()
            .name("idx_executions_ended_at")
            .table("executions")
            .to_owned();
        manager.drop_index(ended).await?;
        drop_tables(manager, &["retention_due"]).await?;
        let retention = Table::alter().table("jobs").drop_column("retention").to_owned();
        manager.alter_table(retention).await
    }
}

/// Jobs whose retention is to be applied, since something of theirs has changed: written in the transaction that changed it, so
/// that a crash loses none.
fn retention_due() -> TableCreateStatement {
    Table::create()
        .table("retention_due")
        .col(primary_id("job_id"))
        .col(time("since"))
        .foreign_key(&mut belongs("retention_due", "job_id", "jobs"))
        .to_owned()
}
