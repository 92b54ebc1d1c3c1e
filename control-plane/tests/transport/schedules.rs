//! Schedules over the API: made, changed, paused, looked ahead, and fired to an agent.

use std::time::Duration;

use chrono::Timelike as _;
use dataguardian_control_plane::domain::page::PageRequest;
use dataguardian_core::clock::{Clock as _, SystemClock};
use dataguardian_proto::v1;
use dataguardian_proto::v1::job_service_client::JobServiceClient;

use crate::scene::Scene;
use crate::server::{Signed, bad_fields, refused};

fn jobs(scene: &Scene) -> JobServiceClient<Signed> {
    JobServiceClient::new(scene.admin.clone())
}

fn schedule(cron: &str, timezone: &str) -> v1::Schedule {
    v1::Schedule {
        cron: cron.to_owned(),
        timezone: timezone.to_owned(),
        ..v1::Schedule::default()
    }
}

fn update(schedule: Option<v1::Schedule>) -> v1::UpdateJobRequest {
    v1::UpdateJobRequest {
        job: "nightly".to_owned(),
        schedule,
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["schedule".to_owned()],
        }),
        ..v1::UpdateJobRequest::default()
    }
}

async fn rescheduled(scene: &Scene, schedule: Option<v1::Schedule>) -> v1::Job {
    let updated = jobs(scene).update_job(update(schedule)).await.unwrap();
    updated.into_inner().job.unwrap()
}

#[tokio::test]
async fn a_job_gets_a_schedule_is_paused_resumed_and_audited() {
    let scene = Scene::set().await;
    let job = rescheduled(&scene, Some(schedule("30 2 * * *", ""))).await;
    let given = job.schedule.unwrap();
    assert_eq!(
        (given.timezone.as_str(), given.misfire_policy()),
        ("UTC", v1::MisfirePolicy::RunOnce)
    );
    assert_eq!(given.catch_up_window.unwrap().seconds, 86_400);
    assert!(job.next_fire_at.is_some() && !job.paused && job.last_scheduled.is_none());
    let which = || "nightly".to_owned();
    let paused = jobs(&scene)
        .pause_job(v1::PauseJobRequest { job: which() })
        .await
        .unwrap();
    let paused = paused.into_inner().job.unwrap();
    assert!(paused.paused && paused.paused_at.is_some() && paused.next_fire_at.is_none());
    let resumed = jobs(&scene)
        .resume_job(v1::ResumeJobRequest { job: which() })
        .await
        .unwrap();
    let resumed = resumed.into_inner().job.unwrap();
    assert!(!resumed.paused && resumed.next_fire_at == job.next_fire_at);
    let none = rescheduled(&scene, None).await;
    assert!(none.schedule.is_none() && none.next_fire_at.is_none());
    let missing = v1::PauseJobRequest {
        job: "weekly".to_owned(),
    };
    assert_eq!(
        refused(jobs(&scene).pause_job(missing).await).reason,
        "JOB_NOT_FOUND"
    );
    let audit = &scene.server.services.audit;
    let log = audit.list(&PageRequest::default()).await.unwrap().items;
    for (method, resource, outcome) in [
        ("PauseJob", "nightly", "ok"),
        ("ResumeJob", "nightly", "ok"),
        ("PauseJob", "weekly", "JOB_NOT_FOUND"),
    ] {
        let found = log.iter().filter(|record| {
            let entry = &record.entry;
            entry.method.ends_with(method) && entry.resource == resource && entry.outcome.as_str() == outcome
        });
        assert_eq!(found.count(), 1, "{method} {resource}");
    }
}

#[tokio::test]
async fn times_are_told_ahead_for_a_job_and_for_a_schedule_that_none_has_yet() {
    let scene = Scene::set().await;
    let unsaved = v1::ListNextFireTimesRequest {
        schedule: Some(schedule("0 12 * * *", "Asia/Kathmandu")),
        count: 3,
        ..v1::ListNextFireTimesRequest::default()
    };
    let ahead = jobs(&scene)
        .list_next_fire_times(unsaved)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (ahead.timezone.as_str(), ahead.times.len()),
        ("Asia/Kathmandu", 3)
    );
    assert!(
        ahead
            .times
            .iter()
            .all(|time| time.local.ends_with("T12:00:00+05:45"))
    );
    assert!(ahead.times.iter().all(|time| time.fire_at == time.scheduled_for));
    rescheduled(&scene, Some(schedule("@hourly", "UTC"))).await;
    let of_job = || v1::ListNextFireTimesRequest {
        job: "nightly".to_owned(),
        ..v1::ListNextFireTimesRequest::default()
    };
    let ahead = jobs(&scene)
        .list_next_fire_times(of_job())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(ahead.times.len(), 5);
    for (changed, field) in [
        (
            v1::ListNextFireTimesRequest {
                count: 101,
                ..of_job()
            },
            "count",
        ),
        (
            v1::ListNextFireTimesRequest {
                count: -1,
                ..of_job()
            },
            "count",
        ),
        (v1::ListNextFireTimesRequest::default(), "job"),
        (
            v1::ListNextFireTimesRequest {
                schedule: Some(schedule("@daily", "")),
                ..of_job()
            },
            "job",
        ),
    ] {
        assert_eq!(
            bad_fields(jobs(&scene).list_next_fire_times(changed).await),
            [field]
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_schedule_is_told_by_field() {
    let scene = Scene::set().await;
    let second = |seconds| Some(prost_types::Duration { seconds, nanos: 0 });
    for (schedule, fields) in [
        (schedule("0 0 30 2 *", "UTC"), vec!["schedule.cron"]),
        (
            schedule("", "Europe/Berln"),
            vec!["schedule.timezone", "schedule.cron"],
        ),
        (
            v1::Schedule {
                misfire_policy: 9,
                catch_up_window: second(-1),
                jitter: second(-1),
                ..schedule("@daily", "")
            },
            vec![
                "schedule.misfire_policy",
                "schedule.catch_up_window",
                "schedule.jitter",
            ],
        ),
        (
            v1::Schedule {
                jitter: second(90_000),
                ..schedule("@daily", "")
            },
            vec!["schedule.jitter"],
        ),
    ] {
        let refused = jobs(&scene).update_job(update(Some(schedule))).await;
        assert_eq!(bad_fields(refused), fields);
    }
}

#[tokio::test]
async fn a_job_that_is_due_reaches_its_agent_and_says_why_it_runs() {
    let mut scene = Scene::set().await;
    let soon = SystemClock.now() + Duration::from_secs(2);
    let job = rescheduled(
        &scene,
        Some(schedule(&format!("{} * * * * *", soon.second()), "UTC")),
    )
    .await;
    let offer = scene.offer().await;
    let id = offer.fence.unwrap().execution_id;
    let request = v1::GetExecutionRequest { id: id.clone() };
    let execution = scene.executions().get_execution(request).await.unwrap();
    let execution = execution.into_inner().execution.unwrap();
    assert_eq!(execution.trigger(), v1::Trigger::Scheduled);
    assert_eq!(
        (execution.scheduled_for, execution.schedule_gap),
        (job.next_fire_at, None)
    );
    let job = jobs(&scene)
        .get_job(v1::GetJobRequest { job: job.id })
        .await
        .unwrap();
    assert_eq!(
        job.into_inner().job.unwrap().last_scheduled.unwrap().execution_id,
        id
    );
}
