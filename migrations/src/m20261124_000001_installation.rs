//! The installation: one row with its identity and its keys, sealed; and its certificate authorities.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table};

use crate::columns::{
    bytes, bytes_or_null, drop_tables, id, small_number, text, text_or_null, time, time_or_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(installation()).await?;
        manager.create_table(authorities()).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["authorities", "installation"]).await
    }
}

/// The one row has the id 1, so that of two first starts one wins.
fn installation() -> sea_orm_migration::prelude::TableCreateStatement {
    Table::create()
        .table("installation")
        .col(small_number("id").primary_key())
        .col(id("control_plane_id"))
        .col(text("master_key_fingerprint"))
        .col(bytes("repository_key_sealed"))
        .col(bytes("signing_key_sealed"))
        .col(bytes("signing_public_key"))
        .col(bytes_or_null("setup_token_sha256"))
        .col(time("created_at"))
        .col(text_or_null("recovery_recipients"))
        .col(time_or_null("recovery_kit_at"))
        .to_owned()
}

/// The newest that is not retired signs; the others are trusted until they are.
fn authorities() -> sea_orm_migration::prelude::TableCreateStatement {
    Table::create()
        .table("authorities")
        .col(text("pin").primary_key())
        .col(bytes("certificate"))
        .col(bytes_or_null("bridge"))
        .col(bytes("key_sealed"))
        .col(time("created_at"))
        .col(time_or_null("retired_at"))
        .to_owned()
}
