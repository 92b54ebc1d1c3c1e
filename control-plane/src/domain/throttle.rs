//! How often credentials may be tried.
//!
//! After some free tries each further failure doubles the wait before the next try, up to a ceiling. A success, or a long
//! quiet time, forgets the failures.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// Failures older than this are forgotten.
const FORGET: TimeDelta = TimeDelta::hours(1);
/// Whoever fails under ever new names must not fill the memory.
const MAX_REMEMBERED: usize = 10_000;

/// How much is borne of one account or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// So many failures cost nothing.
    pub free_tries: u32,
    /// The longest wait.
    pub longest: TimeDelta,
}

impl Tolerance {
    /// Of wrong passwords for one account.
    pub const ACCOUNT: Self = Self {
        free_tries: 5,
        longest: TimeDelta::minutes(15),
    };
    /// Of wrong passwords, tokens and join tokens from one address, behind which a whole office may be.
    pub const ADDRESS: Self = Self {
        free_tries: 30,
        longest: TimeDelta::minutes(1),
    };
}

/// The recent failures of all accounts, or of all addresses.
#[derive(Debug)]
pub struct Tries<K> {
    tolerance: Tolerance,
    failures: HashMap<K, Failures>,
}

impl<K: Eq + Hash> Tries<K> {
    /// None yet.
    pub fn new(tolerance: Tolerance) -> Self {
        Self {
            tolerance,
            failures: HashMap::new(),
        }
    }

    /// How long the next try must wait; none if it need not.
    pub fn wait(&self, whose: &K, now: DateTime<Utc>) -> Option<Duration> {
        self.failures.get(whose)?.wait(self.tolerance, now)
    }

    /// One more failure; whether the next try has to wait from now on, and had not to before. Beyond what is remembered at most,
    /// newcomers are not held back.
    pub fn fail(&mut self, whose: K, now: DateTime<Utc>) -> bool {
        if self.failures.len() >= MAX_REMEMBERED && !self.failures.contains_key(&whose) {
            let tolerance = self.tolerance;
            self.failures.retain(|_, old| old.wait(tolerance, now).is_some());
        }
        let before = self.failures.get(&whose).copied();
        if before.is_some() || self.failures.len() < MAX_REMEMBERED {
            let after = Failures::add(before, now);
            self.failures.insert(whose, after);
            return after.count == self.tolerance.free_tries;
        }
        false
    }

    /// A success.
    pub fn succeed(&mut self, whose: &K) {
        self.failures.remove(whose);
    }

    /// Forgets what is long ago.
    pub fn forget(&mut self, now: DateTime<Utc>) {
        self.failures.retain(|_, failures| !failures.forgotten(now));
    }
}

/// Recent failures of one account, or from one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failures {
    count: u32,
    last: DateTime<Utc>,
}

impl Failures {
    /// One more failure, after `before`.
    fn add(before: Option<Self>, now: DateTime<Utc>) -> Self {
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
    fn wait(&self, tolerance: Tolerance, now: DateTime<Utc>) -> Option<Duration> {
        let over = self.count.checked_sub(tolerance.free_tries)?;
        let seconds = 1_i64.checked_shl(over.min(20)).unwrap_or(i64::MAX);
        let left = self.last + TimeDelta::seconds(seconds).min(tolerance.longest) - now;
        let left = left
            .to_std()
            .ok()
            .filter(|left| !left.is_zero() && !self.forgotten(now))?;
        Some(Duration::from_secs(
            left.as_secs() + u64::from(left.subsec_nanos() > 0),
        ))
    }

    /// Whether they no longer count.
    fn forgotten(&self, now: DateTime<Utc>) -> bool {
        now - self.last > FORGET
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_ceiling_and_are_forgotten() {
        let now = DateTime::UNIX_EPOCH;
        let mut tries = Tries::new(Tolerance::ACCOUNT);
        tries.fail("ada", now);
        assert_eq!(tries.wait(&"ada", now), None);
        let mut waits = Vec::new();
        for _ in 0..30 {
            tries.fail("ada", now);
            waits.extend(tries.wait(&"ada", now).map(|wait| wait.as_secs()));
        }
        assert_eq!(waits[..4], [1, 2, 4, 8]);
        assert_eq!(waits.last(), Some(&900));
        assert_eq!(tries.wait(&"grace", now), None);
        let almost = now + TimeDelta::milliseconds(899_999);
        assert_eq!(tries.wait(&"ada", almost), Some(Duration::from_secs(1)));
        assert_eq!(tries.wait(&"ada", now + TimeDelta::seconds(900)), None);
        assert_eq!(tries.wait(&"ada", now + TimeDelta::seconds(901)), None);
        let later = now + TimeDelta::hours(2);
        tries.fail("ada", later);
        assert_eq!(tries.wait(&"ada", later), None);
    }

    #[test]
    fn that_the_next_try_has_to_wait_is_said_once() {
        let now = DateTime::UNIX_EPOCH;
        let mut tries = Tries::new(Tolerance::ACCOUNT);
        let said: Vec<_> = (0..8).map(|_| tries.fail("ada", now)).collect();
        assert_eq!(said, [false, false, false, false, true, false, false, false]);
        tries.succeed(&"ada");
        let again = (0..8).filter(|_| tries.fail("ada", now)).count();
        assert_eq!(again, 1);
    }

    #[test]
    fn a_success_forgets_and_an_address_is_borne_for_longer() {
        let now = DateTime::UNIX_EPOCH;
        let mut tries = Tries::new(Tolerance::ADDRESS);
        for _ in 0..Tolerance::ADDRESS.free_tries {
            assert_eq!(tries.wait(&1, now), None);
            tries.fail(1, now);
        }
        assert_eq!(tries.wait(&1, now), Some(Duration::from_secs(1)));
        tries.succeed(&1);
        assert_eq!(tries.wait(&1, now), None);
    }

    #[test]
    fn ever_new_names_do_not_fill_the_memory_nor_free_those_who_wait() {
        let now = DateTime::UNIX_EPOCH;
        let mut tries = Tries::new(Tolerance::ACCOUNT);
        for _ in 0..6 {
            tries.fail(0, now);
        }
        for name in 1..=MAX_REMEMBERED * 2 {
            tries.fail(name, now);
        }
        assert!(tries.failures.len() <= MAX_REMEMBERED);
        assert!(tries.wait(&0, now).is_some());
        tries.forget(now + TimeDelta::hours(2));
        assert!(tries.failures.is_empty());
    }
}
