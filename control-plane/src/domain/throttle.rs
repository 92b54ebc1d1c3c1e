//! How often a password may be tried.
//!
//! After some free tries each further failure doubles the wait before the next try, up to a ceiling. A success, or a long
//! quiet time, forgets the failures.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// So many failures cost nothing.
const FREE_TRIES: u32 = 5;
/// The longest wait.
const LONGEST: TimeDelta = TimeDelta::minutes(15);
/// Failures older than this are forgotten.
const FORGET: TimeDelta = TimeDelta::hours(1);

/// Recent failures of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    count: u32,
    last: DateTime<Utc>,
}

impl Failures {
    /// One more failure, after `before`.
    pub fn add(before: Option<Self>, now: DateTime<Utc>) -> Self {
        let count = before
            .filter(|failures| !failures.forgotten(now))
            .map_or(0, |failures| failures.count);
        Self {
            count: count.saturating_add(1),
            last: now,
        }
    }

    /// How long the next try must wait, in whole seconds, rounded up so that whoever waits that long has waited enough; none if
    /// it need not.
    pub fn wait(&self, now: DateTime<Utc>) -> Option<Duration> {
        let over = self.count.checked_sub(FREE_TRIES)?;
        let seconds = 1_i64.checked_shl(over.min(20)).unwrap_or(i64::MAX);
        let left = self.last + TimeDelta::seconds(seconds).min(LONGEST) - now;
        let left = left
            .to_std()
            .ok()
            .filter(|left| !left.is_zero() && !self.forgotten(now))?;
        Some(Duration::from_secs(
            left.as_secs() + u64::from(left.subsec_nanos() > 0),
        ))
    }

    /// Whether they no longer count.
    pub fn forgotten(&self, now: DateTime<Utc>) -> bool {
        now - self.last > FORGET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_ceiling_and_are_forgotten() {
        let now = DateTime::UNIX_EPOCH;
        let mut failures = Failures::add(None, now);
        assert_eq!(failures.wait(now), None);
        let mut waits = Vec::new();
        for _ in 0..30 {
            failures = Failures::add(Some(failures), now);
            waits.extend(failures.wait(now).map(|wait| wait.as_secs()));
        }
        assert_eq!(waits[..4], [1, 2, 4, 8]);
        assert_eq!(waits.last(), Some(&900));
        let almost = now + TimeDelta::milliseconds(899_999);
        assert_eq!(failures.wait(almost), Some(Duration::from_secs(1)));
        assert_eq!(failures.wait(now + TimeDelta::seconds(900)), None);
        assert_eq!(failures.wait(now + TimeDelta::seconds(901)), None);
        let later = now + TimeDelta::hours(2);
        assert_eq!(Failures::add(Some(failures), later).wait(later), None);
    }
}
