//! Access: users, their API tokens, the audit log, repeated requests.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table};

use crate::columns::{
    belongs, bytes, drop_tables, id, id_or_null, index, primary_id, text, text_or_null, time, unique,
};
use sea_orm_migration::prelude::{ColumnDef, Index, TableCreateStatement};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(users()).await?;
        manager.create_index(unique("users", &["username"])).await?;
        manager.create_table(api_tokens()).await?;
        manager.create_index(index("api_tokens", &["user_id"])).await?;
        manager.create_index(index("api_tokens", &["expires_at"])).await?;
        manager.create_table(audit_logs()).await?;
        manager.create_index(index("audit_logs", &["at"])).await?;
        manager.create_table(idempotency()).await?;
        manager
            .create_index(index("idempotency", &["created_at"]))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["idempotency", "audit_logs", "api_tokens", "users"]).await
    }
}

fn users() -> TableCreateStatement {
    Table::create()
        .table("users")
        .col(primary_id("id"))
        .col(text("username"))
        .col(text("password_hash"))
        .col(time("created_at"))
        .to_owned()
}

fn api_tokens() -> TableCreateStatement {
    Table::create()
        .table("api_tokens")
        .col(primary_id("id"))
        .col(id("user_id"))
        .col(bytes("secret_sha256"))
        .col(time("created_at"))
        .col(time("expires_at"))
        .foreign_key(&mut belongs("api_tokens", "user_id", "users"))
        .to_owned()
}

/// The actor's id is no foreign key: the log outlives whom it speaks of.
fn audit_logs() -> TableCreateStatement {
    Table::create()
        .table("audit_logs")
        .col(
            ColumnDef::new("id")
                .big_integer()
                .not_null()
                .auto_increment()
                .primary_key(),
        )
        .col(time("at"))
        .col(text("actor_kind"))
        .col(id_or_null("actor_id"))
        .col(text("actor_name"))
        .col(text("method"))
        .col(text("resource"))
        .col(text("outcome"))
        .col(text_or_null("remote"))
        .to_owned()
}

fn idempotency() -> TableCreateStatement {
    Table::create()
        .table("idempotency")
        .col(id("request_id"))
        .col(text("kind"))
        .col(bytes("request_sha256"))
        .col(id("resource_id"))
        .col(time("created_at"))
        .primary_key(Index::create().col("request_id").col("kind"))
        .to_owned()
}
