use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_core::ids::{BackupId, StorageId};

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn storage(n: u8) -> StorageId {
    StorageId::from_uuid(uuid::Uuid::from_u128(n.into()))
}

/// A complete backup in storage 0, committed then.
fn backup(number: u128, completed_at: &str) -> Candidate {
    Candidate {
        backup: BackupId::from_uuid(uuid::Uuid::from_u128(number)),
        completed_at: at(completed_at),
        partial: false,
        pinned: false,
        in_use: false,
        whole: vec![whole_in(0)],
    }
}

fn whole_in(n: u8) -> WholeCopy {
    WholeCopy {
        storage: storage(n),
        verified: false,
    }
}

fn verified(candidate: Candidate) -> Candidate {
    let whole = candidate.whole.iter().map(|copy| WholeCopy {
        verified: true,
        ..*copy
    });
    Candidate {
        whole: whole.collect(),
        ..candidate
    }
}

/// Of each day one, at noon, in order.
fn days(from: &str, count: i64) -> Vec<Candidate> {
    (0..count)
        .map(|day| Candidate {
            completed_at: at(from) + TimeDelta::days(day),
            ..backup(u128::try_from(day).unwrap() + 1, from)
        })
        .collect()
}

fn policy(policy: Policy) -> Retention {
    Retention {
        policy,
        zone: Tz::UTC,
        min_backups: 1,
    }
}

fn gfs(gfs: Gfs) -> Retention {
    policy(Policy::Gfs(gfs))
}

/// The numbers of the backups that stay, in order.
fn kept(retention: &Retention, candidates: &[Candidate]) -> Vec<u128> {
    kept_of(retention, &[], candidates)
}

fn kept_of(retention: &Retention, replicated: &[StorageId], candidates: &[Candidate]) -> Vec<u128> {
    let decisions = decide(retention, replicated, candidates, at("2027-01-01T00:00:00Z"));
    let stays = decisions.iter().filter(|decision| !decision.deletes());
    let mut numbers: Vec<_> = stays
        .map(|decision| decision.backup.as_uuid().as_u128())
        .collect();
    numbers.sort_unstable();
    numbers
}

fn rules(retention: &Retention, candidates: &[Candidate], number: u128) -> Vec<Rule> {
    let decisions = decide(retention, &[], candidates, at("2027-01-01T00:00:00Z"));
    let of = decisions
        .into_iter()
        .find(|decision| decision.backup.as_uuid().as_u128() == number);
    match of.unwrap().verdict {
        Verdict::Keep(reasons) => reasons.into_iter().map(|reason| reason.rule).collect(),
        Verdict::Delete => Vec::new(),
    }
}

#[test]
fn the_newest_so_many_stay() {
    let five = days("2026-03-01T12:00:00Z", 5);
    assert_eq!(kept(&policy(Policy::MaxBackups(2)), &five), [4, 5]);
    assert_eq!(
        kept(&policy(Policy::MaxBackups(9)), &five),
        [1, 2, 3, 4, 5],
        "there are no more"
    );
    assert!(kept(&policy(Policy::MaxBackups(2)), &[]).is_empty());
}

#[test]
fn the_older_way_adds_its_numbers_up() {
    let legacy = Legacy {
        daily: 1,
        weekly: 1,
        monthly: 2,
    };
    let retention = policy(Policy::Legacy(legacy));
    assert_eq!(kept(&retention, &days("2026-03-01T12:00:00Z", 6)), [3, 4, 5, 6]);
}

#[test]
fn what_is_pinned_needed_or_verified_stays_beside_what_the_policy_keeps() {
    let mut six = days("2026-03-01T12:00:00Z", 6);
    six[0].pinned = true;
    six[1] = verified(six[1].clone());
    six[2] = verified(six[2].clone());
    six[3].in_use = true;
    let one = policy(Policy::MaxBackups(1));
    assert_eq!(
        kept(&one, &six),
        [1, 3, 4, 6],
        "of the verified ones the newest alone"
    );
    assert_eq!(rules(&one, &six, 1), [Rule::Pinned]);
    assert_eq!(rules(&one, &six, 3), [Rule::NewestVerified]);
    assert_eq!(rules(&one, &six, 4), [Rule::InUse]);
    assert_eq!(rules(&one, &six, 6), [Rule::Newest, Rule::MaxBackups]);
    assert!(rules(&one, &six, 5).is_empty());
}

