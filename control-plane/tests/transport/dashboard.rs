//! The dashboard, as callers see it: what ran, how well things are protected, and how the machines are.

use std::time::Duration;

use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::v1;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::system_service_client::SystemServiceClient;
use wire::session_request::Message as Said;

use crate::raw::get;
use crate::scene::{Scene, failure, until};

async fn dashboard(scene: &Scene, history_size: u32) -> v1::GetDashboardResponse {
    let request = v1::GetDashboardRequest { history_size };
    SystemServiceClient::new(scene.admin.clone())
        .get_dashboard(request)
        .await
        .unwrap()
        .into_inner()
}

/// Waits until the dashboard is as wanted.
async fn seen(
    scene: &Scene,
    what: &str,
    wanted: impl Fn(&v1::GetDashboardResponse) -> bool,
) -> v1::GetDashboardResponse {
    let waiting = async {
        loop {
            let dashboard = dashboard(scene, 0).await;
            if wanted(&dashboard) {
                return dashboard;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.unwrap_or_else(|_| panic!("{what}: not in time"))
}

pub(crate) fn told(seconds: std::ops::Range<i64>) -> Said {
    let sample = |seconds| v1::MachineSample {
        at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        cpu_percent: 12.5,
        ..v1::MachineSample::default()
    };
    Said::Performance(wire::Performance {
        machine: Some(v1::Machine {
            hostname: "db1.example".to_owned(),
            cpus: 4,
            ..v1::Machine::default()
        }),
        samples: seconds.map(sample).collect(),
        thread_pool: Some(v1::ThreadPool {
            size: 2,
            busy: 1,
            processed: 40,
            failed: 1,
            ..v1::ThreadPool::default()
        }),
        disks: vec![v1::Disk {
            path: "/backups".to_owned(),
            total: 100,
            available: 7,
        }],
    })
}

#[tokio::test]
async fn machines_are_shown_as_their_nodes_tell_and_no_more_of_it_than_was_asked_for() {
    let scene = Scene::set().await;
    let own = seen(&scene, "a sample of its own", |dashboard| {
        dashboard.performance[0].current.is_some()
    })
    .await;
    let node = &own.performance[0];
    assert_eq!(node.agent, "");
    assert!(node.machine.as_ref().unwrap().cpus > 0);
    assert!(node.current.unwrap().memory_total > 0);
    assert!(node.thread_pool.unwrap().size > 0);
    assert!(node.disks[0].total > 0, "{:?}", node.disks);
    assert_eq!(own.performance.len(), 1, "the agent has told nothing yet");

    for seconds in [0..5, 5..37] {
        scene.session.say(told(seconds)).await;
    }
    let agents = |dashboard: &v1::GetDashboardResponse| dashboard.performance.get(1).cloned();
    let all = seen(&scene, "the agent's samples", |dashboard| {
        agents(dashboard).is_some_and(|node| node.history.len() == 37)
    })
    .await;
    let node = agents(&all).unwrap();
    assert_eq!(node.agent, "db1");
    assert_eq!(node.machine.unwrap().hostname, "db1.example");
    assert_eq!(node.current.unwrap().at.unwrap().seconds, 36);
    let pool = node.thread_pool.unwrap();
    assert_eq!((pool.size, pool.processed, pool.failed), (2, 40, 1));
    assert_eq!(node.disks[0].available, 7);
    let few = agents(&dashboard(&scene, 3).await).unwrap();
    let shown: Vec<_> = few
        .history
        .iter()
        .map(|sample| sample.at.unwrap().seconds)
        .collect();
    assert_eq!(shown, [34, 35, 36]);

    let metrics = get(&scene.server, "/metrics", "").await.text();
    assert!(
        metrics.contains("dataguardian_agents_cpu_pool{what=\"processed\"} 40"),
        "{metrics}"
    );
}

#[tokio::test]
async fn what_ran_is_counted_and_a_datasource_without_a_backup_is_unprotected() {
    let mut scene = Scene::set().await;
    let empty = dashboard(&scene, 0).await;
    let counts = empty.counts.unwrap();
    assert_eq!((counts.agents, counts.agents_connected), (1, 1));
    assert_eq!(
        (counts.datasources, counts.storages, counts.jobs, counts.backups),
        (1, 1, 1, 0)
    );
    let protection = &empty.protection[0];
    assert_eq!(protection.datasource, "shop");
    assert_eq!(protection.state(), v1::ProtectionState::Unprotected);
    assert_eq!(protection.newest_backup_at, None);
    assert_eq!(protection.backup_objective.unwrap().seconds, 50 * 3600);
    assert_eq!(protection.verified_objective, None);
    assert_eq!(empty.statistics.len(), 2);
    assert_eq!(empty.statistics[0].success_rate, None);

    let execution = scene.run_job().await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    scene.watch_running(&execution.id).await;
    let running = dashboard(&scene, 0).await;
    let counts = running.counts.unwrap();
    assert_eq!((counts.executions_waiting, counts.executions_at_work), (0, 1));
    scene.complete(&offer, failure()).await;
    let mut watch = scene.watch(&execution.id).await;
    until(&mut watch, |execution| {
        execution.state() == v1::ExecutionState::Failed
    })
    .await;
    let failed = dashboard(&scene, 0).await;
    for ended in &failed.statistics {
        assert_eq!(
            (ended.completed, ended.failed, ended.success_rate),
            (0, 1, Some(0.0))
        );
    }
    assert_eq!(failed.recent_executions[0].id, execution.id);
    let metrics = get(&scene.server, "/metrics", "").await.text();
    let counted = "dataguardian_executions_total{kind=\"backup\",state=\"failed\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    // A wish to cancel what has ended is no second end.
    let cancel = v1::CancelExecutionRequest { id: execution.id };
    scene.executions().cancel_execution(cancel).await.unwrap_err();
    let metrics = get(&scene.server, "/metrics", "").await.text();
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn the_next_runs_are_shown_the_soonest_first() {
    let scene = Scene::set().await;
    assert!(dashboard(&scene, 0).await.next_runs.is_empty());
    let mut jobs = JobServiceClient::new(scene.admin.clone());
    let schedule = |cron: &str| v1::Schedule {
        cron: cron.to_owned(),
        ..v1::Schedule::default()
    };
    let update = v1::UpdateJobRequest {
        job: "nightly".to_owned(),
        schedule: Some(schedule("@yearly")),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["schedule".to_owned()],
        }),
        ..v1::UpdateJobRequest::default()
    };
    let nightly = jobs.update_job(update).await.unwrap().into_inner().job.unwrap();
    let hourly = v1::CreateJobRequest {
        name: "hourly".to_owned(),
        datasource: nightly.datasource,
        storages: nightly.storages,
        schedule: Some(schedule("@hourly")),
        ..v1::CreateJobRequest::default()
    };
    jobs.create_job(hourly).await.unwrap();
    let next = dashboard(&scene, 0).await.next_runs;
    let names: Vec<&str> = next.iter().map(|next| next.job.as_str()).collect();
    assert_eq!(names, ["hourly", "nightly"]);
    let seconds = |run: &v1::NextRun| run.fire_at.unwrap().seconds;
    assert!(seconds(&next[0]) < seconds(&next[1]));
    let pause = v1::PauseJobRequest {
        job: "hourly".to_owned(),
    };
    jobs.pause_job(pause).await.unwrap();
    assert_eq!(dashboard(&scene, 0).await.next_runs[0].job, "nightly");
}
