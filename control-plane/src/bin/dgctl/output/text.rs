//! Numbers, sizes, times and foreign text, for people.

use std::fmt::Display;
use std::time::Duration;

use chrono::{DateTime, Local, TimeZone, Utc};
use dataguardian_core::clock::{Clock as _, SystemClock};
use dataguardian_core::size::ByteSize;
use dataguardian_proto::convert;
use prost_types::Timestamp;

/// What stands where there is nothing to say.
pub(crate) const NONE: &str = "-";

/// Text from elsewhere, with its control characters made visible: what a database or a host calls itself must not steer
/// the terminal.
pub(crate) fn printable(text: &str) -> String {
    let shown = |character: char| match character {
        '\n' | '\t' => character.to_string(),
        control if control.is_control() => control.escape_default().to_string(),
        // Marks that turn the direction of writing can make a line read as another one.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => character.escape_unicode().to_string(),
        plain => plain.to_string(),
    };
    text.chars().map(shown).collect()
}

/// The same, on one line, and `-` if there is none.
pub(crate) fn cell(text: &str) -> String {
    match text {
        "" => NONE.to_owned(),
        text => printable(text).replace(['\n', '\t'], " "),
    }
}

/// `1.5 GiB`.
pub(crate) fn bytes(number: u64) -> String {
    ByteSize::bytes(number).to_string()
}

/// `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    groups.join(",")
}

/// `1 row`, `2 rows`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// `0.4 ms`, `850 ms`, `12.3 s`, `5 min 07 s`, `2 h 05 min`, `3 d 04 h`.
pub(crate) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration < Duration::from_millis(10) => format!("{:.1} ms", duration.as_secs_f64() * 1000.0),
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{:.1} s", duration.as_secs_f64()),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// The time between two points; up to now if the second is missing; none if the first is.
pub(crate) fn between(from: Option<&Timestamp>, to: Option<&Timestamp>) -> Option<Duration> {
    let from = convert::time(from?)?;
    let to = to.and_then(convert::time).unwrap_or_else(now);
    (to - from).to_std().ok()
}

/// A point in time on the reader's clock: `2026-11-24 03:18:22`.
pub(crate) fn time(timestamp: Option<&Timestamp>) -> String {
    local(timestamp).map_or_else(|| NONE.to_owned(), |time| clock_face(&time))
}

/// The same for a list on a terminal of limited width: `11-24 03:18`, or the day alone if it is long ago.
pub(crate) fn short_time(timestamp: Option<&Timestamp>, width: Option<u16>) -> String {
    match (local(timestamp), width) {
        (None, _) => NONE.to_owned(),
        (Some(time), None) => clock_face(&time),
        (Some(time), Some(_)) => short_face(&time, now()),
    }
}

/// The same, with how far away it is: `2026-11-24 03:18:22 (5 min 07 s ago)`.
pub(crate) fn time_and_distance(timestamp: Option<&Timestamp>) -> String {
    match local(timestamp) {
        None => NONE.to_owned(),
        Some(time) => format!("{} ({})", clock_face(&time), distance(time.to_utc(), now())),
    }
}

/// `03:18:22`, for log lines.
pub(crate) fn time_of_day(timestamp: Option<&Timestamp>) -> String {
    local(timestamp).map_or_else(
        || "--:--:--".to_owned(),
        |time| time.format("%H:%M:%S").to_string(),
    )
}

/// A length of time from the API, negative ones included: `+1.2 s`, `-5 min 07 s`.
pub(crate) fn signed_length(duration: &prost_types::Duration) -> String {
    let negative = duration.seconds < 0 || duration.nanos < 0;
    let size = Duration::new(
        duration.seconds.unsigned_abs(),
        duration.nanos.unsigned_abs().min(999_999_999),
    );
    format!("{}{}", if negative { '-' } else { '+' }, length(size))
}

fn clock_face<Z: TimeZone<Offset: Display>>(time: &DateTime<Z>) -> String {
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

fn short_face<Z: TimeZone<Offset: Display>>(time: &DateTime<Z>, now: DateTime<Utc>) -> String {
    let far = (now - time.to_utc()).num_days().abs() > 180;
    time.format(if far { "%Y-%m-%d" } else { "%m-%d %H:%M" })
        .to_string()
}

fn distance(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let whole =
        |duration: Duration| length(Duration::from_secs(duration.as_secs().max(1))).replace(".0 s", " s");
    match (now - time).to_std() {
        Ok(past) => format!("{} ago", whole(past)),
        Err(_) => format!("in {}", whole((time - now).to_std().unwrap_or_default())),
    }
}

fn local(timestamp: Option<&Timestamp>) -> Option<DateTime<Local>> {
    timestamp
        .and_then(convert::time)
        .map(|time| time.with_timezone(&Local))
}

fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// Bytes, and which part of all raw ones they are: `3.0 MiB (25 % of raw)`.
pub(crate) fn share(part: u64, raw: u64) -> String {
    match (u128::from(part) * 100).checked_div(raw.into()) {
        Some(percent) => format!("{} ({percent} % of raw)", bytes(part)),
        None => bytes(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let shown = [0, 7, 999, 1000, 1_234_567, u64::MAX].map(count);
        assert_eq!(
            shown,
            [
                "0",
                "7",
                "999",
                "1,000",
                "1,234,567",
                "18,446,744,073,709,551,615"
            ]
        );
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(counted(1200, "row", "rows"), "1,200 rows");
    }

    #[test]
    fn lengths_read_well() {
        let shown = |millis| length(Duration::from_millis(millis));
        assert_eq!(length(Duration::from_micros(420)), "0.4 ms");
        assert_eq!(shown(850), "850 ms");
        assert_eq!(shown(12_345), "12.3 s");
        assert_eq!(shown(307_000), "5 min 07 s");
        assert_eq!(shown(7_500_000), "2 h 05 min");
        assert_eq!(shown(273_600_000), "3 d 04 h");
        assert_eq!(
            signed_length(&prost_types::Duration {
                seconds: -1,
                nanos: -500_000_000
            }),
            "-1.5 s"
        );
    }

    #[test]
    fn distances_read_well() {
        let now = DateTime::from_timestamp(1_795_482_000, 0).unwrap();
        let at = |seconds: i64| distance(now + chrono::TimeDelta::seconds(seconds), now);
        assert_eq!(at(-307), "5 min 07 s ago");
        assert_eq!(at(0), "1 s ago");
        assert_eq!(at(3600), "in 1 h 00 min");
    }

    #[test]
    fn short_times_tell_what_matters() {
        let now = DateTime::from_timestamp(1_795_482_000, 0).unwrap();
        assert_eq!(short_face(&now, now), "11-24 01:00");
        assert_eq!(
            short_face(&(now - chrono::TimeDelta::days(200)), now),
            "2026-05-08"
        );
    }

    #[test]
    fn foreign_text_does_not_steer_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31mb\r\u{7}\u{202e}ü"),
            "a\\u{1b}[31mb\\r\\u{7}\\u{202e}ü"
        );
        assert_eq!(cell("two\nlines"), "two lines");
        assert_eq!(cell(""), "-");
    }
}
