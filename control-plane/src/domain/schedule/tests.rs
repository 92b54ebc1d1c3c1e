//! Schedules by the calendar: tables of clock changes, and what holds for all patterns.

use chrono::TimeDelta;
use dataguardian_core::ids::ExecutionId;
use proptest::prelude::*;

use super::due::{Decision, Gap, Obstacle, Run, SkipReason, decide};
use super::*;

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
];

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The times after that one, by the zone's clocks.
fn times(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
    let timetable = Timetable::parse(cron, zone).unwrap();
    let next = |before: &DateTime<Utc>| timetable.next_after(*before);
    let instants = std::iter::successors(next(&at(after)), next).take(count);
    instants.map(|instant| timetable.local(instant)).collect()
}

fn refusals(cron: &str, zone: &str) -> Vec<(String, String)> {
    let refused = Schedule::new(cron, zone).check().unwrap_err();
    refused
        .into_iter()
        .map(|bad| (bad.field, bad.description))
        .collect()
}

#[test]
fn a_time_that_the_wall_leaves_out_is_due_right_after_the_gap() {
    for (cron, zone, after, expected) in [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2027-03-27T00:00:00Z",
            [
                "2027-03-27T02:30:00+01:00",
                "2027-03-28T03:00:00+02:00",
                "2027-03-29T02:30:00+02:00",
            ],
        ),
        (
            "30 2 * * *",
            "America/New_York",
            "2027-03-13T00:00:00Z",
            [
                "2027-03-13T02:30:00-05:00",
                "2027-03-14T03:00:00-04:00",
                "2027-03-15T02:30:00-04:00",
            ],
        ),
        // Half an hour is left out.
        (
            "15 2 * * *",
            "Australia/Lord_Howe",
            "2027-10-01T16:00:00Z",
            [
                "2027-10-03T02:30:00+11:00",
                "2027-10-04T02:15:00+11:00",
                "2027-10-05T02:15:00+11:00",
            ],
        ),
        // Midnight itself is left out.
        (
            "0 0 * * *",
            "America/Santiago",
            "2027-09-04T12:00:00Z",
            [
                "2027-09-05T01:00:00-03:00",
                "2027-09-06T00:00:00-03:00",
                "2027-09-07T00:00:00-03:00",
            ],
        ),
        // Several times in the gap are one; and a list of hours goes by the wall as well.
        (
            "0,20,40 2,14 * * *",
            "Europe/Berlin",
            "2027-03-27T14:00:00Z",
            [
                "2027-03-28T03:00:00+02:00",
                "2027-03-28T14:00:00+02:00",
                "2027-03-28T14:20:00+02:00",
            ],
        ),
    ] {
        assert_eq!(times(cron, zone, after, 3), expected, "{cron} {zone}");
    }
}

#[test]
fn a_time_that_the_wall_shows_twice_is_due_the_first_time() {
    for (cron, zone, after, expected) in [
        (
            "30 2 * * *",
            "Europe/Berlin",
            "2027-10-30T12:00:00Z",
            ["2027-10-31T02:30:00+02:00", "2027-11-01T02:30:00+01:00"],
        ),
        (
            "30 1 * * *",
            "America/New_York",
            "2027-11-06T12:00:00Z",
            ["2027-11-07T01:30:00-04:00", "2027-11-08T01:30:00-05:00"],
        ),
        (
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2027-04-03T12:00:00Z",
            ["2027-04-04T01:45:00+11:00", "2027-04-05T01:45:00+10:30"],
        ),
        (
            "30 23 * * *",
            "America/Santiago",
            "2027-04-03T12:00:00Z",
            ["2027-04-03T23:30:00-03:00", "2027-04-04T23:30:00-04:00"],
        ),
        (
            "30 2,3 * * *",
            "Europe/Berlin",
            "2027-10-30T12:00:00Z",
            ["2027-10-31T02:30:00+02:00", "2027-10-31T03:30:00+01:00"],
        ),
    ] {
        assert_eq!(times(cron, zone, after, 2), expected, "{cron} {zone}");
    }
    // Asked in between the two showings, too.
    let again = times("30 2 * * *", "Europe/Berlin", "2027-10-31T00:45:00Z", 1);
    assert_eq!(again, ["2027-11-01T02:30:00+01:00"]);
}

