//! Table `datasources`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "datasources")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub engine: String,
    pub agent_id: Uuid,
    pub host: String,
    pub port: i32,
    pub username: String,
    pub password_sealed: Option<Vec<u8>>,
    pub tls_mode: String,
    pub tls_ca_file: Option<String>,
    #[sea_orm(column_type = "JsonBinary")]
    pub databases: Json,
    pub maintenance_database: Option<String>,
    pub credential_ref: Option<String>,
    pub service: Option<String>,
    pub verified_within_s: Option<i64>,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    pub revision: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
