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

/// No wait that is written down is longer than this: between two attempts, or before the next offer.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);
/// The clocks of several replicas may differ so much.
const SKEW: TimeDelta = TimeDelta::seconds(60);

/// What the clocks of this process say.
///
/// What is written down is stamped with the time of day, and that can be set. A stamp that lies in the future was made before
/// the clock was set back: nobody knows how long ago that was, and whatever waits must not wait until the day has passed
/// once more. A clock that was set forward must not end what is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The time of day.
    pub now: DateTime<Utc>,
    /// How long this process runs, whatever became of the clock.
    pub uptime: TimeDelta,
    /// By how much the clock was set forward since the process began, on balance.
    pub set_forward: TimeDelta,
}

impl Times {
    /// The times of a process that has run for `uptime`, and began when the clock showed `started_at`.
    pub fn new(now: DateTime<Utc>, started_at: DateTime<Utc>, uptime: TimeDelta) -> Self {
        Self {
            now,
            uptime,
            set_forward: (now - started_at - uptime).max(TimeDelta::zero()),
        }
    }

    /// Whether so much time has passed since then. It has if nobody knows.
    pub fn passed(self, then: DateTime<Utc>, limit: TimeDelta) -> bool {
        let since = self.now - then;
        since >= limit || since < -SKEW
    }

    /// Whether a wait until then is over.
    pub fn waited(self, until: DateTime<Utc>) -> bool {
        waited(until, self.now)
    }

    /// Whether an agent's silence may be held against it already.
    pub fn silence_counts(self) -> bool {
        self.uptime >= AFTER_START
    }

    /// Whether an attempt that began then should long have ended itself.
    pub fn overran(self, began: DateTime<Utc>, max_duration: std::time::Duration) -> bool {
        let allowed = TimeDelta::from_std(max_duration).unwrap_or(TimeDelta::days(365));
        self.now - began - self.set_forward > allowed + OVERRUN
    }
}

/// Whether a wait until then is over, or was set before the clock was set back.
pub fn waited(until: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    let left = until - now;
    left <= TimeDelta::zero() || left > LONGEST_WAIT + SKEW
}

/// Whether an attempt in which nothing has moved for so long should long have ended itself. Only for one that is in contact: of
/// one that is silent nobody here knows whether anything moves.
pub fn stuck(still_for: TimeDelta, allowed: std::time::Duration) -> bool {
    let allowed = TimeDelta::from_std(allowed).unwrap_or(TimeDelta::days(365));
    still_for > allowed + STUCK
}

/// Since when an agent is silent, if that is worth showing for an attempt that it was given then. After a start of the control
/// plane it first gets time to come back.
pub fn silent_since(
    last_seen: Option<DateTime<Utc>>,
    given_at: DateTime<Utc>,
    times: Times,
) -> Option<DateTime<Utc>> {
    let last = last_seen.map_or(given_at, |seen| seen.max(given_at));
    (times.silence_counts() && times.now - last >= SILENCE).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: TimeDelta = TimeDelta::days(1);

    /// Of a process that has run for so long on a clock that nobody set.
    fn after(uptime: TimeDelta) -> Times {
        Times::new(DateTime::UNIX_EPOCH + uptime, DateTime::UNIX_EPOCH, uptime)
    }

    #[test]
    fn after_a_start_silence_does_not_count() {
        assert!(!after(TimeDelta::seconds(299)).silence_counts());
        assert!(after(AFTER_START).silence_counts());
        let set_back = Times::new(DateTime::UNIX_EPOCH - DAY, DateTime::UNIX_EPOCH, AFTER_START);
        assert!(set_back.silence_counts());
        let set_forward = Times::new(
            DateTime::UNIX_EPOCH + DAY,
            DateTime::UNIX_EPOCH,
            TimeDelta::zero(),
        );
        assert!(!set_forward.silence_counts());
    }

    #[test]
    fn silence_is_shown_after_half_an_hour_and_not_right_after_a_start() {
        let start = DateTime::UNIX_EPOCH;
        let at = |minutes| start + TimeDelta::minutes(minutes);
        let long = |minutes| Times::new(at(minutes), start - DAY, DAY + TimeDelta::minutes(minutes));
        assert_eq!(silent_since(Some(at(5)), start, long(34)), None);
        assert_eq!(silent_since(Some(at(5)), start, long(35)), Some(at(5)));
        assert_eq!(silent_since(None, at(1), long(31)), Some(at(1)));
        let seen_before = Some(start - TimeDelta::hours(9));
        assert_eq!(silent_since(seen_before, start, long(29)), None);
        let just_started = Times::new(at(60), at(56), TimeDelta::minutes(4));
        assert_eq!(silent_since(Some(start), start, just_started), None);
    }

    #[test]
    fn nothing_may_move_for_a_while_longer_than_the_agent_allows() {
        let limit = std::time::Duration::from_secs(30 * 60);
        assert!(!stuck(TimeDelta::minutes(40), limit));
        assert!(stuck(TimeDelta::minutes(41), limit));
    }

    #[test]
    fn an_attempt_gets_grace_to_end_itself_and_a_clock_set_forward_ends_none() {
        let (began, hour) = (DateTime::UNIX_EPOCH, std::time::Duration::from_secs(3600));
        assert!(!after(TimeDelta::minutes(90)).overran(began, hour));
        assert!(after(TimeDelta::minutes(91)).overran(began, hour));
        let set_forward = |uptime| Times::new(began + uptime + DAY, began, uptime);
        assert!(!set_forward(TimeDelta::minutes(90)).overran(began, hour));
        assert!(set_forward(TimeDelta::minutes(91)).overran(began, hour));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_wait_for_the_day_to_pass_again() {
        let times = after(DAY);
        assert!(times.passed(times.now - OFFER, OFFER));
        assert!(!times.passed(times.now, OFFER));
        assert!(
            !times.passed(times.now + TimeDelta::seconds(5), OFFER),
            "another replica's clock"
        );
        assert!(times.passed(times.now + DAY, OFFER));
        assert!(times.waited(times.now));
        assert!(!times.waited(times.now + TimeDelta::minutes(59)));
        assert!(times.waited(times.now + DAY));
    }
}
