//! What backups build upon: the base that an execution holds, and what came of it.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table,
};

use crate::columns::{id_or_null, index, number_or_null, text_or_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// SQLite adds one column at a time.
fn columns() -> [(&'static str, ColumnDef); 7] {
    [
        ("executions", text_or_null("chunking")),
        ("executions", text_or_null("chunking_reason")),
        ("executions", id_or_null("base_backup_id")),
        ("backups", text_or_null("chunking")),
        ("backups", text_or_null("chunking_reason")),
        ("backups", id_or_null("base_backup_id")),
        ("backups", number_or_null("reused_bytes")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        manager
            .create_index(index("executions", &["base_backup_id"]))
            .await?;
        manager.create_index(index("packs", &["execution_id"])).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table) in [
            ("idx_packs_execution_id", "packs"),
            ("idx_executions_base_backup_id", "executions"),
        ] {
            let drop = sea_orm_migration::prelude::Index::drop()
                .name(name)
                .table(table)
                .to_owned();
            manager.drop_index(drop).await?;
        }
        for (table, name) in [
            ("backups", "reused_bytes"),
            ("backups", "base_backup_id"),
            ("backups", "chunking_reason"),
            ("backups", "chunking"),
            ("executions", "base_backup_id"),
            ("executions", "chunking_reason"),
            ("executions", "chunking"),
        ] {
            let alter = Table::alter().table(table).drop_column(name).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
