//! Sign-ins of browsers, and a second factor for passwords.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{
    belongs, bytes, bytes_or_null, drop_tables, id, index, number_or_null, primary_id, text, text_or_null,
    time, time_or_null,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(user_sessions()).await?;
        manager.create_index(index("user_sessions", &["user_id"])).await?;
        manager
            .create_index(index("user_sessions", &["expires_at"]))
            .await?;
        manager.create_table(recovery_codes()).await?;
        manager
            .create_index(index("recovery_codes", &["user_id"]))
            .await?;
        for column in totp_columns() {
            add(manager, "users", column).await?;
        }
        for column in token_columns() {
            add(manager, "api_tokens", column).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in ["address", "user_agent", "last_used_at"] {
            drop_column(manager, "api_tokens", column).await?;
        }
        for column in ["totp_secret_sealed", "totp_confirmed_at", "totp_last_step"] {
            drop_column(manager, "users", column).await?;
        }
        drop_tables(manager, &["recovery_codes", "user_sessions"]).await
    }
}

/// One row per sign-in of a browser.
fn user_sessions() -> TableCreateStatement {
    Table::create()
        .table("user_sessions")
        .col(primary_id("id"))
        .col(id("user_id"))
        .col(bytes("secret_sha256"))
        .col(time("created_at"))
        .col(time("last_used_at"))
        .col(time("expires_at"))
        .col(text_or_null("address"))
        .col(text("user_agent"))
        .foreign_key(&mut belongs("user_sessions", "user_id", "users"))
        .to_owned()
}

/// One row per recovery code that was not used yet.
fn recovery_codes() -> TableCreateStatement {
    Table::create()
        .table("recovery_codes")
        .col(primary_id("id"))
        .col(id("user_id"))
        .col(bytes("code_sha256"))
        .foreign_key(&mut belongs("recovery_codes", "user_id", "users"))
        .to_owned()
}

/// The secret of a user's authenticator app, whether it counts, and the newest step whose code was used.
fn totp_columns() -> [ColumnDef; 3] {
    [
        bytes_or_null("totp_secret_sealed"),
        time_or_null("totp_confirmed_at"),
        number_or_null("totp_last_step"),
    ]
}

/// Where a token's sign-in came from, and when it was used.
fn token_columns() -> [ColumnDef; 3] {
    [
        text_or_null("address"),
        text_or_null("user_agent"),
        time_or_null("last_used_at"),
    ]
}

async fn add(manager: &SchemaManager<'_>, table: &'static str, column: ColumnDef) -> Result<(), DbErr> {
    manager
        .alter_table(Table::alter().table(table).add_column(column).to_owned())
        .await
}

async fn drop_column(
    manager: &SchemaManager<'_>,
    table: &'static str,
    column: &'static str,
) -> Result<(), DbErr> {
    manager
        .alter_table(Table::alter().table(table).drop_column(column).to_owned())
        .await
}
