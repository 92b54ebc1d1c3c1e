//! Records as messages. Nothing here can fail, and nothing secret is in a record that comes here.

use chrono::TimeDelta;

mod access;
mod agent;
mod audit;
mod backup;
mod datasource;
mod execution;
mod health;
mod job;
mod notification;
mod retention;
mod schedule;
mod storage;
mod user;
mod verification;
mod worker;

pub(super) use access::{account, api_token, binding, permissions, role};
pub(super) use agent::agent;
pub(super) use audit::{audit_check, audit_log};
pub(super) use backup::backup;
pub(super) use datasource::datasource;
pub(super) use execution::{execution, log_line};
pub(super) use health::{health, health_check};
pub(super) use job::job;
pub(super) use notification::{channel, rule, told};
pub(super) use retention::preview;
pub(super) use schedule::fire_time;
pub(super) use storage::storage;
pub(super) use user::{failed_sign_ins, session, user};
pub(super) use verification::notice;
pub(super) use worker::{queue, worker};

/// A length of time that may be negative.
pub(super) fn length(delta: TimeDelta) -> prost_types::Duration {
    signed_duration(delta)
}

fn signed_duration(delta: TimeDelta) -> prost_types::Duration {
    prost_types::Duration {
        seconds: delta.num_seconds(),
        nanos: delta.subsec_nanos(),
    }
}

/// The etag that stands for a revision.
fn etag(revision: i64) -> String {
    revision.to_string()
}
