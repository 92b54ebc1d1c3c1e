//! The audit log, chained row by row and sealed day by day.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{
    bytes, bytes_or_null, drop_tables, index, number, number_or_null, text_or_null, time_or_null, unique,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const COLUMNS: [&str; 4] = ["request", "link", "day", "hash"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let [request, link, day, hash] = COLUMNS;
        for column in [
            text_or_null(request),
            number_or_null(link),
            text_or_null(day),
            bytes_or_null(hash),
        ] {
            let alter = Table::alter().table("audit_logs").add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        manager.create_index(unique("audit_logs", &["link"])).await?;
        manager.create_index(index("audit_logs", &["day"])).await?;
        manager.create_table(audit_days()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["audit_days"]).await?;
        for columns in ["link", "day"] {
            let index = sea_orm_migration::prelude::Index::drop()
                .name(format!("idx_audit_logs_{columns}"))
                .table("audit_logs")
                .to_owned();
            manager.drop_index(index).await?;
        }
        for column in COLUMNS {
            let alter = Table::alter().table("audit_logs").drop_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}

/// One row per day on which rows were chained: where its part of the chain begins and ends, and once it is over, its seal. The
/// last one is where the chain goes on.
fn audit_days() -> TableCreateStatement {
    Table::create()
        .table("audit_days")
        .col(ColumnDef::new("day").text().not_null().primary_key())
        .col(number("first_link"))
        .col(number("last_link"))
        .col(bytes("last_hash"))
        .col(bytes_or_null("seal"))
        .col(time_or_null("forgotten_at"))
        .col(bytes_or_null("forgotten_seal"))
        .to_owned()
}
