//! What a backup builds upon, and whether it looks for anything at all.
//!
//! Looking costs: chunks are small, and lists are read. Where next to nothing is found again, streams are cut into chunks of
//! 4 MiB without a look. Since data may change its ways, two backups try again now and then: the first has only an old base
//! to compare with, the second says how it is.

use dataguardian_core::chunking::{Chunking, ChunkingReason};
use dataguardian_core::ids::BackupId;
use dataguardian_repository::chunker::Profile;

/// Below this part of the raw bytes, in per cent, reuse is little.
const LITTLE: u64 = 20;
/// So many backups in a row decide.
const LAST: usize = 3;
/// After so many backups without a look two try again: the 14th and the 15th.
const WITHOUT_LOOK: usize = 13;
/// So many backups are looked back upon.
pub const HISTORY: u64 = 20;

/// What an attempt of a backup begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReusePlan {
    /// How its streams are cut.
    pub profile: Profile,
    /// Why.
    pub reason: ChunkingReason,
    /// The backup in which its chunks are looked for.
    pub base: Option<BackupId>,
}

/// What an earlier backup says of reuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastRun {
    /// How its streams were cut.
    pub profile: Profile,
    /// Whether there was anything to compare it with.
    pub compared: bool,
    /// Bytes before compression.
    pub raw_bytes: u64,
    /// Of these, how many needed no storing.
    pub reused_bytes: u64,
}

impl PastRun {
    fn reused_little(&self) -> bool {
        u128::from(self.reused_bytes) * 100 < u128::from(self.raw_bytes) * u128::from(LITTLE)
    }
}

/// How the next backup's streams are cut, after these backups, the newest first.
pub fn choose(wanted: Chunking, past: &[PastRun]) -> (Profile, ChunkingReason) {
    match wanted {
        Chunking::ContentDefined => return (Profile::ContentDefined, ChunkingReason::Job),
        Chunking::Stream => return (Profile::Stream, ChunkingReason::Job),
        Chunking::Auto => {}
    }
    let of = |profile| past.iter().take_while(move |run| run.profile == profile);
    let without_look = of(Profile::Stream).count();
    if without_look >= WITHOUT_LOOK {
        return (Profile::ContentDefined, ChunkingReason::Trial);
    }
    if without_look > 0 {
        return (Profile::Stream, ChunkingReason::LittleReuse);
    }
    let looked: Vec<_> = of(Profile::ContentDefined).collect();
    let is_trial = looked.len() < past.len() && looked.len() <= LAST;
    if is_trial && looked.len() == 1 {
        return (Profile::ContentDefined, ChunkingReason::Trial);
    }
    // In a trial the oldest had an old base.
    let fair = if is_trial { looked.len() - 1 } else { looked.len() };
    let judged: Vec<_> = looked
        .into_iter()
        .take(fair)
        .filter(|run| run.compared && run.raw_bytes > 0)
        .take(LAST)
        .collect();
    let enough = judged.len() == LAST || is_trial && !judged.is_empty();
    if enough && judged.iter().all(|run| run.reused_little()) {
        (Profile::Stream, ChunkingReason::LittleReuse)
    } else {
        (Profile::ContentDefined, ChunkingReason::Usual)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(profile: Profile, percent: u64) -> PastRun {
        PastRun {
            profile,
            compared: profile == Profile::ContentDefined,
            raw_bytes: 1000,
            reused_bytes: 10 * percent,
        }
    }

    fn first() -> PastRun {
        PastRun {
            compared: false,
            ..run(Profile::ContentDefined, 0)
        }
    }

    /// What is chosen for so many backups, each of which reuses as `percent` says of its number.
    fn play(backups: usize, percent: impl Fn(usize) -> u64) -> Vec<Profile> {
        let mut past = vec![first()];
        let mut played = vec![Profile::ContentDefined];
        for number in 1..backups {
            let (profile, _) = choose(Chunking::Auto, &past);
            let found = match profile {
                Profile::ContentDefined => percent(number),
                Profile::Stream => 0,
            };
            played.push(profile);
            past.insert(0, run(profile, found));
            past.truncate(usize::try_from(HISTORY).unwrap());
        }
        played
    }

    #[test]
    fn three_backups_that_found_little_end_the_looking() {
        let past = [
            run(Profile::ContentDefined, 19),
            run(Profile::ContentDefined, 0),
            first(),
        ];
        assert_eq!(choose(Chunking::Auto, &past).0, Profile::ContentDefined);
        let past = [&[run(Profile::ContentDefined, 5)][..], &past].concat();
        assert_eq!(
            choose(Chunking::Auto, &past),
            (Profile::Stream, ChunkingReason::LittleReuse)
        );
        let past = [&[run(Profile::ContentDefined, 20)][..], &past].concat();
        assert_eq!(
            choose(Chunking::Auto, &past),
            (Profile::ContentDefined, ChunkingReason::Usual)
        );
    }

    #[test]
    fn the_first_backup_says_nothing() {
        assert_eq!(
            choose(Chunking::Auto, &[]),
            (Profile::ContentDefined, ChunkingReason::Usual)
        );
        assert_eq!(
            choose(Chunking::Auto, &[first(), first(), first(), first()]).0,
            Profile::ContentDefined
        );
    }

    #[test]
    fn the_fourteenth_backup_and_the_next_try_again() {
        let mut past = vec![run(Profile::Stream, 0); WITHOUT_LOOK - 1];
        assert_eq!(choose(Chunking::Auto, &past).0, Profile::Stream);
        past.push(run(Profile::Stream, 0));
        for _ in 0..2 {
            assert_eq!(
                choose(Chunking::Auto, &past),
                (Profile::ContentDefined, ChunkingReason::Trial)
            );
            past.insert(0, run(Profile::ContentDefined, 3));
        }
        assert_eq!(choose(Chunking::Auto, &past).0, Profile::Stream);
        past[0] = run(Profile::ContentDefined, 90);
        assert_eq!(
            choose(Chunking::Auto, &past),
            (Profile::ContentDefined, ChunkingReason::Usual)
        );
    }

    #[test]
    fn a_job_has_the_last_word() {
        let past = [run(Profile::ContentDefined, 0); 5];
        assert_eq!(
            choose(Chunking::ContentDefined, &past),
            (Profile::ContentDefined, ChunkingReason::Job)
        );
        assert_eq!(
            choose(Chunking::Stream, &[]),
            (Profile::Stream, ChunkingReason::Job)
        );
    }

    proptest! {
        #[test]
        fn data_that_repeats_is_always_looked_for(percent in 20_u64..=100, backups in 1_usize..60) {
            prop_assert!(!play(backups, |_| percent).contains(&Profile::Stream));
        }

        #[test]
        fn data_that_never_repeats_is_tried_seldom_and_for_ever(backups in 40_usize..100) {
            let played = play(backups, |_| 0);
            let looked = played[4..].iter().filter(|profile| **profile == Profile::ContentDefined).count();
            let rounds = (backups - 4) / 15;
            prop_assert!((rounds..=2 * (rounds + 1)).contains(&looked), "{looked}: {played:?}");
        }

        #[test]
        fn data_that_begins_to_repeat_is_found_out(change in 5_usize..30) {
            let played = play(change + 20, |number| if number >= change { 80 } else { 0 });
            prop_assert_eq!(*played.last().unwrap(), Profile::ContentDefined);
        }
    }
}