#[test]
fn generations_keep_the_newest_of_each_day_week_and_month() {
    // 2026-03-01 is a Sunday: the last day of ISO week 9.
    let candidates = days("2026-03-01T12:00:00Z", 40);
    let daily = gfs(Gfs {
        daily: 3,
        ..Gfs::default()
    });
    assert_eq!(kept(&daily, &candidates), [38, 39, 40]);
    let weekly = gfs(Gfs {
        weekly: 3,
        ..Gfs::default()
    });
    // The Sundays, and the last of the week that is under way: Thursday, 9 April.
    assert_eq!(kept(&weekly, &candidates), [29, 36, 40]);
    let monthly = gfs(Gfs {
        monthly: 5,
        ..Gfs::default()
    });
    assert_eq!(
        kept(&monthly, &candidates),
        [31, 40],
        "months without one do not count"
    );
    let all = gfs(Gfs {
        daily: 2,
        weekly: 2,
        monthly: 2,
        yearly: 1,
        ..Gfs::default()
    });
    assert_eq!(kept(&all, &candidates), [31, 36, 39, 40]);
    assert_eq!(
        rules(&all, &candidates, 40),
        [
            Rule::Newest,
            Rule::Daily,
            Rule::Weekly,
            Rule::Monthly,
            Rule::Yearly
        ]
    );
}

#[test]
fn weeks_are_those_of_iso_8601() {
    // Thursday, 31 December 2026 and Sunday, 3 January 2027 are of one week; Monday is of the next.
    let candidates = [
        backup(1, "2026-12-31T12:00:00Z"),
        backup(2, "2027-01-03T12:00:00Z"),
        backup(3, "2027-01-04T12:00:00Z"),
    ];
    let weekly = gfs(Gfs {
        weekly: 5,
        ..Gfs::default()
    });
    assert_eq!(kept(&weekly, &candidates), [2, 3]);
}

#[test]
fn a_day_is_one_of_the_policys_zone() {
    // In Berlin both are of 2 March; in UTC of two days.
    let candidates = [
        backup(1, "2026-03-01T23:30:00Z"),
        backup(2, "2026-03-02T12:00:00Z"),
    ];
    let mut daily = gfs(Gfs {
        daily: 5,
        ..Gfs::default()
    });
    assert_eq!(kept(&daily, &candidates), [1, 2]);
    daily.zone = Tz::Europe__Berlin;
    assert_eq!(kept(&daily, &candidates), [2]);
}

#[test]
fn an_hour_that_comes_twice_is_two_and_one_that_is_left_out_is_none() {
    let mut hourly = gfs(Gfs {
        hourly: 9,
        ..Gfs::default()
    });
    hourly.zone = Tz::Europe__Berlin;
    // 2026-10-25: at 03:00 summer time the clocks go back to 02:00.
    let back = [
        backup(1, "2026-10-25T00:10:00Z"),
        backup(2, "2026-10-25T00:50:00Z"),
        backup(3, "2026-10-25T01:10:00Z"),
        backup(4, "2026-10-25T01:50:00Z"),
    ];
    assert_eq!(kept(&hourly, &back), [2, 4]);
    // 2026-03-29: at 02:00 the clocks go to 03:00.
    let forth = [
        backup(1, "2026-03-29T00:10:00Z"),
        backup(2, "2026-03-29T00:50:00Z"),
        backup(3, "2026-03-29T01:10:00Z"),
    ];
    assert_eq!(kept(&hourly, &forth), [2, 3]);
    // The day of 25 hours is one day.
    let mut daily = gfs(Gfs {
        daily: 9,
        ..Gfs::default()
    });
    daily.zone = Tz::Europe__Berlin;
    assert_eq!(kept(&daily, &back), [4]);
}

#[test]
fn keep_within_counts_from_the_newest_and_not_from_today() {
    let within = gfs(Gfs {
        within: Some(Duration::from_secs(2 * 86_400)),
        ..Gfs::default()
    });
    // The newest is months old: backups fail, and nothing goes for that.
    let candidates = days("2026-03-01T12:00:00Z", 5);
    assert_eq!(kept(&within, &candidates), [3, 4, 5]);
    // One from the future is kept, and no measure for the others.
    let mut with_future = candidates;
    with_future.push(backup(9, "2033-01-01T00:00:00Z"));
    assert_eq!(kept(&within, &with_future), [3, 4, 5, 9]);
}

#[test]
fn partial_ones_take_no_place_of_complete_ones_and_do_not_pile_up() {
    let mut candidates = days("2026-03-01T12:00:00Z", 8);
    for index in [2, 4, 5, 6] {
        candidates[index].partial = true;
    }
    // Complete: 1, 2, 4, 8. Partial: 3, 5, 6, 7.
    let two = policy(Policy::MaxBackups(2));
    assert_eq!(kept(&two, &candidates), [4, 7, 8]);
    assert_eq!(rules(&two, &candidates, 7), [Rule::MaxBackups]);
    for candidate in &mut candidates {
        candidate.partial = true;
    }
    assert_eq!(
        kept(&two, &candidates),
        [7, 8],
        "as many as if they were complete"
    );
}

