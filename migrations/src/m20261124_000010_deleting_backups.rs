//! Backups that are deleted and pinned, what is remembered of those that are gone, and what holds collection up.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{
    belongs, bytes, drop_tables, id, index, number, primary_id, text, text_or_null, time, time_or_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// SQLite adds one column at a time.
fn columns() -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("backups", text("state").default("complete").take()),
        ("backups", time_or_null("state_since")),
        ("backups", time_or_null("pinned_at")),
        ("backups", text_or_null("pinned_by")),
        ("backups", text_or_null("pin_reason")),
        ("backups", number("revision").default(1).take()),
        ("backup_copies", text_or_null("leaving")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        manager.create_table(deleted_backups()).await?;
        manager
            .create_index(index("deleted_backups", &["datasource_id", "collected_at"]))
            .await?;
        manager.create_table(collection_holds()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["collection_holds", "deleted_backups"]).await?;
        for (table, column) in columns().into_iter().rev() {
            let name = column.get_column_name();
            let alter = Table::alter().table(table).drop_column(name).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}

/// Backups that were deleted everywhere: a manifest that comes back in spite of that is known, and goes again. They name nothing
/// that would have to stay for them. `collected_at` is null until nothing of theirs is left to be collected.
fn deleted_backups() -> TableCreateStatement {
    Table::create()
        .table("deleted_backups")
        .col(primary_id("id"))
        .col(id("execution_id"))
        .col(id("datasource_id"))
        .col(bytes("payload_sha256"))
        .col(time("deleted_at"))
        .col(time_or_null("collected_at"))
        .to_owned()
}

/// Why nothing of a datasource may be collected in a storage, as the last look found.
fn collection_holds() -> TableCreateStatement {
    Table::create()
        .table("collection_holds")
        .col(id("storage_id"))
        .col(id("datasource_id"))
        .col(text("reason"))
        .col(time("since"))
        .primary_key(Index::create().col("storage_id").col("datasource_id"))
        .foreign_key(&mut belongs("collection_holds", "storage_id", "storages"))
        .foreign_key(&mut belongs("collection_holds", "datasource_id", "datasources"))
        .to_owned()
}
