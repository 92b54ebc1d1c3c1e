//! The decision: of every backup of a job whether it is kept, and by what.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{BackupId, StorageId};

use super::period::Kind;
use super::{Gfs, Policy, Retention};

/// A committed backup of the job, not on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub backup: BackupId,
    /// When it was committed.
    pub completed_at: DateTime<Utc>,
    /// Whether databases are missing in it.
    pub partial: bool,
    /// Whether somebody pinned it.
    pub pinned: bool,
    /// Whether an execution that has not ended needs it.
    pub in_use: bool,
    /// The storages that have a complete copy of which nothing is known to be damaged.
    pub whole: Vec<WholeCopy>,
}

/// A complete copy of which nothing is known to be damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeCopy {
    /// Where.
    pub storage: StorageId,
    /// Whether it passed a check that proves that it can be read back.
    pub verified: bool,
}

/// What a backup is worth; the better comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Nothing is missing, and some storage has it whole.
    Complete,
    /// Databases are missing, and some storage has the rest whole.
    Partial,
    /// No storage has it whole.
    Unfit,
}

/// What keeps a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// It is the newest of its class and the better ones.
    Newest,
    /// It is the newest of them that is verified.
    NewestVerified,
    /// There would be fewer than `min_backups`.
    MinBackups,
    /// `max_backups`.
    MaxBackups,
    /// The older sum.
    Legacy,
    /// The newest of its hour.
    Hourly,
    /// The newest of its day.
    Daily,
    /// The newest of its ISO week.
    Weekly,
    /// The newest of its month.
    Monthly,
    /// The newest of its year.
    Yearly,
    /// `keep_within`.
    Within,
    /// It is pinned.
    Pinned,
    /// An execution that has not ended needs it.
    InUse,
}

/// Why a backup is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// By what.
    pub rule: Rule,
    /// For the sake of which storage; none if the rule holds among all backups.
    pub storage: Option<StorageId>,
}

/// What becomes of a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays, for at least one reason.
    Keep(Vec<Reason>),
    /// It goes: nothing keeps it.
    Delete,
}

/// What becomes of which backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Which.
    pub backup: BackupId,
    /// What it is worth.
    pub class: Class,
    /// What becomes of it.
    pub verdict: Verdict,
}

impl Decision {
    /// Whether it goes.
    pub const fn deletes(&self) -> bool {
        matches!(self.verdict, Verdict::Delete)
    }
}

impl Candidate {
    /// What it is worth.
    pub fn class(&self) -> Class {
        match (self.whole.is_empty(), self.partial) {
            (true, _) => Class::Unfit,
            (false, true) => Class::Partial,
            (false, false) => Class::Complete,
        }
    }

    /// Whether any whole copy is verified.
    fn is_verified(&self) -> bool {
        self.whole.iter().any(|copy| copy.verified)
    }
}

/// Decides on all backups of a job; the answer has them in their order, the newest first. `replicated` are the storages that are
/// each to have the backups: those of a job that replicates.
pub fn decide(
    retention: &Retention,
    replicated: &[StorageId],
    candidates: &[Candidate],
    now: DateTime<Utc>,
) -> Vec<Decision> {
    let mut sorted: Vec<&Candidate> = candidates.iter().collect();
    sorted.sort_by_key(|candidate| std::cmp::Reverse((candidate.completed_at, candidate.backup)));
    let mut reasons: BTreeMap<BackupId, Vec<Reason>> = BTreeMap::new();
    for class in [Class::Complete, Class::Partial, Class::Unfit] {
        let pool = || sorted.iter().copied().filter(|one| one.class() <= class);
        let everywhere: Vec<_> = pool()
            .map(|one| Entry::new(one, class, one.is_verified()))
            .collect();
        for (backup, rule) in retention.select(&everywhere, now) {
            let reason = Reason { rule, storage: None };
            reasons.entry(backup).or_default().push(reason);
        }
        for storage in replicated {
            let copy_in = |one: &Candidate| one.whole.iter().find(|copy| copy.storage == *storage).copied();
            let here: Vec<_> = pool()
                .filter_map(|one| Some(Entry::new(one, class, copy_in(one)?.verified)))
                .collect();
            for (backup, rule) in retention.select(&here, now) {
                let storage = Some(*storage);
                let known = reasons.entry(backup).or_default();
                // What is kept anyway needs no more words.
                if !known.iter().any(|reason| reason.storage.is_none()) {
                    known.push(Reason { rule, storage });
                }
            }
        }
    }
    let decision = |candidate: &Candidate| {
        let by_policy = reasons.remove(&candidate.backup).unwrap_or_default();
        Decision {
            backup: candidate.backup,
            class: candidate.class(),
            verdict: verdict(candidate, by_policy),
        }
    };
    sorted.into_iter().map(decision).collect()
}

