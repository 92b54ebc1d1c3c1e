//! The hours, days, weeks, months and years of a time zone.

use chrono::{DateTime, Datelike as _, Offset as _, Timelike as _, Utc};
use chrono_tz::Tz;

/// A kind of period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hour,
    Day,
    /// ISO 8601: from Monday on; the year's first is that with its first Thursday.
    Week,
    Month,
    Year,
}

/// One of them; equal for two points in time that lie in the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Period {
    /// The year: the ISO year for weeks.
    year: i32,
    /// What tells it from others of its year.
    part: u32,
    /// Seconds east of UTC, for hours: where the clock goes back an hour comes twice, and each is one.
    offset: i32,
}

impl Kind {
    /// The period in which something was, by the clocks of that zone.
    pub(super) fn of(self, at: DateTime<Utc>, zone: Tz) -> Period {
        let local = at.with_timezone(&zone);
        let (year, part, offset) = match self {
            Self::Hour => {
                let offset = local.offset().fix().local_minus_utc();
                (local.year(), local.ordinal() * 24 + local.hour(), offset)
            }
            Self::Day => (local.year(), local.ordinal(), 0),
            Self::Week => {
                let week = local.iso_week();
                (week.year(), week.week(), 0)
            }
            Self::Month => (local.year(), local.month(), 0),
            Self::Year => (local.year(), 0, 0),
        };
        Period { year, part, offset }
    }
}
