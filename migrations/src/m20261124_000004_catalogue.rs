//! The catalogue: datasources, storages, jobs.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table};

use crate::columns::{
    belongs, bytes_or_null, drop_tables, flag, holds, id, id_or_null, index, json, number, primary_id,
    small_number, small_number_or_null, text, text_or_null, time, unique,
};
use sea_orm_migration::prelude::{Index, TableCreateStatement};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(datasources()).await?;
        manager.create_index(unique("datasources", &["name"])).await?;
        manager.create_index(index("datasources", &["agent_id"])).await?;
        manager.create_table(storages()).await?;
        manager.create_index(unique("storages", &["name"])).await?;
        manager.create_index(index("storages", &["agent_id"])).await?;
        manager
            .create_index(unique("storages", &["repository_id"]))
            .await?;
        manager.create_table(jobs()).await?;
        manager.create_index(unique("jobs", &["name"])).await?;
        manager.create_index(index("jobs", &["datasource_id"])).await?;
        manager.create_table(job_storages()).await?;
        manager
            .create_index(index("job_storages", &["storage_id"]))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["job_storages", "jobs", "storages", "datasources"]).await
    }
}

fn datasources() -> TableCreateStatement {
    Table::create()
        .table("datasources")
        .col(primary_id("id"))
        .col(text("name"))
        .col(text("engine"))
        .col(id("agent_id"))
        .col(text("host"))
        .col(small_number("port"))
        .col(text("username"))
        .col(bytes_or_null("password_sealed"))
        .col(text("tls_mode"))
        .col(text_or_null("tls_ca_file"))
        .col(json("databases"))
        .col(text_or_null("maintenance_database"))
        .col(time("created_at"))
        .col(time("updated_at"))
        .col(number("revision"))
        .foreign_key(&mut holds("datasources", "agent_id", "agents"))
        .to_owned()
}

fn storages() -> TableCreateStatement {
    Table::create()
        .table("storages")
        .col(primary_id("id"))
        .col(text("name"))
        .col(text("kind"))
        .col(id_or_null("agent_id"))
        .col(text_or_null("path"))
        .col(id("repository_id"))
        .col(flag("conditional_put"))
        .col(small_number_or_null("max_concurrent"))
        .col(time("created_at"))
        .col(number("revision"))
        .foreign_key(&mut holds("storages", "agent_id", "agents"))
        .to_owned()
}

fn jobs() -> TableCreateStatement {
    Table::create()
        .table("jobs")
        .col(primary_id("id"))
        .col(text("name"))
        .col(id("datasource_id"))
        .col(text("strategy"))
        .col(json("options"))
        .col(time("created_at"))
        .col(time("updated_at"))
        .col(number("revision"))
        .foreign_key(&mut holds("jobs", "datasource_id", "datasources"))
        .to_owned()
}

fn job_storages() -> TableCreateStatement {
    Table::create()
        .table("job_storages")
        .col(id("job_id"))
        .col(small_number("position"))
        .col(id("storage_id"))
        .primary_key(Index::create().col("job_id").col("position"))
        .foreign_key(&mut belongs("job_storages", "job_id", "jobs"))
        .foreign_key(&mut holds("job_storages", "storage_id", "storages"))
        .to_owned()
}
