//! Storages in buckets: where they are, and their sealed secrets.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table,
};

use crate::columns::{bytes_or_null, json_or_null};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// SQLite adds one column at a time.
fn columns() -> [ColumnDef; 3] {
    [
        json_or_null("s3"),
        bytes_or_null("secret_sealed"),
        bytes_or_null("delete_secret_sealed"),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            let alter = Table::alter().table("storages").add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["delete_secret_sealed", "secret_sealed", "s3"] {
            let alter = Table::alter().table("storages").drop_column(name).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
