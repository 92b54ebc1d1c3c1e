//! How much later than it is due a run begins. The same job at the same time always gets the same delay, so that every replica
//! and every restart means the same instant, and a preview tells the truth.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::JobId;

/// Whole seconds, at most `setting`, and less than the time until the job is due again: runs keep their order.
pub(super) fn delay(
    job: JobId,
    scheduled_for: DateTime<Utc>,
    setting: Duration,
    next: Option<DateTime<Utc>>,
) -> TimeDelta {
    let until_next = next.map_or(i64::MAX, |next| (next - scheduled_for).num_seconds() - 1);
    let setting = i64::try_from(setting.as_secs()).unwrap_or(i64::MAX);
    let most = u64::try_from(setting.min(until_next)).unwrap_or(0);
    let instant = scheduled_for.timestamp().cast_unsigned();
    let (high, low) = job.as_uuid().as_u64_pair();
    let chosen = [high, low, instant].into_iter().fold(0, mixed) % most.saturating_add(1);
    TimeDelta::seconds(i64::try_from(chosen).unwrap_or(0))
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): short, and the same for ever, which
/// the standard library's hashes do not promise.
const fn mixed(state: u64, value: u64) -> u64 {
    let mut mixed = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    proptest! {
        #[test]
        fn a_delay_is_always_the_same_and_never_too_long(
            job in any::<u128>(), due in 0i64..4_000_000_000, setting in 0u64..90_000, gap in 1i64..100_000,
        ) {
            let job = JobId::from_uuid(uuid::Uuid::from_u128(job));
            let setting = Duration::from_secs(setting);
            let delay = || delay(job, at(due), setting, Some(at(due + gap)));
            prop_assert_eq!(delay(), delay());
            prop_assert!(delay() >= TimeDelta::zero());
            prop_assert!(delay().num_seconds() as u64 <= setting.as_secs());
            prop_assert!(delay().num_seconds() < gap);
        }
    }

    #[test]
    fn jobs_that_are_due_together_begin_apart() {
        let setting = Duration::from_secs(600);
        let counts = (0..6000u128).fold([0u32; 6], |mut counts, number| {
            let job = JobId::from_uuid(uuid::Uuid::from_u128(number));
            let delay = delay(job, at(1_800_000_000), setting, None).num_seconds();
            counts[usize::try_from(delay / 101).unwrap()] += 1;
            counts
        });
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}
