//! Schedules by the calendar: tables of clock changes, and what holds for all patterns.

use chrono::TimeDelta;
use proptest::prelude::*;

use super::due::decide;
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
        let expected = "is never due: no month that it names has such a day";
        assert_eq!(
            refusals(never, "UTC"),
            [("schedule.cron".to_owned(), expected.to_owned())],
            "{never}"
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
