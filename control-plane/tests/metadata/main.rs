//! The metadata database and the use cases over it: every scenario on SQLite and on PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on says so and ends"
)]

mod access;
mod agents;
mod attempts;
mod audit_chain;
mod catalogue;
mod claims;
mod cleanup;
mod comeback;
mod commits;
mod deletion;
mod downloads;
mod executions;
mod failing_channels;
mod health;
mod histories;
mod history;
mod identity;
mod invariants;
mod keys;
mod leadership;
mod limits;
mod logs;
mod notification_channels;
mod notifications;
mod outage;
mod overview;
mod queue;
mod races;
mod retention;
mod retention_histories;
mod reuse;
mod roles;
mod schedules;
mod schema;
mod secrecy;
mod simulated;
mod verification;
mod world;