#[test]
fn what_is_due_every_hour_goes_by_the_time_that_passes() {
    let back = times("30 * * * *", "Europe/Berlin", "2027-10-30T23:00:00Z", 4);
    let expected = [
        "2027-10-31T01:30:00+02:00",
        "2027-10-31T02:30:00+02:00",
        "2027-10-31T02:30:00+01:00",
        "2027-10-31T03:30:00+01:00",
    ];
    assert_eq!(back, expected);
    let forward = times("30 * * * *", "Europe/Berlin", "2027-03-28T00:00:00Z", 3);
    let expected = [
        "2027-03-28T01:30:00+01:00",
        "2027-03-28T03:30:00+02:00",
        "2027-03-28T04:30:00+02:00",
    ];
    assert_eq!(forward, expected);
}

#[test]
fn patterns_are_read_as_people_write_them() {
    for (cron, expected) in [
        ("@hourly", "2027-01-15T09:00:00+00:00"),
        ("@daily", "2027-01-16T00:00:00+00:00"),
        ("@weekly", "2027-01-17T00:00:00+00:00"),
        ("@monthly", "2027-02-01T00:00:00+00:00"),
        ("@yearly", "2028-01-01T00:00:00+00:00"),
        ("  0 22  * * mon-fri ", "2027-01-15T22:00:00+00:00"),
        ("0 3 L * *", "2027-01-31T03:00:00+00:00"),
        ("0 3 * * SUN#1", "2027-02-07T03:00:00+00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00:00+00:00"),
        ("0 0 29 2 +MON", "2044-02-29T00:00:00+00:00"),
        ("20 * * * * *", "2027-01-15T08:00:20+00:00"),
    ] {
        assert_eq!(
            times(cron, "UTC", "2027-01-15T08:00:00Z", 1),
            [expected],
            "{cron}"
        );
    }
}

#[test]
fn what_can_not_be_is_refused_by_its_field() {
    for never in ["0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 12 31 2 *", "0 0 30 2 +MON"] {
        let begun = std::time::Instant::now();
        let expected = "is never due: no month that it names has such a day";
        assert_eq!(
            refusals(never, "UTC"),
            [("schedule.cron".to_owned(), expected.to_owned())],
            "{never}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{never} takes {:?}",
            begun.elapsed()
        );
    }
    let long = "0,".repeat(200) + "0 * * * *";
    for unreadable in [
        "",
        " ",
        "0 3 * *",
        "60 * * * *",
        "0 3 * * MOND",
        "0 0 3 * * * 2027",
        "x",
        "@often",
        "é * * * *",
        &long,
        "* * * * * *",
        "*/30 * * * * *",
        "0,30 * * * * *",
        "0 3 0 * *",
    ] {
        let refused = refusals(unreadable, "UTC");
        assert_eq!(refused.len(), 1, "{unreadable}");
        assert_eq!(refused[0].0, "schedule.cron", "{unreadable}");
    }
    let both: Vec<_> = refusals("0 0 30 2 *", "Europe/Berln")
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(both, ["schedule.timezone", "schedule.cron"]);
    let wide = Schedule {
        catch_up: MAX_CATCH_UP + Duration::from_secs(1),
        jitter: MAX_JITTER + Duration::from_secs(1),
        ..Schedule::new("@daily", "UTC")
    };
    let fields: Vec<_> = wide
        .check()
        .unwrap_err()
        .into_iter()
        .map(|bad| bad.field)
        .collect();
    assert_eq!(fields, ["schedule.catch_up_window", "schedule.jitter"]);
}

/// What an hourly job does whose next time was `first`.
fn hourly(misfire: MisfirePolicy, first: &str, obstacle: Option<Obstacle>, now: &str) -> Option<Decision> {
    let schedule = Schedule {
        misfire,
        ..Schedule::new("@hourly", "UTC")
    };
    let plan = Plan::new(JobId::new(), &schedule).unwrap();
    decide(&plan, plan.firing(at(first)), obstacle, at(now))
}

fn missed(count: u32, first: &str, last: &str) -> Gap {
    Gap {
        reason: SkipReason::Missed,
        count,
        first: at(first),
        last: at(last),
        blocked_by: None,
    }
}

fn run(scheduled_for: &str, stands_for: Option<Gap>) -> Option<Run> {
    Some(Run {
        scheduled_for: at(scheduled_for),
        stands_for,
    })
}

