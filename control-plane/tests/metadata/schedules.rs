//! Jobs that run by their schedules, with a clock that is moved by hand.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use dataguardian_control_plane::domain::execution::{Execution, ExecutionFilter};
use dataguardian_control_plane::domain::job::{BackupOptions, Job, JobChange, NewJob};
use dataguardian_control_plane::domain::leadership::Tenure;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_control_plane::domain::reference::Reference;
use dataguardian_control_plane::domain::schedule::due::SkipReason;
use dataguardian_control_plane::domain::schedule::{MisfirePolicy, Schedule};
use dataguardian_control_plane::domain::worker::Worker;
use dataguardian_control_plane::queue::{Heard, Listener, Signal};
use dataguardian_control_plane::services::Services;
use dataguardian_control_plane::services::schedules::Fired;
use dataguardian_core::execution::ExecutionState;
use dataguardian_core::failure::FailureKind;
use dataguardian_core::ids::AgentId;

use crate::world::{World, new_job, on_both};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

impl World {
    /// A job with a schedule, on a datasource and storage of its own.
    pub(crate) async fn scheduled(&self, agent: AgentId, name: &str, schedule: Schedule) -> Job {
        let job = self.job(agent, name, BackupOptions::default()).await;
        self.reschedule(&job, Some(schedule)).await
    }

    async fn reschedule(&self, job: &Job, schedule: Option<Schedule>) -> Job {
        let change = JobChange {
            schedule: Some(schedule),
            ..JobChange::default()
        };
        self.services
            .jobs
            .update(&Reference::Id(job.id), change)
            .await
            .unwrap()
            .after
    }

    fn go_to(&self, time: &str) {
        self.advance(at(time) - self.now());
    }

    async fn fire(&self) -> Fired {
        self.services.schedules.fire(Tenure::Free).await.unwrap()
    }

    /// What the job's schedule has come to, the oldest first.
    async fn history(&self, job: &Job) -> Vec<Execution> {
        let filter = ExecutionFilter {
            job: Some(Reference::Id(job.id)),
            ..ExecutionFilter::default()
        };
        let page = PageRequest::parse(1000, "").unwrap();
        let mut executions = self.services.executions.list(&filter, &page).await.unwrap().items;
        executions.reverse();
        executions
    }

    async fn job_now(&self, job: &Job) -> Job {
        self.services.jobs.get(&Reference::Id(job.id)).await.unwrap()
    }
}

fn scheduled_for(execution: &Execution) -> DateTime<Utc> {
    execution.scheduled.as_ref().unwrap().scheduled_for
}

/// How many times a skipped or late execution stands for, from when to when.
fn gap(execution: &Execution) -> (SkipReason, u32, DateTime<Utc>, DateTime<Utc>) {
    let gap = execution.scheduled.as_ref().unwrap().gap.as_ref().expect("a gap");
    (gap.reason, gap.count, gap.first, gap.last)
}

