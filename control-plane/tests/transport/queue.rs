//! The queue through a real Redis: what stops and what goes on while it is away, and that all comes back by itself.

use std::time::{Duration, Instant};

use dataguardian_core::secret::Secret;
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::v1;
use dataguardian_proto::v1::backup_service_client::BackupServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::restore_service_client::RestoreServiceClient;
use dataguardian_proto::v1::system_service_client::SystemServiceClient;
use dataguardian_tests::redis::{PASSWORD, RedisServer};
use wire::session_request::Message as Said;

use crate::raw::get;
use crate::scene::Scene;
use crate::server::{Server, refused};

/// How often each call is made: one may meet a busy disk.
const CALLS: usize = 3;
/// The longest that going offline and coming back may take.
const TURN: Duration = Duration::from_secs(5);

async fn scene(redis: &RedisServer) -> Scene {
    let url = Secret::new(redis.url());
    Scene::set_with(|config| config.queue.redis_url = Some(url)).await
}

impl Scene {
    async fn info(&self) -> v1::GetSystemInfoResponse {
        let mut system = SystemServiceClient::new(self.admin.clone());
        let info = system.get_system_info(v1::GetSystemInfoRequest {}).await;
        info.unwrap().into_inner()
    }

    async fn execution(&self, id: &str) -> v1::Execution {
        let request = v1::GetExecutionRequest { id: id.to_owned() };
        let reply = self.executions().get_execution(request).await.unwrap();
        reply.into_inner().execution.unwrap()
    }

    /// The agent says that it can take on something.
    async fn has_room(&self) {
        let heartbeat = wire::Heartbeat {
            sequence: 1,
            free_slots: 1,
            now: None,
        };
        self.session.say(Said::Heartbeat(heartbeat)).await;
    }

