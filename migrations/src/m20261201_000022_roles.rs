//! Roles and who has them. Whoever was a user before has been allowed everything, and is an administrator from here on.

use sea_orm_migration::async_trait;
use sea_orm_migration::prelude::{
    ColumnDef, DbErr, DeriveMigrationName, Expr, ForeignKeyCreateStatement, MigrationTrait, Query,
    SchemaManager, Table, TableCreateStatement,
};
use sea_orm_migration::sea_orm::prelude::Uuid;

use crate::columns::{
    belongs, drop_tables, flag, holds, id, id_or_null, index, number, primary_id, text, text_or_null, time,
    time_or_null, unique,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The roles that are there from the beginning, with their ids and what they may do.
const SEEDED: [(u128, &str, &str, &str); 4] = [
    (1, "admin", "Everything", r#"["*"]"#),
    (
        2,
        "operator",
        "Sets backups up and keeps them going; deletes none and reads no data",
        OPERATOR,
    ),
    (3, "restorer", "Looks, verifies, downloads and restores", RESTORER),
    (4, "viewer", "Looks", VIEWER),
];

const OPERATOR: &str = r#"["agents.approve_recovery","agents.clear_alert","agents.create","agents.get","agents.list",
"agents.lock","agents.unlock","backups.copy","backups.get","backups.list","backups.pin","backups.verify",
"datasources.create","datasources.get","datasources.list","datasources.test","datasources.update",
"executions.cancel","executions.get","executions.list","executions.logs","executions.retry",
"jobs.create","jobs.get","jobs.list","jobs.pause","jobs.resume","jobs.run","jobs.update",
"notifications.create","notifications.delete","notifications.get","notifications.list","notifications.test",
"notifications.update","storages.create","storages.get","storages.import","storages.list","storages.test",
"storages.update","system.cleanup","system.get"]"#;

const RESTORER: &str = r#"["agents.get","agents.list","backups.download","backups.get","backups.list","backups.pin",
"backups.verify","datasources.get","datasources.list","datasources.test","executions.cancel","executions.get",
"executions.list","executions.logs","jobs.get","jobs.list","restores.start","storages.get","storages.list",
"storages.test","system.get"]"#;

const VIEWER: &str = r#"["agents.get","agents.list","backups.get","backups.list","datasources.get","datasources.list",
"executions.get","executions.list","executions.logs","jobs.get","jobs.list","notifications.get","notifications.list",
"storages.get","storages.list","system.get"]"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(roles()).await?;
        manager.create_index(unique("roles", &["name"])).await?;
        manager.create_table(role_bindings()).await?;
        for column in ["user_id", "api_token_id", "role_id"] {
            manager.create_index(index("role_bindings", &[column])).await?;
        }
        add(manager, "users", time_or_null("locked_at")).await?;
        add(manager, "api_tokens", text_or_null("name")).await?;
        seed(manager).await?;
        bind_all_users(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in [("api_tokens", "name"), ("users", "locked_at")] {
            let alter = Table::alter().table(table).drop_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        drop_tables(manager, &["role_bindings", "roles"]).await
    }
}

fn roles() -> TableCreateStatement {
    Table::create()
        .table("roles")
        .col(primary_id("id"))
        .col(text("name"))
        .col(text("description"))
        .col(text("permissions"))
        .col(flag("seeded"))
        .col(number("revision"))
        .to_owned()
}

/// Of a user or of an API token. What a binding is scoped to may be gone: then it gives nothing.
fn role_bindings() -> TableCreateStatement {
    Table::create()
        .table("role_bindings")
        .col(primary_id("id"))
        .col(id("role_id"))
        .col(id_or_null("user_id"))
        .col(id_or_null("api_token_id"))
        .col(text_or_null("scope_kind"))
        .col(id_or_null("scope_id"))
        .col(time("created_at"))
        .foreign_key(&mut role())
        .foreign_key(&mut belongs("role_bindings", "user_id", "users"))
        .foreign_key(&mut belongs("role_bindings", "api_token_id", "api_tokens"))
        .to_owned()
}

fn role() -> ForeignKeyCreateStatement {
    holds("role_bindings", "role_id", "roles")
}

async fn add(manager: &SchemaManager<'_>, table: &'static str, column: ColumnDef) -> Result<(), DbErr> {
    let alter = Table::alter().table(table).add_column(column).to_owned();
    manager.alter_table(alter).await
}

async fn seed(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut insert = Query::insert();
    insert
        .into_table("roles")
        .columns(["id", "name", "description", "permissions", "seeded", "revision"]);
    for (id, name, description, permissions) in SEEDED {
        let permissions = permissions.replace('\n', "");
        insert.values_panic([
            Uuid::from_u128(id).into(),
            name.into(),
            description.into(),
            permissions.into(),
            true.into(),
            1_i64.into(),
        ]);
    }
    manager.execute(insert).await
}

/// A binding's id is any: here it is its user's.
async fn bind_all_users(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let users = Query::select()
        .column("id")
        .expr(Expr::value(Uuid::from_u128(1)))
        .column("id")
        .column("created_at")
        .from("users")
        .to_owned();
    let mut insert = Query::insert();
    insert
        .into_table("role_bindings")
        .columns(["id", "role_id", "user_id", "created_at"])
        .select_from(users)
        .map_err(|error| DbErr::Custom(error.to_string()))?;
    manager.execute(insert).await
}
