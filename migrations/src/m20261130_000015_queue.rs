//! Who goes before whom in the queue: what a person asked for (0, as all executions so far) before what a schedule began.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const PRIORITY: &str = "priority";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = ColumnDef::new(PRIORITY)
            .small_integer()
            .not_null()
            .default(0)
            .take();
        let alter = Table::alter().table("executions").add_column(column).to_owned();
        manager.alter_table(alter).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let alter = Table::alter()
            .table("executions")
            .drop_column(PRIORITY)
            .to_owned();
        manager.alter_table(alter).await
    }
}
