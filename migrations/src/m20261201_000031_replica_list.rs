//! The replicas that there are, so that each finds the others.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{drop_tables, primary_id, time};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(replicas()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["replicas"]).await
    }
}

/// One row per replica that runs or ran lately.
fn replicas() -> TableCreateStatement {
    Table::create()
        .table("replicas")
        .col(primary_id("id"))
        .col(time("last_seen_at"))
        .to_owned()
}