/// With what keeps a backup whatever the policy says.
fn verdict(candidate: &Candidate, mut reasons: Vec<Reason>) -> Verdict {
    let guards = [(candidate.pinned, Rule::Pinned), (candidate.in_use, Rule::InUse)];
    for (holds, rule) in guards {
        if holds {
            reasons.push(Reason { rule, storage: None });
        }
    }
    if reasons.is_empty() {
        Verdict::Delete
    } else {
        Verdict::Keep(reasons)
    }
}

/// A backup in one comparison.
struct Entry {
    backup: BackupId,
    at: DateTime<Utc>,
    verified: bool,
    /// Whether it is judged here, or only takes its place.
    judged: bool,
}

impl Entry {
    fn new(candidate: &Candidate, class: Class, verified: bool) -> Self {
        Self {
            backup: candidate.backup,
            at: candidate.completed_at,
            verified,
            judged: candidate.class() == class,
        }
    }
}

impl Retention {
    /// What is kept of these, the newest first, and by what.
    fn select(&self, pool: &[Entry], now: DateTime<Utc>) -> Vec<(BackupId, Rule)> {
        let mut chosen: Vec<(usize, Rule)> = Vec::new();
        if !pool.is_empty() {
            chosen.push((0, Rule::Newest));
        }
        if let Some(verified) = pool.iter().position(|entry| entry.verified) {
            chosen.push((verified, Rule::NewestVerified));
        }
        // The newest is there anyway.
        let newest = |most: u32| (0..pool.len()).take(usize::try_from(most).unwrap_or(usize::MAX));
        chosen.extend(
            newest(self.min_backups)
                .skip(1)
                .map(|index| (index, Rule::MinBackups)),
        );
        match self.policy {
            Policy::MaxBackups(most) => {
                chosen.extend(newest(most).map(|index| (index, Rule::MaxBackups)));
            }
            Policy::Legacy(legacy) => {
                chosen.extend(newest(legacy.sum()).map(|index| (index, Rule::Legacy)));
            }
            Policy::Gfs(gfs) => self.generations(gfs, pool, now, &mut chosen),
        }
        let judged = chosen.into_iter().filter_map(|(index, rule)| {
            let entry = pool.get(index).filter(|entry| entry.judged)?;
            Some((entry.backup, rule))
        });
        judged.collect()
    }

    fn generations(&self, gfs: Gfs, pool: &[Entry], now: DateTime<Utc>, chosen: &mut Vec<(usize, Rule)>) {
        let rules = [
            (Kind::Hour, gfs.hourly, Rule::Hourly),
            (Kind::Day, gfs.daily, Rule::Daily),
            (Kind::Week, gfs.weekly, Rule::Weekly),
            (Kind::Month, gfs.monthly, Rule::Monthly),
            (Kind::Year, gfs.yearly, Rule::Yearly),
        ];
        for (kind, most, rule) in rules {
            let mut seen = BTreeSet::new();
            let is_first = |(_, entry): &(usize, &Entry)| seen.insert(kind.of(entry.at, self.zone));
            let newest = pool.iter().enumerate().filter(is_first);
            let newest = newest.take(usize::try_from(most).unwrap_or(usize::MAX));
            chosen.extend(newest.map(|(index, _)| (index, rule)));
        }
        if let Some(within) = gfs.within {
            // One that a clock put into the future is no measure for the others.
            let newest = pool.iter().map(|entry| entry.at).find(|at| *at <= now);
            let within = TimeDelta::from_std(within).unwrap_or(TimeDelta::MAX);
            let since = newest.and_then(|newest| newest.checked_sub_signed(within));
            let is_within = |entry: &Entry| since.is_none_or(|since| entry.at >= since);
            let all = pool.iter().enumerate().filter(|(_, entry)| is_within(entry));
            chosen.extend(all.map(|(index, _)| (index, Rule::Within)));
        }
    }
}
