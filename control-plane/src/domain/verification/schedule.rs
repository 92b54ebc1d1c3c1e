//! What of a storage is read next, so that all of it is read again every so many days. Pure.
//!
//! The oldest check goes first. A day's budget is a little more than a period's share, so that what was away for a while is
//! caught up with; a limit set by a person is never exceeded, whatever that means for the period.

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_repository::layout::ObjectKey;

/// How often a storage is looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Every copy's manifest and sizes are looked at this often.
    pub presence_every: TimeDelta,
    /// Every byte is read this often.
    pub read_every: TimeDelta,
    /// The most bytes that are read of one storage in any 24 h; none for as many as the period needs.
    pub bytes_per_day: Option<u64>,
}

/// An object and what its next check counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Which.
    pub key: ObjectKey,
    /// Its size, in bytes.
    pub size: u64,
    /// When it was last read, or came to be known.
    pub from: DateTime<Utc>,
}

/// What is known of a storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stock {
    /// The objects whose checks are oldest, the oldest first; not all if there are many.
    pub oldest: Vec<Due>,
    /// Bytes of all objects.
    pub bytes: u64,
    /// Bytes that were read in the last 24 h.
    pub read: u64,
}

impl Policy {
    /// How many bytes of a storage with so many may be read in any 24 h.
    pub fn budget(&self, bytes: u64) -> u64 {
        let period = u128::from(self.read_every.num_seconds().max(1).unsigned_abs());
        // A fifth more than the share of a day.
        let share = u128::from(bytes) * 24 * 3600 * 6 / (period * 5) + 1;
        let share = u64::try_from(share).unwrap_or(u64::MAX);
        self.bytes_per_day.map_or(share, |most| most.min(share))
    }

    /// The objects to read now, the oldest check first: what the budget has left, and at most `at_once` objects. Nothing is
    /// read again before half its period is over. Where a single object is larger than a whole day's budget it is read alone,
    /// once nothing else was read for a day: else it never would be.
    pub fn portion(&self, stock: &Stock, at_once: usize, now: DateTime<Utc>) -> Vec<Due> {
        let budget = self.budget(stock.bytes);
        let mut left = budget.saturating_sub(stock.read);
        let rested = |due: &&Due| now - due.from >= self.read_every / 2;
        let mut portion = Vec::new();
        for due in stock.oldest.iter().take_while(rested).take(at_once) {
            let alone = due.size > budget && stock.read == 0 && portion.is_empty();
            if due.size > left && !alone {
                break;
            }
            left = left.saturating_sub(due.size);
            portion.push(*due);
            if alone {
                break;
            }
        }
        portion
    }

    /// Whether a copy that was last looked at then is to be looked at now. Which of two storages is first differs from day to
    /// day by `salt`: not all copies of all installations at the same hour.
    pub fn presence_is_due(&self, last: Option<DateTime<Utc>>, salt: u8, now: DateTime<Utc>) -> bool {
        let early = self.presence_every / 10 * i32::from(salt) / 255;
        last.is_none_or(|last| now - last >= self.presence_every - early || last > now)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dataguardian_core::ids::DatasourceId;
    use dataguardian_repository::id::PackId;
    use proptest::prelude::*;

    use super::*;

    const PERIOD: i64 = 30;

    fn policy(bytes_per_day: Option<u64>) -> Policy {
        Policy {
            presence_every: TimeDelta::days(1),
            read_every: TimeDelta::days(PERIOD),
            bytes_per_day,
        }
    }

    fn key(n: usize) -> ObjectKey {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(n as u64).to_be_bytes());
        ObjectKey::Pack(
            DatasourceId::from_uuid(uuid::Uuid::from_u128(1)),
            PackId::from_bytes(id),
        )
    }

    /// Objects, when each was last read, and what was read when.
    struct Storage {
        sizes: Vec<u64>,
        from: Vec<DateTime<Utc>>,
        read: BTreeMap<DateTime<Utc>, u64>,
    }

    impl Storage {
        fn stock(&self, now: DateTime<Utc>) -> Stock {
            let mut oldest: Vec<_> = (0..self.sizes.len())
                .map(|n| Due {
                    key: key(n),
                    size: self.sizes[n],
                    from: self.from[n],
                })
                .collect();
            oldest.sort_by_key(|due| due.from);
            Stock {
                bytes: self.sizes.iter().sum(),
                read: self.read_within_a_day(now),
                oldest,
            }
        }

