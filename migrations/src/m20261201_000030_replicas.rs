//! Several replicas: which of them does what only one may do, and which has an agent's session.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table, TableCreateStatement,
};

use crate::columns::{drop_tables, id_or_null, number};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(leases()).await?;
        let alter = Table::alter()
            .table("agents")
            .add_column(id_or_null("session_replica"))
            .to_owned();
        manager.alter_table(alter).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let alter = Table::alter()
            .table("agents")
            .drop_column("session_replica")
            .to_owned();
        manager.alter_table(alter).await?;
        drop_tables(manager, &["leases"]).await
    }
}

/// One row per duty. `beat` grows with each renewal: whoever waits sees by it that the holder lives, and compares no clocks.
fn leases() -> TableCreateStatement {
    Table::create()
        .table("leases")
        .col(ColumnDef::new("duty").text().not_null().primary_key())
        .col(id_or_null("holder"))
        .col(number("term"))
        .col(number("beat"))
        .to_owned()
}