#[test]
fn what_is_due_on_time_runs() {
    for misfire in [MisfirePolicy::RunOnce, MisfirePolicy::Skip] {
        let decide = |now| hourly(misfire, "2027-01-15T08:00:00Z", None, now);
        assert_eq!(decide("2027-01-15T07:59:59Z"), None);
        for now in ["2027-01-15T08:00:00Z", "2027-01-15T08:01:00Z"] {
            let decision = decide(now).unwrap();
            assert_eq!(decision.run, run("2027-01-15T08:00:00Z", None));
            assert_eq!(decision.skipped, None);
            assert_eq!(decision.next.unwrap().scheduled_for, at("2027-01-15T09:00:00Z"));
        }
    }
}

#[test]
fn after_an_outage_one_run_stands_for_all_or_all_are_skipped() {
    let (first, last) = ("2027-01-15T08:00:00Z", "2027-01-15T19:00:00Z");
    let decide = |misfire, now| hourly(misfire, first, None, now).unwrap();
    let caught_up = decide(MisfirePolicy::RunOnce, "2027-01-15T19:30:00Z");
    assert_eq!(caught_up.run, run(last, Some(missed(12, first, last))));
    assert_eq!(caught_up.skipped, None);
    let skipped = decide(MisfirePolicy::Skip, "2027-01-15T19:30:00Z");
    assert_eq!(
        (skipped.run, skipped.skipped),
        (None, Some(missed(12, first, last)))
    );
    assert_eq!(skipped.next, caught_up.next);
    // Back in the minute of the last one: that one is on time.
    let just_in_time = decide(MisfirePolicy::Skip, "2027-01-15T19:00:30Z");
    assert_eq!(just_in_time.run, run(last, None));
    let others = missed(11, first, "2027-01-15T18:00:00Z");
    assert_eq!(just_in_time.skipped, Some(others));
}

#[test]
fn what_is_too_long_ago_is_not_caught_up() {
    let daily = Schedule {
        catch_up: Duration::from_secs(3600),
        ..Schedule::new("@daily", "UTC")
    };
    let plan = Plan::new(JobId::new(), &daily).unwrap();
    let first = plan.firing(at("2027-01-15T00:00:00Z"));
    let decide = |now| decide(&plan, first, None, at(now)).unwrap();
    assert!(decide("2027-01-15T01:00:00Z").run.is_some());
    let skipped = decide("2027-01-15T01:00:01Z");
    let gap = missed(1, "2027-01-15T00:00:00Z", "2027-01-15T00:00:00Z");
    assert_eq!((skipped.run, skipped.skipped), (None, Some(gap)));
}

#[test]
fn whatever_stands_in_the_way_skips_all_and_goes_on_as_one_gap() {
    let running = ExecutionId::new();
    let decide = |first, obstacle, now| {
        let decision = hourly(MisfirePolicy::RunOnce, first, Some(obstacle), now).unwrap();
        assert_eq!(decision.run, None);
        decision.skipped.unwrap()
    };
    let blocked = Obstacle::Unfinished(running);
    let one = decide("2027-01-15T08:00:00Z", blocked, "2027-01-15T08:00:01Z");
    let two = decide("2027-01-15T09:00:00Z", blocked, "2027-01-15T10:00:01Z");
    assert_eq!(
        (one.reason, one.blocked_by, two.count),
        (SkipReason::Overlap, Some(running), 2)
    );
    assert!(one.is_continued_by(&two));
    let both = one.with(&two);
    assert_eq!((both.count, both.first, both.last), (3, one.first, two.last));
    let other = decide(
        "2027-01-15T09:00:00Z",
        Obstacle::Unfinished(ExecutionId::new()),
        "2027-01-15T09:00:01Z",
    );
    let locked = decide(
        "2027-01-15T09:00:00Z",
        Obstacle::AgentLocked,
        "2027-01-15T09:00:01Z",
    );
    for later in [
        &other,
        &locked,
        &missed(1, "2027-01-15T09:00:00Z", "2027-01-15T09:00:00Z"),
    ] {
        assert!(!one.is_continued_by(later));
        assert!(!later.is_continued_by(&one));
    }
}

#[test]
fn very_many_times_are_decided_quickly() {
    let schedule = Schedule::new("* * * * *", "Europe/Berlin");
    let plan = Plan::new(JobId::new(), &schedule).unwrap();
    let first = plan.firing(at("2017-01-15T08:00:00Z"));
    let now = at("2027-01-15T08:00:30Z");
    let decision = decide(&plan, first, None, now).unwrap();
    let run = decision.run.unwrap();
    assert_eq!(run.scheduled_for, at("2027-01-15T08:00:00Z"));
    assert!(run.stands_for.unwrap().count > 10_000);
    assert_eq!(decision.next.unwrap().scheduled_for, at("2027-01-15T08:01:00Z"));
}

