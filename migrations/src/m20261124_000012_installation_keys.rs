//! Installation keys after the first one, which stays in the installation's row; and which of them the newest recovery kit has.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{bytes, drop_tables, small_number, small_number_or_null, time};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const KIT: &str = "recovery_kit_generation";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(installation_keys()).await?;
        let alter = Table::alter()
            .table("installation")
            .add_column(small_number_or_null(KIT))
            .to_owned();
        manager.alter_table(alter).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let alter = Table::alter().table("installation").drop_column(KIT).to_owned();
        manager.alter_table(alter).await?;
        drop_tables(manager, &["installation_keys"]).await
    }
}

/// The greatest generation is in use. The first key, in the installation's row, is generation 1. `id_generation` is the one
/// whose id keys name what this one seals.
fn installation_keys() -> TableCreateStatement {
    Table::create()
        .table("installation_keys")
        .col(small_number("generation").primary_key())
        .col(bytes("key_sealed"))
        .col(small_number("id_generation"))
        .col(time("created_at"))
        .to_owned()
}