on_both! {
    async fn a_job_that_is_due_is_queued_once_for_its_agent(world: &World) {
        let agent = world.agent("host1").await;
        let mut listener = world.context.queue.listen();
        let job = world.scheduled(agent.id, "shop", Schedule::new("@hourly", "UTC")).await;
        heard(&mut listener, Signal::SchedulesChanged).await;
        assert_eq!(job.next_firing.unwrap().scheduled_for, at("2027-01-15T09:00:00Z"));
        world.go_to("2027-01-15T08:59:59Z");
        assert_eq!(world.fire().await, Fired::default());
        world.go_to("2027-01-15T09:00:00Z");
        assert_eq!(world.fire().await, Fired { fired: 1, ..Fired::default() });
        heard(&mut listener, Signal::WorkQueued(agent.id, Worker::Backup)).await;
        assert_eq!(world.fire().await, Fired::default(), "it is due once");
        let history = world.history(&job).await;
        assert_eq!(history.len(), 1);
        assert_eq!((history[0].state, scheduled_for(&history[0])), (ExecutionState::Queued, at("2027-01-15T09:00:00Z")));
        let after = world.job_now(&job).await;
        let last = after.last_scheduled.unwrap();
        assert_eq!((last.execution, last.state), (history[0].id, ExecutionState::Queued));
        assert_eq!(after.next_firing.unwrap().scheduled_for, at("2027-01-15T10:00:00Z"));
        assert_eq!(after.revision, job.revision, "nobody changed it");
        assert_eq!(agent.back_up().await.id, history[0].id);
        assert_eq!(world.job_now(&job).await.last_scheduled.unwrap().state, ExecutionState::Completed);
        assert_eq!(world.run(&job).await.scheduled, None, "by hand it stands for no time");
    }

    async fn clocks_that_are_put_forward_and_back_lose_and_repeat_nothing(world: &World) {
        let agent = world.agent("host1").await;
        let zones = [
            ("berlin", "30 2 * * *", "Europe/Berlin", ["2027-03-27T01:30:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:30:00Z"], ["2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z"]),
            ("new-york", "30 1,2 * * *", "America/New_York", ["2027-03-14T06:30:00Z", "2027-03-14T07:00:00Z", "2027-03-15T05:30:00Z"], ["2027-11-07T05:30:00Z", "2027-11-07T07:30:00Z"]),
            ("lord-howe", "15 2 * * *", "Australia/Lord_Howe", ["2027-10-01T15:45:00Z", "2027-10-02T15:30:00Z", "2027-10-03T15:15:00Z"], ["2027-04-03T15:45:00Z", "2027-04-04T15:45:00Z"]),
        ];
        let mut jobs = Vec::new();
        for (name, cron, zone, ..) in zones {
            jobs.push(world.scheduled(agent.id, name, Schedule::new(cron, zone)).await);
        }
        let mut now = at("2027-03-13T12:00:00Z");
        // Every quarter of an hour around the days on which clocks are changed.
        let mut fired: Vec<HashSet<DateTime<Utc>>> = vec![HashSet::new(); jobs.len()];
        while now < at("2027-11-09T00:00:00Z") {
            let month_day = (chrono::Datelike::month(&now), chrono::Datelike::day(&now));
            let watched = matches!(month_day, (3, 13..=16 | 26..=30) | (4, 2..=6) | (9, 29..) | (10, ..=5 | 29..) | (11, 1 | 5..));
            now += if watched { TimeDelta::minutes(15) } else { TimeDelta::days(1) };
            world.advance(now - world.now());
            if world.fire().await.fired == 0 {
                continue;
            }
            while let Some(assignment) = agent.claim().await {
                let id = assignment.fence.execution;
                world.services.assignments.accept(agent.id, assignment.fence).await.unwrap();
                agent.fail(assignment.fence, FailureKind::DatabaseAuthentication).await.unwrap();
                let execution = world.services.executions.get(id).await.unwrap();
                let job = execution.job.as_ref().unwrap().0;
                let index = jobs.iter().position(|other| other.id == job).unwrap();
                assert!(fired[index].insert(scheduled_for(&execution)), "{} twice", scheduled_for(&execution));
            }
        }
        for ((name, _, _, forward, back), fired) in zones.into_iter().zip(fired) {
            for (expected, span) in [(forward.as_slice(), 72), (back.as_slice(), 40)] {
                let first = at(expected[0]);
                let until = at(expected[expected.len() - 1]).min(first + TimeDelta::hours(span));
                let mut found: Vec<_> = fired.iter().copied().filter(|time| (first..=until).contains(time)).collect();
                found.sort_unstable();
                assert_eq!(found, expected.iter().map(|time| at(time)).collect::<Vec<_>>(), "{name}");
            }
        }
    }

    async fn after_an_outage_one_run_or_one_skipped_row_stands_for_all_of_it(world: &World) {
        let agent = world.agent("host1").await;
        let catching_up = world.scheduled(agent.id, "shop", Schedule::new("@hourly", "UTC")).await;
        let skipping = Schedule { misfire: MisfirePolicy::Skip, ..Schedule::new("@hourly", "UTC") };
        let skipping = world.scheduled(agent.id, "blog", skipping).await;
        let late = Schedule { catch_up: std::time::Duration::from_secs(600), ..Schedule::new("0 9-20 * * *", "UTC") };
        let late = world.scheduled(agent.id, "crm", late).await;
        world.go_to("2027-01-15T20:30:00Z");
        assert_eq!(world.fire().await, Fired { fired: 1, skipped: 24, ..Fired::default() });
        let (first, last) = (at("2027-01-15T09:00:00Z"), at("2027-01-15T20:00:00Z"));
        let missed = (SkipReason::Missed, 12, first, last);
        let history = world.history(&catching_up).await;
        assert_eq!(history.len(), 1);
        assert_eq!((history[0].state, scheduled_for(&history[0]), gap(&history[0])), (ExecutionState::Queued, last, missed));
        for job in [&skipping, &late] {
            let history = world.history(job).await;
            assert_eq!(history.len(), 1);
            assert_eq!((history[0].state, scheduled_for(&history[0]), gap(&history[0])), (ExecutionState::Skipped, first, missed));
            assert!(history[0].ended_at.is_some());
            let events = dataguardian_control_plane::store::transitions::execution_events(&world.store, history[0].id).await.unwrap();
            let lives: Vec<_> = events.iter().map(|event| (event.event.as_str(), event.to)).collect();
            assert_eq!(lives, [("queued", ExecutionState::Queued), ("skipped", ExecutionState::Skipped)]);
        }
        agent.back_up().await;
        world.go_to("2027-01-15T21:00:00Z");
        assert_eq!(world.fire().await, Fired { fired: 2, ..Fired::default() });
        let next = world.job_now(&late).await.next_firing.unwrap();
        assert_eq!(next.scheduled_for, at("2027-01-16T09:00:00Z"));
    }

    async fn while_a_run_goes_on_all_times_become_one_skipped_row(world: &World) {
        let agent = world.agent("host1").await;
        let job = world.scheduled(agent.id, "shop", Schedule::new("@hourly", "UTC")).await;
        let by_hand = world.run(&job).await;
        let running = agent.begin().await;
        for hour in 9..=13 {
            world.go_to(&format!("2027-01-15T{hour:02}:00:00Z"));
            assert_eq!(world.fire().await, Fired { skipped: 1, ..Fired::default() });
        }
        agent.fail(running.fence, FailureKind::DatabaseAuthentication).await.unwrap();
        world.go_to("2027-01-15T14:00:00Z");
        assert_eq!(world.fire().await.fired, 1, "nothing is made up for");
        world.go_to("2027-01-15T15:00:00Z");
        assert_eq!(world.fire().await.skipped, 1, "one that waits is not at its end either");
        let history = world.history(&job).await;
        let states: Vec<_> = history.iter().map(|execution| execution.state).collect();
        use ExecutionState::{Failed, Queued, Skipped};
        assert_eq!(states, [Failed, Skipped, Queued, Skipped]);
        assert_eq!(gap(&history[1]), (SkipReason::Overlap, 5, at("2027-01-15T09:00:00Z"), at("2027-01-15T13:00:00Z")));
        assert_eq!(history[1].scheduled.as_ref().unwrap().gap.as_ref().unwrap().blocked_by, Some(by_hand.id));
        assert_eq!(history[3].scheduled.as_ref().unwrap().gap.as_ref().unwrap().blocked_by, Some(history[2].id));
    }

    async fn a_locked_agent_gets_no_scheduled_work(world: &World) {
        let agent = world.agent("host1").await;
        let job = world.scheduled(agent.id, "shop", Schedule::new("@hourly", "UTC")).await;
        world.services.agents.lock(&Reference::Id(agent.id)).await.unwrap();
        for hour in 9..=11 {
            world.go_to(&format!("2027-01-15T{hour:02}:00:00Z"));
            world.fire().await;
        }
        world.services.agents.unlock(&Reference::Id(agent.id)).await.unwrap();
        world.go_to("2027-01-15T12:00:00Z");
        assert_eq!(world.fire().await.fired, 1);
        let history = world.history(&job).await;
        assert_eq!(history.len(), 2);
        assert_eq!(gap(&history[0]), (SkipReason::AgentLocked, 3, at("2027-01-15T09:00:00Z"), at("2027-01-15T11:00:00Z")));
    }

    async fn what_falls_due_while_a_job_is_paused_is_not_caught_up(world: &World) {
        let agent = world.agent("host1").await;
        let job = world.scheduled(agent.id, "shop", Schedule::new("@hourly", "UTC")).await;
        let which = Reference::Id(job.id);
        let paused = world.services.schedules.pause(&which).await.unwrap();
        assert_eq!((paused.paused_at, paused.next_firing), (Some(world.now()), None));
        assert_eq!(paused.revision, job.revision + 1);
        world.go_to("2027-01-15T11:30:00Z");
        assert_eq!(world.fire().await, Fired::default());
        assert_eq!(world.services.schedules.pause(&which).await.unwrap(), paused, "pausing again changes nothing");
        let rescheduled = world.reschedule(&job, Some(Schedule::new("30 * * * *", "UTC"))).await;
        assert_eq!((rescheduled.paused_at, rescheduled.next_firing), (paused.paused_at, None));
        let ahead = world.services.schedules.ahead(&which, 2).await.unwrap();
        let ahead: Vec<_> = ahead.times.into_iter().map(|time| time.local).collect();
        assert_eq!(ahead, ["2027-01-15T12:30:00+00:00", "2027-01-15T13:30:00+00:00"]);
        world.go_to("2027-01-15T11:45:00Z");
        let resumed = world.services.schedules.resume(&which).await.unwrap();
        assert_eq!((resumed.paused_at, resumed.next_firing.unwrap().scheduled_for), (None, at("2027-01-15T12:30:00Z")));
        assert_eq!(world.services.schedules.resume(&which).await.unwrap(), resumed);
        assert_eq!(world.fire().await, Fired::default());
        world.go_to("2027-01-15T12:30:00Z");
        assert_eq!(world.fire().await.fired, 1);
        assert_eq!(world.history(&job).await.len(), 1);
    }

    async fn another_schedule_begins_now_and_the_same_one_goes_on(world: &World) {
        let agent = world.agent("host1").await;
        let job = world.scheduled(agent.id, "shop", Schedule::new("@hourly", "UTC")).await;
        world.go_to("2027-01-15T09:00:00Z");
        let skipping = Schedule { misfire: MisfirePolicy::Skip, ..Schedule::new("@hourly", "UTC") };
        let same = world.reschedule(&job, Some(skipping)).await;
        assert_eq!(same.next_firing.unwrap().scheduled_for, at("2027-01-15T09:00:00Z"), "what is due right now is not lost");
        let other = world.reschedule(&job, Some(Schedule::new("@daily", "Europe/Berlin"))).await;
        assert_eq!(other.next_firing.unwrap().scheduled_for, at("2027-01-15T23:00:00Z"));
        let refused = world.services.jobs.update(&Reference::Id(job.id), JobChange { schedule: Some(Some(Schedule::new("0 0 30 2 *", "UTC"))), ..JobChange::default() }).await;
        assert_eq!(refused.unwrap_err().fields()[0].field, "schedule.cron");
        let none = world.reschedule(&job, None).await;
        assert_eq!((none.schedule, none.next_firing), (None, None));
        world.go_to("2027-01-17T00:00:00Z");
        assert_eq!(world.fire().await, Fired::default());
        let error = world.services.schedules.ahead(&Reference::Id(job.id), 1).await.unwrap_err();
        assert_eq!(error.reason(), "JOB_NOT_SCHEDULED");
    }

    async fn a_time_that_ran_never_runs_again_whatever_the_clock_does(world: &World) {
        let agent = world.agent("host1").await;
        let job = world.scheduled(agent.id, "shop", Schedule::new("@hourly", "UTC")).await;
        world.go_to("2027-01-15T09:00:00Z");
        assert_eq!(world.fire().await.fired, 1);
        agent.back_up().await;
        world.set_clock(TimeDelta::minutes(-30));
        let paused = world.services.schedules.pause(&Reference::Id(job.id)).await.unwrap();
        let resumed = world.services.schedules.resume(&Reference::Id(paused.id)).await.unwrap();
        assert_eq!(resumed.next_firing.unwrap().scheduled_for, at("2027-01-15T09:00:00Z"));
        world.go_to("2027-01-15T09:00:00Z");
        assert_eq!(world.fire().await, Fired { repeated: 1, ..Fired::default() });
        assert_eq!(world.history(&job).await.len(), 1);
    }

    async fn a_schedule_that_can_not_be_read_does_not_hold_up_others(world: &World) {
        let agent = world.agent("host1").await;
        let broken = world.scheduled(agent.id, "shop", Schedule::new("@hourly", "UTC")).await;
        let sound = world.scheduled(agent.id, "blog", Schedule::new("@hourly", "UTC")).await;
        let written = r#"{"cron":"@hourly","timezone":"Atlantis/Poseidonis","misfire":"run_once","catch_up":{"secs":86400,"nanos":0},"jitter":{"secs":0,"nanos":0}}"#;
        world.sql(&format!("UPDATE jobs SET schedule = '{written}' WHERE name = 'shop'")).await;
        world.go_to("2027-01-15T09:00:00Z");
        assert_eq!(world.fire().await, Fired { fired: 1, unreadable: 1, ..Fired::default() });
        assert_eq!(world.fire().await, Fired::default());
        assert_eq!(world.history(&sound).await.len(), 1);
        assert_eq!(world.history(&broken).await.len(), 0);
    }

    /// Two replicas, or two loops of one, look at the same second.
    async fn five_thousand_jobs_that_are_due_at_once_are_each_fired_once(world: &World) {
        const JOBS: usize = 5000;
        let agent = world.agent("host1").await;
        let datasource = world.datasource(agent.id, "shop").await;
        let storage = world.storage(agent.id, "shop").await;
        let schedule = Schedule::new("0 9 * * *", "UTC");
        let tx = world.store.begin().await.unwrap();
        for number in 0..JOBS {
            let new = NewJob { schedule: Some(schedule.clone()), ..new_job(&format!("job{number}"), datasource, &[storage]) };
            let job = world.services.jobs.validate(new).await.unwrap();
            dataguardian_control_plane::store::jobs::job_insert_in_tx(&tx, &job).await.unwrap();
        }
        tx.commit().await.unwrap();
        world.go_to("2027-01-15T09:00:00Z");
        let replica = world.replica().await;
        let begun = std::time::Instant::now();
        let (one, other) = tokio::join!(all_fired(&world.services), all_fired(&replica));
        let took = begun.elapsed();
        assert_eq!(one + other, JOBS);
        println!("{JOBS} jobs were fired in {took:?}: {one} by one, {other} by the other");
        let (mut made, mut jobs, mut token) = (0, HashSet::new(), String::new());
        loop {
            let page = PageRequest::parse(1000, &token).unwrap();
            let page = world.services.executions.list(&ExecutionFilter::default(), &page).await.unwrap();
            made += page.items.len();
            jobs.extend(page.items.iter().map(|execution| execution.job.as_ref().unwrap().0));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        assert_eq!((made, jobs.len()), (JOBS, JOBS));
        assert_eq!(world.fire().await, Fired::default());
    }
}

async fn heard(listener: &mut Listener, signal: Signal) {
    let heard = async { while listener.next().await != Heard::Signal(signal) {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), heard)
        .await
        .expect("the signal is heard");
}

async fn all_fired(services: &Services) -> usize {
    let mut fired = 0;
    loop {
        let report = services.schedules.fire(Tenure::Free).await.unwrap();
        fired += report.fired;
        if !report.more {
            return fired;
        }
    }
}
