//! Schedules of jobs, and which execution stands for which time in one.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table,
};

use crate::columns::{id_or_null, index, json_or_null, time_or_null, unique};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// SQLite adds one column at a time. `next_scheduled_for` is the time in the schedule, `next_fire_at` the same with the jitter.
fn columns() -> [(&'static str, ColumnDef); 7] {
    [
        ("jobs", json_or_null("schedule")),
        ("jobs", time_or_null("paused_at")),
        ("jobs", time_or_null("next_scheduled_for")),
        ("jobs", time_or_null("next_fire_at")),
        ("jobs", id_or_null("last_scheduled_id")),
        ("executions", time_or_null("scheduled_for")),
        ("executions", json_or_null("schedule_gap")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        manager.create_index(index("jobs", &["next_fire_at"])).await?;
        // Two replicas at once: one of them finds that the time is taken.
        manager
            .create_index(unique("executions", &["job_id", "scheduled_for"]))
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table) in [
            ("idx_executions_job_id_scheduled_for", "executions"),
            ("idx_jobs_next_fire_at", "jobs"),
        ] {
            let drop = Index::drop().name(name).table(table).to_owned();
            manager.drop_index(drop).await?;
        }
        for (table, name) in [
            ("executions", "schedule_gap"),
            ("executions", "scheduled_for"),
            ("jobs", "last_scheduled_id"),
            ("jobs", "next_fire_at"),
            ("jobs", "next_scheduled_for"),
            ("jobs", "paused_at"),
            ("jobs", "schedule"),
        ] {
            let alter = Table::alter().table(table).drop_column(name).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
