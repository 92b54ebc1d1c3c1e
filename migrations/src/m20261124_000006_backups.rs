//! Backups: their manifests, their copies, the packs they are made of.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table};

use crate::columns::{
    belongs, bytes, drop_tables, flag, holds, id, id_or_null, index, json, number, primary_id, remembers,
    small_number, text, text_or_null, time, time_or_null, unique,
};
use sea_orm_migration::prelude::{Index, TableCreateStatement};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(backups()).await?;
        manager.create_index(unique("backups", &["execution_id"])).await?;
        manager
            .create_index(index("backups", &["datasource_id", "id"]))
            .await?;
        manager.create_index(index("backups", &["job_id", "id"])).await?;
        manager.create_table(manifests()).await?;
        manager.create_table(backup_copies()).await?;
        manager
            .create_index(index("backup_copies", &["storage_id"]))
            .await?;
        manager.create_table(packs()).await?;
        manager
            .create_index(index("packs", &["datasource_id", "state"]))
            .await?;
        manager.create_table(pack_copies()).await?;
        manager
            .create_index(index("pack_copies", &["storage_id"]))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &["pack_copies", "packs", "backup_copies", "manifests", "backups"],
        )
        .await
    }
}

/// `completed_at` is null until the commit is confirmed; until then the backup does not exist for anybody.
fn backups() -> TableCreateStatement {
    Table::create()
        .table("backups")
        .col(primary_id("id"))
        .col(id("execution_id"))
        .col(id_or_null("job_id"))
        .col(text_or_null("job_name"))
        .col(id("datasource_id"))
        .col(text("datasource_name"))
        .col(id("agent_id"))
        .col(text("engine"))
        .col(text("server_version"))
        .col(time("started_at"))
        .col(time("ended_at"))
        .col(time_or_null("completed_at"))
        .col(json("databases"))
        .col(number("raw_bytes"))
        .col(number("stored_bytes"))
        .col(number("row_count"))
        .col(small_number("tables"))
        .col(small_number("packs"))
        .col(flag("encrypted"))
        .col(json("warnings"))
        .col(json("missing_databases"))
        .foreign_key(&mut holds("backups", "execution_id", "executions"))
        .foreign_key(&mut remembers("backups", "job_id", "jobs"))
        .foreign_key(&mut holds("backups", "datasource_id", "datasources"))
        .foreign_key(&mut holds("backups", "agent_id", "agents"))
        .to_owned()
}

/// Apart from the backups, since a payload can have megabytes and is read seldom. `refused_since` is when a commit was first
/// told that no storage takes the manifest.
fn manifests() -> TableCreateStatement {
    Table::create()
        .table("manifests")
        .col(primary_id("backup_id"))
        .col(bytes("payload"))
        .col(bytes("agent_signature"))
        .col(bytes("agent_public_key"))
        .col(bytes("control_plane_signature"))
        .col(bytes("control_plane_public_key"))
        .col(time("stored_at"))
        .col(time_or_null("refused_since"))
        .foreign_key(&mut belongs("manifests", "backup_id", "backups"))
        .to_owned()
}

fn backup_copies() -> TableCreateStatement {
    Table::create()
        .table("backup_copies")
        .col(id("backup_id"))
        .col(id("storage_id"))
        .col(small_number("position"))
        .col(text("checked_by"))
        .col(time_or_null("completed_at"))
        .col(text_or_null("failure_kind"))
        .col(text_or_null("failure_message"))
        .primary_key(Index::create().col("backup_id").col("storage_id"))
        .foreign_key(&mut belongs("backup_copies", "backup_id", "backups"))
        .foreign_key(&mut holds("backup_copies", "storage_id", "storages"))
        .to_owned()
}

/// One row per pack of about 16 MiB, never one per chunk; and one per list that is on its way out. `execution_id` is null for
/// what nobody reported and a look into a storage found.
fn packs() -> TableCreateStatement {
    Table::create()
        .table("packs")
        .col(bytes("id").primary_key())
        .col(id("datasource_id"))
        .col(text("kind"))
        .col(id_or_null("execution_id"))
        .col(small_number("attempt"))
        .col(text("state"))
        .col(time("state_since"))
        .col(number("stored_bytes"))
        .col(number("raw_bytes"))
        .col(small_number("chunks"))
        .col(time("created_at"))
        .foreign_key(&mut belongs("packs", "datasource_id", "datasources"))
        .to_owned()
}

fn pack_copies() -> TableCreateStatement {
    Table::create()
        .table("pack_copies")
        .col(bytes("pack_id"))
        .col(id("storage_id"))
        .col(time("created_at"))
        .primary_key(Index::create().col("pack_id").col("storage_id"))
        .foreign_key(&mut belongs("pack_copies", "pack_id", "packs"))
        .foreign_key(&mut belongs("pack_copies", "storage_id", "storages"))
        .to_owned()
}
