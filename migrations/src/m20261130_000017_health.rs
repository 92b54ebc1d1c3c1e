//! What the health loop found: how each datasource and storage does, and the looks behind it.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{
    drop_tables, id, index, json, number_or_null, small_number, text, text_or_null, time, time_or_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(health()).await?;
        manager.create_table(health_checks()).await?;
        manager
            .create_index(index("health_checks", &["checked_at"]))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["health_checks", "health"]).await
    }
}

/// One row per datasource and storage that was looked at. `subject_id` is the id of one or the other, as `subject` says; rows of
/// what was deleted go with the next pass of the loop.
fn health() -> TableCreateStatement {
    Table::create()
        .table("health")
        .col(text("subject"))
        .col(id("subject_id"))
        .col(text("condition"))
        .col(time("since"))
        .col(time("checked_at"))
        .col(time_or_null("written_at"))
        .col(small_number("doubt"))
        .col(json("report"))
        .primary_key(Index::create().col("subject").col("subject_id"))
        .to_owned()
}

/// One row per look, for as long as the setting says.
fn health_checks() -> TableCreateStatement {
    Table::create()
        .table("health_checks")
        .col(text("subject"))
        .col(id("subject_id"))
        .col(time("checked_at"))
        .col(text("condition"))
        .col(number_or_null("latency_us"))
        .col(number_or_null("free_bytes"))
        .col(text_or_null("problem"))
        .primary_key(Index::create().col("subject").col("subject_id").col("checked_at"))
        .to_owned()
}
