//! How often a password may be tried.
//!
//! After some free tries each further failure doubles the wait before the next try, up to a ceiling. A success, or a long
//! quiet time, forgets the failures.

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

    /// How long the next try must wait; none if it need not.
    pub fn wait(&self, now: DateTime<Utc>) -> Option<TimeDelta> {
        let over = self.count.checked_sub(FREE_TRIES)?;
        let seconds = 1_i64.checked_shl(over.min(20)).unwrap_or(i64::MAX);
        let left = self.last + TimeDelta::seconds(seconds).min(LONGEST) - now;
        (left > TimeDelta::zero() && !self.forgotten(now)).then_some(left)
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
            waits.extend(failures.wait(now).map(|wait| wait.num_seconds()));
        }
        assert_eq!(waits[..4], [1, 2, 4, 8]);
        assert_eq!(waits.last(), Some(&900));
        assert_eq!(failures.wait(now + TimeDelta::seconds(901)), None);
        let later = now + TimeDelta::hours(2);
        assert_eq!(Failures::add(Some(failures), later).wait(later), None);
    }
}
