//! Work on its way: from a person's request over the queue to an agent and back.

use std::time::Duration;

use chrono::TimeDelta;
use dataguardian_core::clock::{Clock as _, ManualClock, SharedClock, SystemClock};
use dataguardian_proto::agent::v1 as wire;
use dataguardian_proto::v1;
use dataguardian_proto::v1::ExecutionState;
use dataguardian_proto::v1::datasource_service_client::DatasourceServiceClient;
use dataguardian_proto::v1::execution_service_client::ExecutionServiceClient;
use dataguardian_proto::v1::job_service_client::JobServiceClient;
use dataguardian_proto::v1::storage_service_client::StorageServiceClient;
use tonic::Streaming;
use wire::session_request::Message as Said;
use wire::session_response::Message as Heard;

use crate::agent::{TestAgent, TestSession};
use crate::server::{Server, Signed, bad_fields, refused};

/// A control plane with one agent, and a job for it.
struct Scene {
    server: Server,
    admin: Signed,
    agent: TestAgent,
    session: TestSession,
}

impl Scene {
    async fn set() -> Self {
        Self::set_at(SystemClock::shared()).await
    }

    async fn set_at(clock: SharedClock) -> Self {
        let server = Server::start_at(clock, |config| config.reconcilers.interval_seconds = 1).await;
        let admin = server.administrator().await;
        let agent = TestAgent::enroll(&server, &admin, "db1").await;
        let session = agent.open_session(&server).await.unwrap();
        let mut scene = Self {
            server,
            admin,
            agent,
            session,
        };
        scene.make_storage().await;
        let datasource = v1::CreateDatasourceRequest {
            name: "shop".to_owned(),
            engine: v1::Engine::Postgres.into(),
            agent: "db1".to_owned(),
            host: "localhost".to_owned(),
            username: "backup".to_owned(),
            password: "s3cret".to_owned(),
            databases: Some(v1::DatabaseSelection {
                selection: Some(v1::database_selection::Selection::All(v1::AllDatabases::default())),
            }),
            ..v1::CreateDatasourceRequest::default()
        };
        DatasourceServiceClient::new(scene.admin.clone())
            .create_datasource(datasource)
            .await
            .unwrap();
        let job = v1::CreateJobRequest {
            name: "nightly".to_owned(),
            datasource: "shop".to_owned(),
            storages: vec!["disk".to_owned()],
            ..v1::CreateJobRequest::default()
        };
        JobServiceClient::new(scene.admin.clone())
            .create_job(job)
            .await
            .unwrap();
        scene
    }

    async fn make_storage(&mut self) {
        let local = v1::LocalStorage {
            agent: "db1".to_owned(),
            path: "/var/backups".to_owned(),
        };
        let request = v1::CreateStorageRequest {
            name: "disk".to_owned(),
            location: Some(v1::create_storage_request::Location::Local(local)),
            ..v1::CreateStorageRequest::default()
        };
        let mut storages = StorageServiceClient::new(self.admin.clone());
        let session = &mut self.session;
        let answering = async {
            let Some(Heard::Question(question)) = session.next().await.unwrap() else {
                panic!("not a question")
            };
            let Some(wire::question::Question::PrepareStorage(prepare)) = question.question else {
                panic!("not that one")
            };
            let prepared = wire::PrepareStorageAnswer {
                repository_id: prepare.repository.unwrap().repository_id,
                ..wire::PrepareStorageAnswer::default()
            };
            let answer = Some(wire::answer::Answer::PrepareStorage(prepared));
            session
                .say(Said::Answer(wire::Answer {
                    request_id: question.request_id,
                    answer,
                }))
                .await;
        };
        let (made, ()) = tokio::join!(storages.create_storage(request), answering);
        made.unwrap();
    }

    async fn run_job(&self) -> v1::Execution {
        let request = v1::RunJobRequest {
            job: "nightly".to_owned(),
            ..v1::RunJobRequest::default()
        };
        JobServiceClient::new(self.admin.clone())
            .run_job(request)
            .await
            .unwrap()
            .into_inner()
            .execution
            .unwrap()
    }

    fn executions(&self) -> ExecutionServiceClient<Signed> {
        ExecutionServiceClient::new(self.admin.clone())
    }

    async fn watch(&self, id: &str) -> Streaming<v1::WatchExecutionResponse> {
        let request = v1::WatchExecutionRequest { id: id.to_owned() };
        self.executions()
            .watch_execution(request)
            .await
            .unwrap()
            .into_inner()
    }

    /// What the agent hears next, answers to heartbeats left aside.
    async fn heard(&mut self) -> Heard {
        loop {
            match self.session.next().await.unwrap() {
                Some(Heard::HeartbeatSeen(_)) => {}
                Some(heard) => return heard,
                None => panic!("the session ended"),
            }
        }
    }

    async fn offer(&mut self) -> wire::Assignment {
        match self.heard().await {
            Heard::Offer(offer) => offer,
            other => panic!("not an offer: {other:?}"),
        }
    }