        fn read_within_a_day(&self, now: DateTime<Utc>) -> u64 {
            let day = (now - TimeDelta::days(1))..=now;
            self.read
                .range(day)
                .filter(|(at, _)| **at > now - TimeDelta::days(1))
                .map(|(_, bytes)| bytes)
                .sum()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Over three periods, looked at every few hours: no day's reading exceeds the budget, nothing newer goes before
        /// something older, and where the budget allows it everything is read in every period.
        #[test]
        fn the_budget_holds_and_everything_is_read_in_time(
            sizes in prop::collection::vec(1_u64..2_000, 1..120),
            ages in prop::collection::vec(0_i64..PERIOD / 2, 120),
            cap in prop::option::of(2_000_u64..20_000),
            hours in 1_i64..7,
        ) {
            let start = DateTime::UNIX_EPOCH + TimeDelta::days(1000);
            let policy = policy(cap);
            let from: Vec<_> = ages.iter().take(sizes.len()).map(|days| start - TimeDelta::days(*days)).collect();
            let mut storage = Storage { sizes, from, read: BTreeMap::new() };
            let total: u64 = storage.sizes.iter().sum();
            let largest = storage.sizes.iter().copied().max().unwrap_or(0);
            let budget = policy.budget(total);
            // Room for the largest beside a day's share.
            let is_enough = budget > total / (PERIOD as u64) + largest;
            let mut now = start;
            while now < start + TimeDelta::days(3 * PERIOD) {
                let stock = storage.stock(now);
                let portion = policy.portion(&stock, 1000, now);
                let oldest: Vec<_> = stock.oldest.iter().take(portion.len()).copied().collect();
                prop_assert_eq!(&portion, &oldest);
                for due in &portion {
                    let n = (0..storage.sizes.len()).find(|n| key(*n) == due.key).unwrap();
                    if is_enough {
                        prop_assert!(now - storage.from[n] <= TimeDelta::days(PERIOD + 1), "{} days", (now - storage.from[n]).num_days());
                    }
                    storage.from[n] = now;
                    *storage.read.entry(now).or_default() += due.size;
                }
                let read = storage.read_within_a_day(now);
                prop_assert!(read <= budget.max(largest), "{read} of {budget}");
                if cap.is_some() && largest <= budget {
                    prop_assert!(read <= budget, "{read} of {budget}");
                }
                now += TimeDelta::hours(hours);
            }
            if is_enough {
                let longest = storage.from.iter().map(|from| now - *from).max().unwrap();
                prop_assert!(longest <= TimeDelta::days(PERIOD + 1), "{} days", longest.num_days());
            }
        }

        #[test]
        fn a_limit_is_never_exceeded(cap in 1_u64..1_000_000, bytes in 0_u64..u64::MAX / 2) {
            prop_assert!(policy(Some(cap)).budget(bytes) <= cap);
        }
    }

    #[test]
    fn what_is_larger_than_a_days_budget_is_read_alone() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1000);
        let due = |n, size, days| Due {
            key: key(n),
            size,
            from: now - TimeDelta::days(days),
        };
        let mut stock = Stock {
            oldest: vec![due(0, 900, 40), due(1, 10, 39)],
            bytes: 910,
            read: 0,
        };
        let chosen = |stock: &Stock| policy(Some(100)).portion(stock, 10, now).len();
        assert_eq!(chosen(&stock), 1);
        stock.read = 1;
        assert_eq!(chosen(&stock), 0);
        stock.oldest = vec![due(0, 20, 2)];
        stock.read = 0;
        assert_eq!(chosen(&stock), 0, "it was read two days ago");
    }

    #[test]
    fn a_copy_is_looked_at_every_day() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1000);
        let due = |hours: i64, salt| {
            let last = now - TimeDelta::hours(hours);
            policy(None).presence_is_due(Some(last), salt, now)
        };
        assert!(policy(None).presence_is_due(None, 0, now));
        assert!(!due(20, 255) && !due(23, 0));
        assert!(due(22, 255) && due(24, 0));
        assert!(due(-5, 0), "a clock that was set back holds nothing up");
    }
}
