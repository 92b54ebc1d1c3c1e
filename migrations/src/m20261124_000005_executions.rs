//! Executions: their attempts, events and logs.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table};

use crate::columns::{
    belongs, drop_tables, flag, holds, id, id_or_null, index, json, json_or_null, number, primary_id,
    remembers, small_number, small_number_or_null, text, text_or_null, time, time_or_null, unique,
};
use sea_orm_migration::prelude::{ColumnDef, Index, TableCreateStatement};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(executions()).await?;
        manager
            .create_index(index("executions", &["agent_id", "state"]))
            .await?;
        manager.create_index(index("executions", &["state"])).await?;
        manager
            .create_index(index("executions", &["datasource_id", "state"]))
            .await?;
        manager.create_index(index("executions", &["job_id"])).await?;
        manager.create_table(execution_attempts()).await?;
        manager.create_table(execution_events()).await?;
        manager
            .create_index(unique("execution_events", &["execution_id", "revision"]))
            .await?;
        manager.create_table(execution_logs()).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(
            manager,
            &[
                "execution_logs",
                "execution_events",
                "execution_attempts",
                "executions",
            ],
        )
        .await
    }
}

/// Names stand beside ids, so that the history reads well when job and datasource are gone.
fn executions() -> TableCreateStatement {
    Table::create()
        .table("executions")
        .col(primary_id("id"))
        .col(text("kind"))
        .col(text("state"))
        .col(small_number("attempt"))
        .col(id_or_null("lease_token"))
        .col(small_number_or_null("lease_attempt"))
        .col(time_or_null("leased_at"))
        .col(id_or_null("leased_backup_id"))
        .col(id_or_null("job_id"))
        .col(text_or_null("job_name"))
        .col(id_or_null("datasource_id"))
        .col(text("datasource_name"))
        .col(id("agent_id"))
        .col(text("agent_name"))
        .col(json("spec"))
        .col(time("created_at"))
        .col(time_or_null("started_at"))
        .col(time_or_null("ended_at"))
        .col(time_or_null("not_before"))
        .col(time_or_null("cancel_requested_at"))
        .col(text_or_null("failure_kind"))
        .col(text_or_null("failure_message"))
        .col(json_or_null("progress"))
        .col(time_or_null("progressed_at"))
        .col(json("missing_databases"))
        .col(json("warnings"))
        .col(json_or_null("restore_report"))
        .col(number("revision"))
        .foreign_key(&mut remembers("executions", "job_id", "jobs"))
        .foreign_key(&mut remembers("executions", "datasource_id", "datasources"))
        .foreign_key(&mut holds("executions", "agent_id", "agents"))
        .to_owned()
}

fn execution_attempts() -> TableCreateStatement {
    Table::create()
        .table("execution_attempts")
        .col(id("execution_id"))
        .col(small_number("number"))
        .col(id("lease_token"))
        .col(time("started_at"))
        .col(time_or_null("ended_at"))
        .col(text_or_null("failure_kind"))
        .col(text_or_null("failure_message"))
        .col(number("log_first_line"))
        .col(number("log_lines"))
        .col(number("log_bytes"))
        .primary_key(Index::create().col("execution_id").col("number"))
        .foreign_key(&mut belongs("execution_attempts", "execution_id", "executions"))
        .to_owned()
}

/// One row for each change of state, written in its transaction.
fn execution_events() -> TableCreateStatement {
    Table::create()
        .table("execution_events")
        .col(
            ColumnDef::new("id")
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(id("execution_id"))
        .col(number("revision"))
        .col(text("event"))
        .col(text("from_state"))
        .col(text("to_state"))
        .col(small_number("attempt"))
        .col(id_or_null("lease_token"))
        .col(text_or_null("failure_kind"))
        .col(time("at"))
        .foreign_key(&mut belongs("execution_events", "execution_id", "executions"))
        .to_owned()
}

/// Batches of lines. `lines` is JSON in a text, since a line may hold what JSON columns refuse.
fn execution_logs() -> TableCreateStatement {
    Table::create()
        .table("execution_logs")
        .col(id("execution_id"))
        .col(number("first_line"))
        .col(small_number("attempt"))
        .col(small_number("line_count"))
        .col(number("bytes"))
        .col(flag("tail"))
        .col(text("lines"))
        .primary_key(Index::create().col("execution_id").col("first_line"))
        .foreign_key(&mut belongs("execution_logs", "execution_id", "executions"))
        .to_owned()
}
