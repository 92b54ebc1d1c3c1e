use dataguardian_proto::convert::{duration, timestamp};
use dataguardian_proto::v1;

use crate::domain::health::{Check, Condition};
use crate::services::health::Shown;

/// How a datasource or storage does.
pub(in crate::grpc) fn health(shown: Shown) -> v1::Health {
    let condition = condition(shown.condition).into();
    let Some(record) = shown.record else {
        return v1::Health {
            condition,
            ..v1::Health::default()
        };
    };
    let report = record.report;
    v1::Health {
        condition,
        since: Some(timestamp(record.since)),
        checked_at: Some(timestamp(record.checked_at)),
        problems: report.problems.iter().map(Into::into).collect(),
        latency: report.latency.map(duration),
        server_version: report.server_version.unwrap_or_default(),
        client_version: report.client_version.unwrap_or_default(),
        free_bytes: report.free_bytes,
        conditional_put: report.conditional_put,
    }
}

/// One look.
pub(in crate::grpc) fn health_check(check: Check) -> v1::HealthCheck {
    v1::HealthCheck {
        checked_at: Some(timestamp(check.checked_at)),
        condition: condition(check.condition).into(),
        latency: check.latency.map(duration),
        free_bytes: check.free_bytes,
        problem: check.problem.unwrap_or_default(),
    }
}

const fn condition(condition: Condition) -> v1::Condition {
    match condition {
        Condition::Unknown => v1::Condition::Unknown,
        Condition::Healthy => v1::Condition::Healthy,
        Condition::Degraded => v1::Condition::Degraded,
        Condition::Unhealthy => v1::Condition::Unhealthy,
    }
}
