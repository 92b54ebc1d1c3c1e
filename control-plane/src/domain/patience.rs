//! How long is waited for whom before something is ended without them.

use chrono::{DateTime, TimeDelta, Utc};

/// An offer that is not accepted within this time is taken back; no attempt is used.
pub const OFFER: TimeDelta = TimeDelta::seconds(10);
/// After an offer was declined or lapsed, the execution is not offered again for this long.
pub const AFTER_DECLINE: TimeDelta = TimeDelta::seconds(5);
/// A cancel that is not acknowledged within this time is taken as done; the fence stays.
pub const CANCEL: TimeDelta = TimeDelta::minutes(5);
/// An attempt is ended from here only this long after it should have ended itself.
pub const OVERRUN: TimeDelta = TimeDelta::minutes(30);
/// An attempt that nothing moves in is ended from here only this long after it should have ended itself.
pub const STUCK: TimeDelta = TimeDelta::minutes(10);
/// An attempt that told its progress within this time is in contact.
pub const CONTACT: TimeDelta = TimeDelta::minutes(2);
/// An agent that was not heard of for this long is shown as silent.
pub const SILENCE: TimeDelta = TimeDelta::minutes(30);
/// After a start of the control plane nobody's silence counts for this long.
pub const AFTER_START: TimeDelta = TimeDelta::seconds(300);

/// The moments that decide what is overdue now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// Offers made before this have lapsed.
    pub offered_before: DateTime<Utc>,
    /// Cancels wished before this are taken as done; none while silence does not count.
    pub cancelled_before: Option<DateTime<Utc>>,
    /// Waits that end up to this are over.
    pub due_until: DateTime<Utc>,
}

/// What is overdue at `now`, for a control plane that runs since `started_at`.
pub fn deadlines(now: DateTime<Utc>, started_at: DateTime<Utc>) -> Deadlines {
    Deadlines {
        offered_before: now - OFFER,
        cancelled_before: silence_counts(now, started_at).then(|| now - CANCEL),
        due_until: now,
    }
}

/// Whether an agent's silence may be held against it already.
pub fn silence_counts(now: DateTime<Utc>, started_at: DateTime<Utc>) -> bool {
    now - started_at >= AFTER_START
}

/// Whether an attempt that began then should long have ended itself.
pub fn overran(started_at: DateTime<Utc>, max_duration: std::time::Duration, now: DateTime<Utc>) -> bool {
    let allowed = TimeDelta::from_std(max_duration).unwrap_or(TimeDelta::days(365));
    now - started_at > allowed + OVERRUN
}

/// Whether an attempt in which nothing moved since then should long have ended itself. Only for one that is in contact: of one
/// that is silent nobody here knows whether anything moves.
pub fn stuck(moved_at: DateTime<Utc>, allowed: std::time::Duration, now: DateTime<Utc>) -> bool {
    let allowed = TimeDelta::from_std(allowed).unwrap_or(TimeDelta::days(365));
    now - moved_at > allowed + STUCK
}

/// Since when an agent is silent, if that is worth showing for an attempt that it was given then. After a start of the control
/// plane it first gets time to come back.
pub fn silent_since(
    last_seen: Option<DateTime<Utc>>,
    given_at: DateTime<Utc>,
    now: DateTime<Utc>,
    started_at: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let last = last_seen.map_or(given_at, |seen| seen.max(given_at));
    (silence_counts(now, started_at) && now - last >= SILENCE).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_start_silence_does_not_count() {
        let start = DateTime::UNIX_EPOCH;
        let soon = start + TimeDelta::seconds(299);
        assert_eq!(deadlines(soon, start).cancelled_before, None);
        assert_eq!(deadlines(soon, start).offered_before, soon - OFFER);
        let later = start + AFTER_START;
        assert_eq!(deadlines(later, start).cancelled_before, Some(later - CANCEL));
    }

    #[test]
    fn silence_is_shown_after_half_an_hour_and_not_right_after_a_start() {
        let start = DateTime::UNIX_EPOCH;
        let after = |minutes| start + TimeDelta::minutes(minutes);
        let up = start - TimeDelta::days(1);
        assert_eq!(silent_since(Some(after(5)), start, after(34), up), None);
        assert_eq!(silent_since(Some(after(5)), start, after(35), up), Some(after(5)));
        assert_eq!(silent_since(None, after(1), after(31), up), Some(after(1)));
        let seen_before = Some(start - TimeDelta::hours(9));
        assert_eq!(silent_since(seen_before, start, after(29), up), None);
        assert_eq!(silent_since(Some(start), start, after(60), after(56)), None);
    }

    #[test]
    fn nothing_may_move_for_a_while_longer_than_the_agent_allows() {
        let start = DateTime::UNIX_EPOCH;
        let limit = std::time::Duration::from_secs(30 * 60);
        assert!(!stuck(start, limit, start + TimeDelta::minutes(40)));
        assert!(stuck(start, limit, start + TimeDelta::minutes(41)));
    }

    #[test]
    fn an_attempt_gets_grace_to_end_itself() {
        let start = DateTime::UNIX_EPOCH;
        let hour = std::time::Duration::from_secs(3600);
        assert!(!overran(start, hour, start + TimeDelta::minutes(90)));
        assert!(overran(start, hour, start + TimeDelta::minutes(91)));
    }
}
