//! Agents: join tokens, agents, their certificates.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table};

use crate::columns::{
    belongs, bytes, bytes_or_null, drop_tables, id, id_or_null, index, json, number, number_or_null,
    primary_id, remembers, small_number, small_number_or_null, text, text_or_null, time, time_or_null,
    unique,
};
use sea_orm_migration::prelude::{Index, TableCreateStatement};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(agents()).await?;
        manager.create_index(unique("agents", &["name"])).await?;
        manager.create_table(join_tokens()).await?;
        manager
            .create_index(index("join_tokens", &["expires_at"]))
            .await?;
        manager.create_table(agent_certificates()).await?;
        manager
            .create_index(index("agent_certificates", &["agent_id", "generation"]))
            .await?;
        manager
            .create_index(index("agent_certificates", &["issuer", "not_after"]))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["agent_certificates", "join_tokens", "agents"]).await
    }
}

fn agents() -> TableCreateStatement {
    Table::create()
        .table("agents")
        .col(primary_id("id"))
        .col(text("name"))
        .col(text("state"))
        .col(bytes("signing_public_key"))
        .col(text("version"))
        .col(text("hostname"))
        .col(text("operating_system"))
        .col(small_number_or_null("slots"))
        .col(json("clients"))
        .col(time("enrolled_at"))
        .col(time_or_null("last_seen_at"))
        .col(number_or_null("clock_skew_microseconds"))
        .col(number("session_epoch"))
        .col(small_number("certificate_floor"))
        .col(small_number("certificate_generation_seen"))
        .col(text_or_null("certificate_serial_seen"))
        .col(time_or_null("certificate_seen_at"))
        .col(time_or_null("certificate_expires_at"))
        .col(time_or_null("recovery_asked_at"))
        .col(time_or_null("recovery_until"))
        .col(json("boots"))
        .col(text_or_null("alert"))
        .col(time_or_null("alert_at"))
        .col(text_or_null("alert_from"))
        .to_owned()
}

fn join_tokens() -> TableCreateStatement {
    Table::create()
        .table("join_tokens")
        .col(primary_id("id"))
        .col(bytes("secret_sha256"))
        .col(text_or_null("name"))
        .col(id_or_null("for_agent_id"))
        .col(time("created_at"))
        .col(time("expires_at"))
        .col(time_or_null("consumed_at"))
        .col(id_or_null("agent_id"))
        .col(bytes_or_null("public_key_sha256"))
        .foreign_key(&mut remembers("join_tokens", "agent_id", "agents"))
        .foreign_key(&mut belongs("join_tokens", "for_agent_id", "agents"))
        .to_owned()
}

fn agent_certificates() -> TableCreateStatement {
    Table::create()
        .table("agent_certificates")
        .col(bytes("fingerprint"))
        .col(id("agent_id"))
        .col(text("serial"))
        .col(small_number("generation"))
        .col(bytes("public_key_sha256"))
        .col(text("issuer"))
        .col(time("issued_at"))
        .col(time("not_after"))
        .primary_key(Index::create().col("serial"))
        .foreign_key(&mut belongs("agent_certificates", "agent_id", "agents"))
        .to_owned()
}
