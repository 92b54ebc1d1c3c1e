//! The tables, as rows. One file per table; the columns are those of the migrations.

#![allow(
    unreachable_pub,
    missing_docs,
    reason = "sea-orm's derive makes public items, and the migrations say what the columns are"
)]

pub(super) mod agent_certificates;
pub(super) mod agent_requests;
pub(super) mod agents;
pub(super) mod api_tokens;
pub(super) mod audit_days;
pub(super) mod audit_logs;
pub(super) mod authorities;
pub(super) mod backup_copies;
pub(super) mod backups;
pub(super) mod collection_holds;
pub(super) mod copy_checks;
pub(super) mod datasources;
pub(super) mod deleted_backups;
pub(super) mod execution_attempts;
pub(super) mod execution_events;
pub(super) mod execution_logs;
pub(super) mod executions;
pub(super) mod health;
pub(super) mod health_checks;
pub(super) mod idempotency;
pub(super) mod installation;
pub(super) mod installation_keys;
pub(super) mod job_storages;
pub(super) mod jobs;
pub(super) mod join_tokens;
pub(super) mod leases;
pub(super) mod manifests;
pub(super) mod notification_channels;
pub(super) mod notification_conditions;
pub(super) mod notification_deliveries;
pub(super) mod notification_rule_channels;
pub(super) mod notification_rules;
pub(super) mod notifications;
pub(super) mod object_checks;
pub(super) mod pack_copies;
pub(super) mod packs;
pub(super) mod recovery_codes;
pub(super) mod replicas;
pub(super) mod retention_due;
pub(super) mod role_bindings;
pub(super) mod roles;
pub(super) mod storages;
pub(super) mod user_sessions;
pub(super) mod users;