#[test]
fn a_job_begins_later_by_its_jitter_and_the_next_one_after_it() {
    let schedule = Schedule {
        jitter: Duration::from_secs(3600),
        ..Schedule::new("*/5 * * * *", "UTC")
    };
    let plan = Plan::new(JobId::new(), &schedule).unwrap();
    let mut firing = plan.next_after(at("2027-01-15T08:00:00Z")).unwrap();
    let mut delays = std::collections::HashSet::new();
    for _ in 0..100 {
        let next = plan.next_after(firing.scheduled_for).unwrap();
        assert!(firing.scheduled_for <= firing.fire_at && firing.fire_at < next.scheduled_for);
        delays.insert((firing.fire_at - firing.scheduled_for).num_seconds());
        firing = next;
    }
    assert!(delays.len() > 50, "{delays:?}");
}

/// Patterns of all kinds that are due.
fn patterns() -> impl Strategy<Value = String> {
    let number = |low: u32, high: u32| (low..=high).prop_map(|number| number.to_string());
    let field = move |low: u32, high: u32| {
        let list = prop::collection::vec(low..=high, 1..4)
            .prop_map(|some| some.iter().map(ToString::to_string).collect::<Vec<_>>().join(","));
        prop_oneof![
            Just("*".to_owned()),
            number(low, high),
            (1..=high).prop_map(|step| format!("*/{step}")),
            list
        ]
    };
    let days = prop_oneof![3 => Just("*".to_owned()), 1 => number(1, 28), 1 => Just("L".to_owned())];
    let weekdays = prop_oneof![3 => Just("*".to_owned()), 1 => number(0, 7), 1 => Just("MON-FRI".to_owned())];
    (field(0, 59), field(0, 23), days, field(1, 12), weekdays)
        .prop_map(|(minute, hour, day, month, weekday)| format!("{minute} {hour} {day} {month} {weekday}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_next_time_lies_after_and_nothing_lies_between(
        cron in patterns(), zone in prop::sample::select(&ZONES[..]), after in 1_700_000_000i64..2_000_000_000,
    ) {
        let timetable = Timetable::parse(&cron, zone).unwrap();
        let mut before = DateTime::from_timestamp(after, 0).unwrap();
        for _ in 0..20 {
            let next = timetable.next_after(before).unwrap();
            prop_assert!(next > before);
            // Whoever asks at any time in between means the same one: none is lost, and none comes twice.
            let between = before + (next - before) / 2;
            prop_assert_eq!(timetable.next_after(between), Some(next));
            prop_assert_eq!(timetable.next_after(next - TimeDelta::milliseconds(1)), Some(next));
            before = next;
        }
    }

    #[test]
    fn however_time_passes_each_due_time_is_told_of_once(
        cron in patterns(),
        zone in prop::sample::select(&ZONES[..]),
        skips in any::<bool>(),
        jitter in 0u64..7200,
        begin in 1_790_000_000i64..1_830_000_000,
        steps in prop::collection::vec(1i64..200_000, 1..12),
    ) {
        let schedule = Schedule {
            misfire: if skips { MisfirePolicy::Skip } else { MisfirePolicy::RunOnce },
            jitter: Duration::from_secs(jitter),
            ..Schedule::new(&cron, zone)
        };
        let plan = Plan::new(JobId::new(), &schedule).unwrap();
        let mut now = DateTime::from_timestamp(begin, 0).unwrap();
        let mut next = plan.next_after(now).unwrap();
        let (first, mut told, mut ran) = (next, 0, std::collections::BTreeSet::new());
        for step in steps {
            now += TimeDelta::seconds(step);
            let Some(decision) = decide(&plan, next, None, now) else { continue };
            if let Some(run) = &decision.run {
                prop_assert!(ran.insert(run.scheduled_for), "{} ran twice", run.scheduled_for);
                told += run.stands_for.as_ref().map_or(1, |gap| gap.count);
            }
            told += decision.skipped.as_ref().map_or(0, |gap| gap.count);
            let after = decision.next.unwrap();
            prop_assert!(after.fire_at > now && after.scheduled_for > next.scheduled_for);
            next = after;
        }
        let mut due = 0;
        let mut firing = first;
        while firing.fire_at <= now {
            due += 1;
            firing = plan.next_after(firing.scheduled_for).unwrap();
        }
        prop_assert_eq!(told, due);
        prop_assert_eq!(firing, next);
    }
}