    async fn accept(&self, offer: &wire::Assignment) {
        self.session
            .say(Said::Accept(wire::Accept {
                fence: offer.fence.clone(),
            }))
            .await;
    }

    async fn complete(&self, offer: &wire::Assignment, outcome: wire::complete_attempt_request::Outcome) {
        let request = wire::CompleteAttemptRequest {
            fence: offer.fence.clone(),
            outcome: Some(outcome),
        };
        self.agent
            .client(&self.server)
            .complete_attempt(request)
            .await
            .unwrap();
    }
}

/// Waits until the watched execution is as wanted.
async fn until(
    watch: &mut Streaming<v1::WatchExecutionResponse>,
    wanted: impl Fn(&v1::Execution) -> bool,
) -> v1::Execution {
    let waiting = async {
        loop {
            let execution = watch
                .message()
                .await
                .unwrap()
                .expect("the watch goes on")
                .execution
                .unwrap();
            if wanted(&execution) {
                return execution;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it comes to that")
}

fn failure() -> wire::complete_attempt_request::Outcome {
    wire::complete_attempt_request::Outcome::Failure(v1::Failure {
        reason: "DATABASE_AUTHENTICATION".to_owned(),
        message: "password authentication failed".to_owned(),
        ..v1::Failure::default()
    })
}

#[tokio::test]
async fn a_job_reaches_its_agent_at_once_with_all_that_it_needs() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let offer = tokio::time::timeout(Duration::from_secs(2), scene.offer())
        .await
        .expect("no tick is waited for");
    assert_eq!(offer.fence.as_ref().unwrap().execution_id, execution.id);
    let Some(wire::assignment::Work::Backup(work)) = &offer.work else {
        panic!("not a backup")
    };
    assert_eq!(work.connection.as_ref().unwrap().password, "s3cret");
    assert_eq!(work.repositories.len(), 1);
    assert!(!work.datasource_keys.is_empty() && !work.control_plane_id.is_empty());
}

#[tokio::test]
async fn an_attempt_is_watched_from_its_beginning_to_its_end() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let mut watch = scene.watch(&execution.id).await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    until(&mut watch, |execution| {
        execution.state() == ExecutionState::Running && execution.attempt == 1
    })
    .await;
    let progress = v1::Progress {
        stage: "copying".to_owned(),
        rows: 7,
        ..v1::Progress::default()
    };
    let progress = wire::AttemptProgress {
        fence: offer.fence.clone(),
        progress: Some(progress),
    };
    scene.session.say(Said::Progress(progress)).await;
    until(&mut watch, |execution| {
        execution
            .progress
            .as_ref()
            .is_some_and(|progress| progress.rows == 7)
    })
    .await;
    scene.complete(&offer, failure()).await;
    let ended = until(&mut watch, |execution| {
        execution.state() == ExecutionState::Failed
    })
    .await;
    assert_eq!(ended.failure.unwrap().reason, "DATABASE_AUTHENTICATION");
    assert!(
        watch.message().await.unwrap().is_none(),
        "the watch ends with the execution"
    );
}

#[tokio::test]
async fn logs_are_tailed_while_they_come() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    scene.watch_running(&execution.id).await;
    let request = v1::TailLogsRequest {
        execution_id: execution.id.clone(),
        offset: 0,
        follow: true,
    };
    let mut tail = scene.executions().tail_logs(request).await.unwrap().into_inner();
    let line = |message: &str| v1::LogLine {
        time: Some(prost_types::Timestamp {
            seconds: 1_800_000_000,
            nanos: 0,
        }),
        level: v1::LogLevel::Info.into(),
        message: message.to_owned(),
    };
    let append = wire::AppendLogsRequest {
        fence: offer.fence.clone(),
        offset: 0,
        lines: vec![line("one"), line("two")],
    };
    let mut client = scene.agent.client(&scene.server);
    assert_eq!(
        client
            .append_logs(append.clone())
            .await
            .unwrap()
            .into_inner()
            .next_offset,
        2
    );
    assert_eq!(
        client.append_logs(append).await.unwrap().into_inner().next_offset,
        2,
        "again changes nothing"
    );
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let chunk = tokio::time::timeout(Duration::from_secs(10), tail.message())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        seen.extend(chunk.lines.into_iter().map(|line| line.message));
    }
    assert_eq!(seen, ["one", "two"]);
    scene.complete(&offer, failure()).await;
    let end = tokio::time::timeout(Duration::from_secs(10), tail.message())
        .await
        .unwrap();
    assert!(end.unwrap().is_none_or(|chunk| chunk.lines.is_empty()));
}

