//! Who is told what: channels, rules, troubles that last, what was told, and what became of it in each channel.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{
    belongs, bytes, drop_tables, flag, holds, id, id_or_null, index, json, number, number_or_null,
    primary_id, small_number, text, text_or_null, time, time_or_null, unique,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// SQLite adds one column at a time. `expected_since` is when a job's schedule last began to count.
fn columns() -> [(&'static str, ColumnDef); 2] {
    [
        ("jobs", time_or_null("expected_since")),
        ("datasources", number_or_null("verified_within_s")),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        // The newest execution of each job in a state, without a look at all the others.
        manager
            .create_index(index("executions", &["job_id", "state", "created_at"]))
            .await?;
        for table in [
            channels(),
            rules(),
            rule_channels(),
            conditions(),
            notifications(),
            deliveries(),
        ] {
            manager.create_table(table).await?;
        }
        for index in [
            unique("notification_channels", &["name"]),
            unique("notification_rules", &["name"]),
            index("notification_rule_channels", &["channel_id"]),
            unique("notifications", &["dedup_key"]),
            index("notifications", &["created_at"]),
            unique("notification_deliveries", &["notification_id", "channel_id"]),
            index("notification_deliveries", &["channel_id"]),
            index("notification_deliveries", &["state", "next_attempt_at"]),
        ] {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables = [
            "notification_deliveries",
            "notifications",
            "notification_conditions",
            "notification_rule_channels",
            "notification_rules",
            "notification_channels",
        ];
        drop_tables(manager, &tables).await?;
        let drop = Index::drop()
            .name("idx_executions_job_id_state_created_at")
            .table("executions")
            .to_owned();
        manager.drop_index(drop).await?;
        for (table, name) in [("datasources", "verified_within_s"), ("jobs", "expected_since")] {
            let alter = Table::alter().table(table).drop_column(name).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}

/// `next_ping_at` is for pings alone.
fn channels() -> TableCreateStatement {
    Table::create()
        .table("notification_channels")
        .col(primary_id("id"))
        .col(text("name"))
        .col(json("target"))
        .col(bytes("secrets_sealed"))
        .col(flag("disabled"))
        .col(time_or_null("delivered_at"))
        .col(time_or_null("failed_at"))
        .col(text_or_null("failure"))
        .col(time_or_null("next_ping_at"))
        .col(time("created_at"))
        .col(time("updated_at"))
        .col(number("revision"))
        .to_owned()
}

/// A rule for a datasource or job goes with it.
fn rules() -> TableCreateStatement {
    Table::create()
        .table("notification_rules")
        .col(primary_id("id"))
        .col(text("name"))
        .col(text("min_severity"))
        .col(json("events"))
        .col(id_or_null("datasource_id"))
        .col(id_or_null("job_id"))
        .col(flag("all_channels"))
        .col(time("created_at"))
        .col(time("updated_at"))
        .col(number("revision"))
        .foreign_key(&mut belongs("notification_rules", "datasource_id", "datasources"))
        .foreign_key(&mut belongs("notification_rules", "job_id", "jobs"))
        .to_owned()
}

/// A channel that a rule names can't be deleted: the rule would say something else without it.
fn rule_channels() -> TableCreateStatement {
    let table = "notification_rule_channels";
    Table::create()
        .table(table)
        .col(id("rule_id"))
        .col(id("channel_id"))
        .primary_key(Index::create().col("rule_id").col("channel_id"))
        .foreign_key(&mut belongs(table, "rule_id", "notification_rules"))
        .foreign_key(&mut holds(table, "channel_id", "notification_channels"))
        .to_owned()
}

/// One row per trouble that lasts; it goes when that is over.
fn conditions() -> TableCreateStatement {
    Table::create()
        .table("notification_conditions")
        .col(ColumnDef::new("key").text().not_null().primary_key().take())
        .col(text("kind"))
        .col(json("about"))
        .col(text("summary"))
        .col(time("since"))
        .col(time("began_at"))
        .col(time("told_at"))
        .col(time("seen_at"))
        .to_owned()
}

fn notifications() -> TableCreateStatement {
    Table::create()
        .table("notifications")
        .col(primary_id("id"))
        .col(text("dedup_key"))
        .col(text("kind"))
        .col(text("phase"))
        .col(json("about"))
        .col(text("summary"))
        .col(text("details"))
        .col(time("created_at"))
        .col(time("since"))
        .to_owned()
}

/// One row per notification and channel, made with the notification.
fn deliveries() -> TableCreateStatement {
    let table = "notification_deliveries";
    Table::create()
        .table(table)
        .col(primary_id("id"))
        .col(id("notification_id"))
        .col(id("channel_id"))
        .col(text("state"))
        .col(small_number("attempts"))
        .col(time("next_attempt_at"))
        .col(time_or_null("claimed_until"))
        .col(time("created_at"))
        .col(time_or_null("delivered_at"))
        .col(text_or_null("failure"))
        .foreign_key(&mut belongs(table, "notification_id", "notifications"))
        .foreign_key(&mut belongs(table, "channel_id", "notification_channels"))
        .to_owned()
}
