//! What was verified of backups and their objects, when, and what is damaged.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{
    belongs, bytes, drop_tables, id, index, json_or_null, number, small_number, text, text_or_null, time,
    time_or_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let report = Table::alter()
            .table("executions")
            .add_column(json_or_null("verify_report"))
            .to_owned();
        manager.alter_table(report).await?;
        for column in ["enrolled_at", "damaged_at"] {
            let alter = Table::alter()
                .table("backup_copies")
                .add_column(time_or_null(column))
                .to_owned();
            manager.alter_table(alter).await?;
        }
        manager.create_table(copy_checks()).await?;
        manager.create_table(object_checks()).await?;
        manager
            .create_index(index("object_checks", &["storage_id", "due_from"]))
            .await?;
        manager
            .create_index(index("object_checks", &["storage_id", "damaged_at"]))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["object_checks", "copy_checks"]).await?;
        for column in ["damaged_at", "enrolled_at"] {
            let alter = Table::alter()
                .table("backup_copies")
                .drop_column(column)
                .to_owned();
            manager.alter_table(alter).await?;
        }
        let report = Table::alter()
            .table("executions")
            .drop_column("verify_report")
            .to_owned();
        manager.alter_table(report).await
    }
}

/// The last check of a copy of a backup at a level, and what came of it.
fn copy_checks() -> TableCreateStatement {
    Table::create()
        .table("copy_checks")
        .col(id("backup_id"))
        .col(id("storage_id"))
        .col(small_number("level"))
        .col(time("checked_at"))
        .col(text("outcome"))
        .col(number("faults"))
        .primary_key(Index::create().col("backup_id").col("storage_id").col("level"))
        .foreign_key(&mut belongs("copy_checks", "backup_id", "backups"))
        .foreign_key(&mut belongs("copy_checks", "storage_id", "storages"))
        .to_owned()
}

/// One row per pack, list and manifest in a storage: when it was last read, and whether it is damaged. `due_from` is what the
/// next check counts from: the last one, or when the object came to be known. A copy's objects are entered once, which
/// `backup_copies.enrolled_at` tells.
fn object_checks() -> TableCreateStatement {
    Table::create()
        .table("object_checks")
        .col(id("storage_id"))
        .col(text("kind"))
        .col(bytes("object_id"))
        .col(id("datasource_id"))
        .col(number("size"))
        .col(time("due_from"))
        .col(time_or_null("checked_at"))
        .col(time_or_null("damaged_at"))
        .col(text_or_null("problem"))
        .primary_key(Index::create().col("storage_id").col("object_id").col("kind"))
        .foreign_key(&mut belongs("object_checks", "storage_id", "storages"))
        .foreign_key(&mut belongs("object_checks", "datasource_id", "datasources"))
        .to_owned()
}
