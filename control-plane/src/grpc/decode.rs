//! Messages as records: everything that comes from outside is checked here or in the record's own `check`, and every bad
//! field is named, all of them at once.

use std::time::Duration;

use dataguardian_proto::convert;
use dataguardian_repository::id::KeyId;

use crate::domain::field::{BadField, Checks};

mod access;
mod datasource;
mod execution;
mod job;
mod mask;
mod notification;
mod report;
mod restore;
mod retention;
mod schedule;
mod storage;
mod verification;

pub(super) use access::{new_api_token, new_binding, role_change, user_change};
pub(super) use datasource::{datasource_change, new_datasource};
pub(super) use execution::{execution_filter, optional};
pub(super) use job::{job_change, new_job};
pub(super) use notification::{channel_change, delivery_state, new_channel, new_rule, rule_change};
pub(super) use report::{
    agent_facts, attempt_outcome, in_flight, log_lines, pack_standing, progress, slots, storage_failures,
    storage_id, stored_packs,
};
pub(super) use restore::new_restore;
pub(super) use retention::retention;
pub(super) use schedule::{Asked, next_fire_times};
pub(super) use storage::{new_storage, storage_change};
pub(super) use verification::new_verification;

/// Everything that is wrong with a request.
pub(super) type BadFields = Vec<BadField>;

/// The value of an enum's field; a number that this version does not know is a bad field.
fn known<E: TryFrom<i32>>(field: &str, number: i32) -> Result<E, BadField> {
    E::try_from(number).map_err(|_| BadField::new(field, format!("has the unknown value {number}")))
}

/// A length of time; `default` if absent.
pub(super) fn length(
    field: &'static str,
    given: Option<&prost_types::Duration>,
    default: Duration,
) -> Result<Duration, BadField> {
    given.map_or(Ok(default), |given| {
        convert::length(field, given).map_err(|bad| BadField::new(bad.field, bad.description))
    })
}

/// The revision that an etag stands for; none for an empty one.
pub(super) fn revision(etag: &str) -> Result<Option<i64>, BadField> {
    match etag {
        "" => Ok(None),
        etag => etag
            .parse()
            .map(Some)
            .map_err(|_| BadField::new("etag", "is no etag that this server has given")),
    }
}

/// The name of a key; none if it is empty.
pub(super) fn key_id(field: &'static str, text: &str) -> Result<Option<KeyId>, BadField> {
    match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| BadField::new(field, "must be 32 hexadecimal digits")),
    }
}

/// The text, or none if it is empty.
fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// What the checks let pass, or everything they found. A value that is missing without a bad field is our own mistake.
pub(super) fn checked<T>(checks: Checks, value: Option<T>) -> Result<T, BadFields> {
    checks.finish()?;
    value.ok_or_else(|| vec![BadField::new("", "could not be read")])
}

fn bad(error: convert::InvalidField) -> BadField {
    BadField::new(error.field, error.description)
}
