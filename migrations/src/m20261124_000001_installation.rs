//! The installation: one row with its identity and its keys, sealed.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table};

use crate::columns::{bytes, bytes_or_null, drop_tables, id, small_number, text, time};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(installation()).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["installation"]).await
    }
}

/// The one row has the id 1, so that of two first starts one wins.
fn installation() -> sea_orm_migration::prelude::TableCreateStatement {
    Table::create()
        .table("installation")
        .col(small_number("id").primary_key())
        .col(id("control_plane_id"))
        .col(text("master_key_fingerprint"))
        .col(bytes("ca_key_sealed"))
        .col(bytes("ca_certificate"))
        .col(bytes("repository_key_sealed"))
        .col(bytes("signing_key_sealed"))
        .col(bytes("signing_public_key"))
        .col(bytes_or_null("setup_token_sha256"))
        .col(time("created_at"))
        .to_owned()
}
