use chrono::{DateTime, Utc};
use dataguardian_proto::v1;

use super::BadFields;
use crate::domain::audit::AuditFilter;
use crate::domain::field::{BadField, Checks};
use crate::domain::text;

/// Which rows of the audit log are wanted.
pub(in crate::grpc) fn audit_filter(filter: Option<v1::AuditFilter>) -> Result<AuditFilter, BadFields> {
    let filter = filter.unwrap_or_default();
    let mut checks = Checks::new();
    let mut given = |field: &'static str, value: String| {
        checks.take(text::bounded(field, &value, text::MAX_TEXT));
        Some(value).filter(|value| !value.is_empty())
    };
    let (actor, method) = (
        given("filter.actor", filter.actor),
        given("filter.method", filter.method),
    );
    let (resource, outcome) = (
        given("filter.resource", filter.resource),
        given("filter.outcome", filter.outcome),
    );
    let since = checks.take(time("filter.since", filter.since.as_ref())).flatten();
    let until = checks.take(time("filter.until", filter.until.as_ref())).flatten();
    checks.finish()?;
    Ok(AuditFilter {
        actor,
        method,
        resource,
        outcome,
        since,
        until,
        number: Some(filter.number).filter(|number| *number > 0),
    })
}

fn time(
    field: &'static str,
    given: Option<&prost_types::Timestamp>,
) -> Result<Option<DateTime<Utc>>, BadField> {
    let Some(given) = given else { return Ok(None) };
    let nanos = u32::try_from(given.nanos).ok();
    let time = nanos.and_then(|nanos| DateTime::from_timestamp(given.seconds, nanos));
    match time {
        Some(time) => Ok(Some(text::kept_time(time))),
        None => Err(BadField::new(field, "is no point in time")),
    }
}