    /// Waits until the queue is online or offline, and all workers with it; gives how long that took.
    async fn turned(&self, online: bool) -> Duration {
        let began = Instant::now();
        let state = match online {
            true => v1::WorkerState::Running,
            false => v1::WorkerState::Paused,
        };
        let turning = async {
            loop {
                let info = self.info().await;
                let handed_out = ["backup", "restore"];
                let mut concerned = info
                    .workers
                    .iter()
                    .filter(|worker| handed_out.contains(&worker.name.as_str()));
                if info.queue.unwrap().online == online && concerned.all(|worker| worker.state() == state) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(2 * TURN, turning)
            .await
            .unwrap_or_else(|_| panic!("the queue did not turn to online = {online}"));
        began.elapsed()
    }

    /// Calls everything that enqueues; each must be refused at once.
    async fn refuses(&self) {
        let run = v1::RunJobRequest {
            job: "nightly".to_owned(),
            ..v1::RunJobRequest::default()
        };
        let restore = v1::StartRestoreRequest {
            backup: "latest".to_owned(),
            datasource: "shop".to_owned(),
            mode: v1::RestoreMode::Scratch.into(),
            ..v1::StartRestoreRequest::default()
        };
        let verify = v1::VerifyBackupRequest {
            backup: "latest".to_owned(),
            datasource: "shop".to_owned(),
            ..v1::VerifyBackupRequest::default()
        };
        // The first call opens the connection.
        self.info().await;
        let retry = v1::RetryExecutionRequest {
            id: uuid::Uuid::nil().to_string(),
            ..v1::RetryExecutionRequest::default()
        };
        for call in ["RunJob", "StartRestore", "RetryExecution", "VerifyBackup"] {
            let mut times = Vec::new();
            for _ in 0..CALLS {
                let began = Instant::now();
                let error = match call {
                    "RunJob" => refused(
                        JobServiceClient::new(self.admin.clone())
                            .run_job(run.clone())
                            .await,
                    ),
                    "StartRestore" => {
                        let mut restores = RestoreServiceClient::new(self.admin.clone());
                        refused(restores.start_restore(restore.clone()).await)
                    }
                    "RetryExecution" => refused(self.executions().retry_execution(retry.clone()).await),
                    _ => {
                        let mut backups = BackupServiceClient::new(self.admin.clone());
                        refused(backups.verify_backup(verify.clone()).await)
                    }
                };
                times.push(began.elapsed());
                assert_eq!(error.reason, "QUEUE_OFFLINE", "{call}: {error:?}");
                assert!(error.retry_after.is_some(), "{call}: {error:?}");
            }
            times.sort_unstable();
            println!("{call} was refused after {times:?}");
            let median = times[CALLS / 2];
            assert!(median < Duration::from_millis(500), "{call} took {times:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_starts_without_redis_and_works_once_it_is_there() {
    let mut redis = RedisServer::prepare().unwrap();
    let mut scene = scene(&redis).await;
    scene.turned(false).await;
    let queue = scene.info().await.queue.unwrap();
    assert_eq!(
        (queue.backend.as_str(), queue.reason.as_str()),
        ("redis", "Redis can't be reached")
    );
    scene.refuses().await;
    redis.start_again().unwrap();
    let took = scene.turned(true).await;
    assert!(took < TURN, "{took:?}");
    scene.run_job().await;
    scene.offer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_stops_while_redis_is_frozen_and_goes_on_by_itself() {
    let redis = RedisServer::start().unwrap();
    let mut scene = scene(&redis).await;
    scene.turned(true).await;
    // What runs goes on, and what waits is kept.
    let running = scene.run_job().await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    scene.watch_running(&running.id).await;
    let waiting = scene.run_job().await;
    redis.freeze().unwrap();
    let took = scene.turned(false).await;
    println!("frozen: offline after {took:?}");
    assert!(took < TURN, "{took:?}");
    let shown = scene.execution(&waiting.id).await.waiting.unwrap();
    assert_eq!(shown.reason(), v1::WaitingReason::Queue, "{shown:?}");
    scene.refuses().await;
    scene.complete(&offer, crate::scene::failure()).await;
    let mut watch = scene.watch(&running.id).await;
    crate::scene::until(&mut watch, |execution| {
        execution.state() == v1::ExecutionState::Failed
    })
    .await;
    scene.has_room().await;
    redis.thaw().unwrap();
    let took = scene.turned(true).await;
    println!("thawed: online after {took:?}");
    assert!(took < TURN, "{took:?}");
    let offer = scene.offer().await;
    assert_eq!(offer.fence.unwrap().execution_id, waiting.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_edge_is_seen_in_health_metrics_and_the_audit_log() {
    let mut redis = RedisServer::start().unwrap();
    let scene = scene(&redis).await;
    scene.turned(true).await;
    redis.kill().unwrap();
    scene.turned(false).await;
    let page = get(&scene.server, "/metrics", "").await.text();
    for line in [
        "dataguardian_queue_online 0",
        "dataguardian_queue_transitions_total{to=\"offline\"} 1",
        "dataguardian_worker_state{state=\"paused\",worker=\"backup\"} 1",
        "dataguardian_worker_state{state=\"running\",worker=\"cleanup\"} 1",
    ] {
        assert!(page.contains(line), "{line} is not in\n{page}");
    }
    redis.start_again().unwrap();
    let took = scene.turned(true).await;
    println!("started again: online after {took:?}");
    assert!(took < TURN, "{took:?}");
    let page = get(&scene.server, "/metrics", "").await.text();
    assert!(page.contains("dataguardian_queue_online 1"), "{page}");
    let audit = scene.server.services.audit.clone();
    let written = async {
        loop {
            let page = dataguardian_control_plane::domain::page::PageRequest {
                size: 100,
                after: None,
            };
            let entries = audit.list(&page).await.unwrap().items;
            let methods: Vec<_> = entries
                .iter()
                .map(|record| record.entry.method.clone())
                .filter(|method| method.starts_with("queue "))
                .collect();
            if methods == ["queue online", "queue offline"] {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TURN, written)
        .await
        .expect("both edges are in the audit log");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_redis_changes_nothing() {
    let redis = RedisServer::start().unwrap();
    let mut scene = scene(&redis).await;
    scene.turned(true).await;
    let first = scene.run_job().await;
    let second = scene.run_job().await;
    redis.flush_all().unwrap();
    let offer = scene.offer().await;
    assert_eq!(offer.fence.as_ref().unwrap().execution_id, first.id);
    scene.accept(&offer).await;
    scene.complete(&offer, crate::scene::failure()).await;
    scene.has_room().await;
    let offer = scene.offer().await;
    assert_eq!(offer.fence.unwrap().execution_id, second.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_of_without_the_password() {
    let redis = RedisServer::start().unwrap();
    let url = redis.url().replace(PASSWORD, "hunter2");
    let server = Server::start_with(|config| config.queue.redis_url = Some(Secret::new(url))).await;
    let token = server.set_up().await.api_token;
    let headers = format!("authorization: Bearer {token}\r\n");
    let report = get(&server, "/api/health", &headers).await;
    assert_eq!(report.status, 200, "it is degraded, not down");
    let json = report.json();
    assert_eq!(json["status"], "degraded");
    assert_eq!(json["queue"]["online"], false);
    let reason = json["queue"]["reason"].as_str().unwrap();
    assert!(reason.contains("refuses"), "{reason}");
    assert!(!report.text().contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_may_do_what_the_documentation_says_is_enough() {
    let redis = RedisServer::start().unwrap();
    let documented = include_str!("../../../docs/operations.md");
    let line = documented
        .lines()
        .find(|line| line.contains("ACL SETUSER"))
        .unwrap();
    let command = line
        .trim()
        .replace("PASSWORD", "s3cret")
        .replace("dataguardian:ID:*", "dataguardian:*");
    let answer = redis.say(&command).unwrap();
    assert!(!answer.contains("ERR"), "{command}: {answer}");
    let url = redis
        .url()
        .replace(&format!(":{PASSWORD}@"), "dataguardian:s3cret@");
    let mut scene = Scene::set_with(|config| config.queue.redis_url = Some(Secret::new(url))).await;
    scene.turned(true).await;
    scene.run_job().await;
    scene.offer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_over_tls_is_trusted_by_its_authority_alone() {
    let redis = RedisServer::start_tls().unwrap();
    let (url, ca) = (Secret::new(redis.url()), redis.ca_file());
    let trusting = Scene::set_with(|config| {
        config.queue.redis_url = Some(url.clone());
        config.queue.redis_ca = Some(ca);
    })
    .await;
    trusting.turned(true).await;
    let doubting = Scene::set_with(|config| config.queue.redis_url = Some(url)).await;
    doubting.turned(false).await;
}
