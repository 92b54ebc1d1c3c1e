//! How datasources and storages do, for people.

use std::time::Duration;

use dataguardian_proto::{convert, v1};

use super::findings;
use super::table::{Field, List, Look, Tone};
use super::text::{self, bytes};
use crate::values::condition_word;

const CHECKS: List<5> = List {
    titles: ["looked at", "condition", "latency", "free", "problem"],
    spare: &["latency", "free"],
    none: "Nobody has looked yet: looks are taken while an agent that reaches it is connected.",
};

/// The condition, in a word.
pub(crate) fn condition(health: Option<&v1::Health>) -> Field {
    shown(health.map_or(v1::Condition::Unknown, v1::Health::condition))
}

/// Rows for the table of one datasource or storage.
pub(crate) fn rows(health: Option<&v1::Health>) -> Vec<(&'static str, Field)> {
    let Some(health) = health else { return Vec::new() };
    let mut rows = vec![("Condition", condition(Some(health)))];
    if health.checked_at.is_some() {
        let time = |time: Option<&_>| Field::text(&text::time_and_distance(time));
        rows.push(("Condition since", time(health.since.as_ref())));
        rows.push(("Looked at", time(health.checked_at.as_ref())));
    }
    for (title, found) in [
        ("Server", &health.server_version),
        ("Client programs", &health.client_version),
    ] {
        if !found.is_empty() {
            rows.push((title, Field::text(found)));
        }
    }
    if let Some(latency) = latency(health.latency.as_ref()) {
        rows.push(("Latency", Field::text(&text::length(latency))));
    }
    if let Some(free) = health.free_bytes {
        rows.push(("Free", Field::text(&bytes(free))));
    }
    rows
}

/// What the last look found, each problem with its advice.
pub(crate) fn problems(health: Option<&v1::Health>) -> String {
    health.map_or_else(String::new, |health| findings::problems(&health.problems))
}

/// The looks at one, the newest first.
pub(crate) fn checks(checks: &[v1::HealthCheck], look: Look) -> String {
    let row = |check: &v1::HealthCheck| {
        [
            Field::text(&text::time(check.checked_at.as_ref())),
            shown(check.condition()),
            Field::number(latency(check.latency.as_ref()).map_or_else(|| text::NONE.into(), text::length)),
            Field::number(check.free_bytes.map_or_else(|| text::NONE.into(), bytes)),
            Field::text(&check.problem),
        ]
    };
    CHECKS.show(look, &checks.iter().map(row).collect::<Vec<_>>())
}

fn shown(condition: v1::Condition) -> Field {
    let tone = match condition {
        v1::Condition::Healthy => Tone::Good,
        v1::Condition::Degraded => Tone::Busy,
        v1::Condition::Unhealthy => Tone::Bad,
        v1::Condition::Unknown | v1::Condition::Unspecified => Tone::Quiet,
    };
    Field::text(&condition_word(condition)).toned(tone)
}

fn latency(latency: Option<&prost_types::Duration>) -> Option<Duration> {
    latency.and_then(|latency| convert::length("latency", latency).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::table::details;

    #[test]
    fn how_one_does_is_told_with_its_problems_and_its_history() {
        let health = v1::Health {
            condition: v1::Condition::Unhealthy.into(),
            problems: vec![v1::Failure {
                reason: "DATABASE_UNREACHABLE".into(),
                message: "127.0.0.1:5432: connection refused".into(),
                advice: "check that the server runs".into(),
            }],
            server_version: "16.4".into(),
            latency: Some(prost_types::Duration {
                seconds: 0,
                nanos: 1_500_000,
            }),
            ..Default::default()
        };
        let check = v1::HealthCheck {
            condition: v1::Condition::Degraded.into(),
            free_bytes: Some(3 << 30),
            ..Default::default()
        };
        insta::assert_snapshot!(
            details(Look::PLAIN, rows(Some(&health)))
                + &problems(Some(&health))
                + "\n"
                + &checks(&[check], Look::PLAIN)
        );
    }
}