#[test]
fn what_is_damaged_everywhere_does_not_count() {
    let mut candidates = days("2026-03-01T12:00:00Z", 5);
    candidates[4].whole.clear();
    candidates[2].whole.clear();
    let two = policy(Policy::MaxBackups(2));
    assert_eq!(
        kept(&two, &candidates),
        [2, 4, 5],
        "the damaged one that is newest may be mended yet"
    );
    candidates[4].partial = true;
    assert_eq!(kept(&two, &candidates), [2, 4, 5]);
}

#[test]
fn fewer_than_the_floor_never_stay() {
    let candidates = days("2026-03-01T12:00:00Z", 6);
    let floor = Retention {
        min_backups: 4,
        ..gfs(Gfs {
            yearly: 1,
            ..Gfs::default()
        })
    };
    assert_eq!(kept(&floor, &candidates), [3, 4, 5, 6]);
    assert_eq!(rules(&floor, &candidates, 3), [Rule::MinBackups]);
}

#[test]
fn each_storage_of_a_job_that_replicates_keeps_its_last_ones() {
    let mut candidates = days("2026-03-01T12:00:00Z", 6);
    // Storage 1 was away from the fourth day on.
    for candidate in &mut candidates[..3] {
        candidate.whole.push(whole_in(1));
    }
    let two = policy(Policy::MaxBackups(2));
    assert_eq!(kept(&two, &candidates), [5, 6], "if it does not replicate");
    let both = [storage(0), storage(1)];
    assert_eq!(kept_of(&two, &both, &candidates), [2, 3, 5, 6]);
    let decisions = decide(&two, &both, &candidates, at("2027-01-01T00:00:00Z"));
    let second = decisions
        .iter()
        .find(|decision| decision.backup == candidates[1].backup);
    let only_there = Reason {
        rule: Rule::MaxBackups,
        storage: Some(storage(1)),
    };
    assert_eq!(second.unwrap().verdict, Verdict::Keep(vec![only_there]));
    // It is back, and healed.
    for candidate in &mut candidates[3..] {
        candidate.whole.push(whole_in(1));
    }
    assert_eq!(kept_of(&two, &both, &candidates), [5, 6]);
}

#[test]
fn what_lies_in_a_storage_that_the_job_has_left_counts_as_well() {
    let mut candidates = days("2026-03-01T12:00:00Z", 4);
    candidates[3].whole = vec![whole_in(7)];
    let three = policy(Policy::MaxBackups(3));
    assert_eq!(kept_of(&three, &[storage(7), storage(8)], &candidates), [2, 3, 4]);
}

#[test]
fn a_policy_keeps_something_and_says_what_is_wrong() {
    let bad = |retention: Retention| -> Vec<String> {
        let bad = retention.check().err().unwrap_or_default();
        bad.into_iter().map(|bad| bad.field).collect()
    };
    assert!(bad(policy(Policy::MaxBackups(1))).is_empty());
    assert_eq!(
        bad(policy(Policy::MaxBackups(0))),
        ["retention.max_backups", "retention.min_backups"]
    );
    assert_eq!(
        bad(policy(Policy::Legacy(Legacy::default()))),
        ["retention.legacy", "retention.min_backups"]
    );
    assert_eq!(bad(gfs(Gfs::default())), ["retention.gfs"]);
    let too_much = Gfs {
        daily: 100_001,
        within: Some(Duration::ZERO),
        ..Gfs::default()
    };
    assert_eq!(
        bad(gfs(too_much)),
        ["retention.gfs.keep_daily", "retention.gfs.keep_within"]
    );
    let floor = Retention {
        min_backups: 3,
        ..policy(Policy::MaxBackups(2))
    };
    assert_eq!(bad(floor), ["retention.min_backups"]);
    assert_eq!(
        bad(Retention {
            min_backups: 0,
            ..gfs(Gfs {
                daily: 1,
                ..Gfs::default()
            })
        }),
        ["retention.min_backups"]
    );
}

#[test]
fn a_policy_is_kept_as_it_was_said() {
    let said = Retention {
        zone: Tz::America__Sao_Paulo,
        min_backups: 2,
        ..gfs(Gfs {
            daily: 7,
            within: Some(Duration::from_secs(3600)),
            ..Gfs::default()
        })
    };
    let text = serde_json::to_string(&said).unwrap();
    assert!(text.contains("America/Sao_Paulo"), "{text}");
    assert_eq!(serde_json::from_str::<Retention>(&text).unwrap(), said);
    assert_eq!(zone("retention.timezone", ""), Ok(Tz::UTC));
    assert!(zone("retention.timezone", "Middle/Earth").is_err());
}
