//! Times in schedules, as people read them.

use chrono_tz::Tz;
use dataguardian_proto::{convert, v1};
use prost_types::Timestamp;

use super::text;

/// A point in time by a zone's clocks: `2027-03-28 03:00:00 CEST`; by the reader's where the zone is unknown here.
pub(crate) fn in_zone(timestamp: Option<&Timestamp>, zone: &str) -> String {
    let time = timestamp.and_then(convert::time);
    match (time, zone.parse::<Tz>()) {
        (Some(time), Ok(zone)) => time
            .with_timezone(&zone)
            .format("%Y-%m-%d %H:%M:%S %Z")
            .to_string(),
        (Some(_), Err(_)) | (None, _) => text::time(timestamp),
    }
}

/// Times that an execution stands for: `12 times, 2027-01-15 08:00:00 to 2027-01-15 19:00:00, since …`.
pub(crate) fn gap(gap: &v1::ScheduleGap) -> String {
    let because = match gap.reason() {
        v1::SkipReason::Unspecified => "for an unknown reason".to_owned(),
        v1::SkipReason::Missed => "since the control plane or its queue was away".to_owned(),
        v1::SkipReason::Overlap => format!("since execution {} was not at its end", gap.blocked_by),
        v1::SkipReason::AgentLocked => "since the agent was locked".to_owned(),
        v1::SkipReason::AgentRevoked => "since the agent was revoked".to_owned(),
    };
    let times = text::counted(gap.count.into(), "time", "times");
    let first = text::time(gap.first.as_ref());
    match gap.count {
        1 => format!("{times}, {first}, {because}"),
        _ => format!("{times}, {first} to {}, {because}", text::time(gap.last.as_ref())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_by_the_clocks_of_the_zone() {
        let summer = Timestamp {
            seconds: 1_806_195_600,
            nanos: 0,
        };
        assert_eq!(
            in_zone(Some(&summer), "Europe/Berlin"),
            "2027-03-28 03:00:00 CEST"
        );
        assert_eq!(in_zone(Some(&summer), "UTC"), "2027-03-28 01:00:00 UTC");
    }
}