#[tokio::test]
async fn a_cancel_reaches_the_agent_and_ends_when_the_agent_says_so() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    scene.watch_running(&execution.id).await;
    let request = v1::CancelExecutionRequest {
        id: execution.id.clone(),
    };
    let answer = scene
        .executions()
        .cancel_execution(request)
        .await
        .unwrap()
        .into_inner()
        .execution
        .unwrap();
    assert_eq!(answer.state(), ExecutionState::Cancelling);
    match scene.session.next().await.unwrap() {
        Some(Heard::Cancel(cancel)) => assert_eq!(cancel.fence, offer.fence),
        other => panic!("not a cancel: {other:?}"),
    }
    let mut watch = scene.watch(&execution.id).await;
    scene
        .complete(
            &offer,
            wire::complete_attempt_request::Outcome::Cancelled(wire::Cancelled {}),
        )
        .await;
    until(&mut watch, |execution| {
        execution.state() == ExecutionState::Cancelled
    })
    .await;
}

#[tokio::test]
async fn an_offer_that_nobody_accepts_comes_again_without_using_an_attempt() {
    let clock = ManualClock::at(SystemClock.now());
    let mut scene = Scene::set_at(clock.clone()).await;
    let execution = scene.run_job().await;
    let first = scene.offer().await;
    clock.advance(TimeDelta::seconds(11));
    let mut watch = scene.watch(&execution.id).await;
    until(&mut watch, |execution| {
        execution.state() == ExecutionState::Queued
    })
    .await;
    clock.advance(TimeDelta::seconds(6));
    let heartbeat = wire::Heartbeat {
        sequence: 1,
        free_slots: 1,
        now: None,
    };
    scene.session.say(Said::Heartbeat(heartbeat)).await;
    let second = scene.offer().await;
    let (first, fence) = (first.fence.unwrap(), second.fence.clone().unwrap());
    assert_eq!((fence.execution_id, fence.attempt), (execution.id.clone(), 1));
    assert_ne!(fence.lease_token, first.lease_token);
    let late = wire::Accept {
        fence: Some(first.clone()),
    };
    scene.session.say(Said::Accept(late)).await;
    match scene.heard().await {
        Heard::Cancel(cancel) => assert_eq!(cancel.fence, Some(first), "the lapsed offer is to be dropped"),
        other => panic!("not a cancel: {other:?}"),
    }
    scene.accept(&second).await;
    scene.watch_running(&execution.id).await;
}

#[tokio::test]
async fn an_agent_that_comes_back_goes_on_with_what_it_has() {
    let mut scene = Scene::set().await;
    let execution = scene.run_job().await;
    let offer = scene.offer().await;
    scene.accept(&offer).await;
    scene.watch_running(&execution.id).await;
    let named = wire::InFlight {
        fence: offer.fence.clone(),
        running: true,
    };
    let hello = wire::Hello {
        in_flight: vec![named],
        free_slots: 0,
        ..crate::agent::hello()
    };
    let session = TestSession::open(&mut scene.agent.client(&scene.server), hello)
        .await
        .unwrap();
    assert_eq!(session.welcome.verdicts[0].kind(), wire::VerdictKind::Continue);
    scene.complete(&offer, failure()).await;
}

#[tokio::test]
async fn watches_end_with_a_word_when_the_server_stops() {
    let scene = Scene::set().await;
    let execution = scene.run_job().await;
    let mut watch = scene.watch(&execution.id).await;
    let stopping = scene.server.stop();
    let watching = async {
        loop {
            match watch.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the execution has not ended"),
                Err(status) => return status,
            }
        }
    };
    let (status, ()) = tokio::join!(watching, stopping);
    assert_eq!(
        dataguardian_proto::status::ApiError::from(&status).reason,
        "STOPPING"
    );
}

#[tokio::test]
async fn reports_are_bounded() {
    let scene = Scene::set().await;
    let mut client = scene.agent.client(&scene.server);
    let fence = wire::Fence {
        execution_id: uuid::Uuid::now_v7().to_string(),
        attempt: 1,
        lease_token: uuid::Uuid::now_v7().to_string(),
    };
    let packs = vec![wire::StoredPack::default(); 1001];
    let request = wire::ReportPacksRequest {
        fence: Some(fence.clone()),
        packs,
    };
    assert_eq!(bad_fields(client.report_packs(request).await), ["packs"]);
    let packs = vec![wire::StoredPack {
        pack_id: vec![1; 31],
        ..wire::StoredPack::default()
    }];
    let request = wire::ReportPacksRequest {
        fence: Some(fence.clone()),
        packs,
    };
    assert_eq!(bad_fields(client.report_packs(request).await), ["packs.pack_id"]);
    let request = wire::CompleteAttemptRequest {
        fence: Some(fence),
        outcome: None,
    };
    assert_eq!(bad_fields(client.complete_attempt(request).await), ["outcome"]);
    let none = wire::Fence {
        execution_id: "x".repeat(1 << 20),
        ..wire::Fence::default()
    };
    let error = refused(
        client
            .append_logs(wire::AppendLogsRequest {
                fence: Some(none),
                ..Default::default()
            })
            .await,
    );
    assert!(error.message.len() < 1000);
}

impl Scene {
    async fn watch_running(&self, id: &str) {
        let mut watch = self.watch(id).await;
        until(&mut watch, |execution| {
            execution.state() == ExecutionState::Running
        })
        .await;
    }
}
