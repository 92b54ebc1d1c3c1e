//! Schema migrations of the metadata database, for SQLite and PostgreSQL. The rules for a new one are in the README.

use sea_orm_migration::{MigrationTrait, async_trait};

pub use sea_orm_migration::MigratorTrait;

mod columns;
mod m20261124_000001_installation;
mod m20261124_000002_access;
mod m20261124_000003_agents;
mod m20261124_000004_catalogue;
mod m20261124_000005_executions;
mod m20261124_000006_backups;
mod m20261124_000008_s3_storages;
mod m20261124_000009_reuse;
mod m20261124_000010_deleting_backups;
mod m20261124_000011_verification;
mod m20261124_000012_installation_keys;
mod m20261130_000013_schedules;
mod m20261130_000014_retention;
mod m20261130_000015_queue;
mod m20261130_000017_health;
mod m20261130_000018_notifications;
mod m20261130_000019_host_connections;
mod m20261130_000020_agent_requests;
mod m20261201_000021_user_sessions;
mod m20261201_000022_roles;
mod m20261201_000023_audit_chain;
mod m20261201_000030_replicas;
mod m20261201_000031_replica_list;

/// All migrations, the oldest first.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_installation::Migration),
            Box::new(m20261124_000002_access::Migration),
            Box::new(m20261124_000003_agents::Migration),
            Box::new(m20261124_000004_catalogue::Migration),
            Box::new(m20261124_000005_executions::Migration),
            Box::new(m20261124_000006_backups::Migration),
            Box::new(m20261124_000008_s3_storages::Migration),
            Box::new(m20261124_000009_reuse::Migration),
            Box::new(m20261124_000010_deleting_backups::Migration),
            Box::new(m20261124_000011_verification::Migration),
            Box::new(m20261124_000012_installation_keys::Migration),
            Box::new(m20261130_000013_schedules::Migration),
            Box::new(m20261130_000014_retention::Migration),
            Box::new(m20261130_000015_queue::Migration),
            Box::new(m20261130_000017_health::Migration),
            Box::new(m20261130_000018_notifications::Migration),
            Box::new(m20261130_000019_host_connections::Migration),
            Box::new(m20261130_000020_agent_requests::Migration),
            Box::new(m20261201_000021_user_sessions::Migration),
            Box::new(m20261201_000022_roles::Migration),
            Box::new(m20261201_000023_audit_chain::Migration),
            Box::new(m20261201_000030_replicas::Migration),
            Box::new(m20261201_000031_replica_list::Migration),
        ]
    }
}
