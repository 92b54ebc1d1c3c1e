//! At which instants a cron pattern is due by the clocks of a time zone.
//!
//! Clocks are put forward and back. What a pattern means then depends on whether it names hours:
//!
//! * It does (`30 2 * * *`, `0 2,14 * * *`, `0 */6 * * *`): it goes by the clock on the wall. A time that the wall leaves out is
//!   due at the first instant after the gap; one that the wall shows twice is due the first time alone.
//! * It is for every hour (`*/15 * * * *`): it goes by the time that passes, through gaps and repeated hours, so that an hourly
//!   backup never pauses for two hours and never hurries.
//!
//! The search is croner's. On the wall it runs over times without a zone, and each is taken to its instant here, since croner
//! itself tells the two kinds apart by something else: whether a pattern has exactly one time a day.

use chrono::{
    DateTime, LocalResult, NaiveDateTime, SecondsFormat, SubsecRound as _, TimeDelta, TimeZone as _, Utc,
};
use chrono_tz::{GapInfo, Tz};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use super::zone;
use crate::domain::field::{BadField, Checks};

/// The longest pattern.
const MAX_PATTERN: usize = 256;

/// A cron pattern in a time zone, which is due at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timetable {
    cron: Cron,
    zone: Tz,
    goes_by: Basis,
}

/// What a pattern goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// What the clock on the wall shows.
    Wall,
    /// The time that passes.
    Elapsed,
}

impl Timetable {
    /// Reads both; names `schedule.cron` or `schedule.timezone` if one can't be, or if the pattern is never due.
    pub fn parse(cron: &str, timezone: &str) -> Result<Self, Vec<BadField>> {
        let mut checks = Checks::new();
        let zone = checks.take(zone::parse("schedule.timezone", timezone));
        let cron = checks.take(pattern(cron).map_err(|problem| BadField::new("schedule.cron", problem)));
        checks.finish()?;
        let (Some(cron), Some(zone)) = (cron, zone) else {
            return Err(Vec::new());
        };
        let every_hour = (0..24).all(|hour| cron.pattern.hour_match(hour).unwrap_or(false));
        let goes_by = if every_hour { Basis::Elapsed } else { Basis::Wall };
        Ok(Self { cron, zone, goes_by })
    }

    /// The first instant strictly after that one; none when the calendar ends.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // Instants are whole seconds, so whatever lies after the beginning of a second lies after all of it.
        let after = after.trunc_subsecs(0);
        let local = after.with_timezone(&self.zone);
        match self.goes_by {
            Basis::Elapsed => {
                let next = self.cron.find_next_occurrence(&local, false).ok()?.to_utc();
                debug_assert!(next > after, "croner went back");
                Some(next)
            }
            Basis::Wall => {
                let mut wall = local.naive_local();
                loop {
                    wall = self.cron.find_next_occurrence(&wall, false).ok()?;
                    // The second showing of an hour goes over times that were due in the first one.
                    if let Some(instant) = self.first_showing(wall)
                        && instant > after
                    {
                        return Some(instant);
                    }
                }
            }
        }
    }

    /// That instant by the zone's clocks, as RFC 3339 has it: `2027-03-28T03:00:00+02:00`.
    pub fn local(&self, at: DateTime<Utc>) -> String {
        at.with_timezone(&self.zone)
            .to_rfc3339_opts(SecondsFormat::Secs, false)
    }

    /// When the clock on the wall first shows that time, or has gone past it; none at the end of the calendar.
    fn first_showing(&self, wall: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.zone.from_local_datetime(&wall) {
            LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => Some(instant.to_utc()),
            LocalResult::None => Some(GapInfo::new(&wall, &self.zone)?.end?.to_utc()),
        }
    }
}

/// Reads a pattern that is due at most once a minute, and at some time.
fn pattern(text: &str) -> Result<Cron, String> {
    if text.trim().is_empty() {
        return Err("must be given: five fields as in `0 3 * * *`".into());
    }
    if text.len() > MAX_PATTERN || !text.is_ascii() {
        return Err(format!("must be at most {MAX_PATTERN} plain characters"));
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Optional)
        .year(Year::Disallowed)
        .build();
    let cron = parser
        .parse(text)
        .map_err(|error| format!("can't be read: {error}"))?;
    let seconds = (0..60).filter(|second| cron.pattern.second_match(*second).unwrap_or(false));
    if seconds.count() != 1 {
        return Err(
            "its first field, of six, must name one second: a job is due once a minute at most".into(),
        );
    }
    // Without years the calendar repeats itself every 400 of them, so it does not matter where the search begins.
    let somewhen = DateTime::UNIX_EPOCH.naive_utc() + TimeDelta::days(365 * 50);
    match cron.find_next_occurrence(&somewhen, true) {
        Ok(_) => Ok(cron),
        Err(_) => Err("is never due: no month that it names has such a day".into()),
    }
}
